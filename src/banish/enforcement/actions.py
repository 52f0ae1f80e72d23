"""What a jail's ``action`` says, as configuration hands it over, and what an enforcer makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ActionSettings:
    """One action of a jail, its tags substituted as far as they can be at load time."""

    name: str
    """The file in action.d: ``nftables``."""
    actname: str
    """Unique in the jail; fail2ban's rule (reference: jail.conf(5), ``action``)."""
    enforcer: str
    """The member of the roster that carries it out: option ``enforcer`` of the action file; empty for shell commands."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The rest of ``[Definition]`` and ``[Init]``, the jail's parameters applied: ``port``, ``protocol``, ``type``…"""
