"""What an examination comes to. Every check has a name, which scripts may go by; docs/reference/doctor.md has them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
"""``error``: somebody is not protected, or may be locked out. ``warning``: that is likely, or may come."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend: *text* says what is wrong, *remedy* what to do. *jail* is empty when it concerns none in particular."""

    check: str
    severity: Severity
    text: str
    remedy: str
    jail: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that could not be made, and why."""

    check: str
    why: str
