"""What a jail asks to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LogPath:
    """One entry of ``logpath``: a path or a glob, and where a file that is new to us is read from."""

    pattern: str
    start: Literal["head", "tail"] = "head"
