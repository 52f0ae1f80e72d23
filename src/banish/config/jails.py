"""Jail sections to settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from banish.enforcement.actions import ActionSettings
from banish.errors import Problem
from banish.jail import JailSettings
from banish.sources.paths import LogPath


@dataclass(frozen=True, slots=True)
class JailConfig:
    """One enabled jail, ready to run."""

    settings: JailSettings
    logpaths: tuple[LogPath, ...] = ()
    journalmatch: tuple[str, ...] = ()
    backend: str = "auto"
    actions: tuple[ActionSettings, ...] = ()
    filter_name: str = ""

    @property
    def name(self) -> str:
        return self.settings.name


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was read: the jails that can run, and everything a person should mend."""

    jails: tuple[JailConfig, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    """In the order of the files; the section of each names the jail it concerns (empty: no jail in particular)."""
