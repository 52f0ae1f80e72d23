"""One filter: its expressions, and the verdict on a line in fail2ban's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """What makes up a filter, tags of configuration already substituted, tags of expressions (``<HOST>``) not yet."""

    failregex: tuple[str, ...] = ()
    ignoreregex: tuple[str, ...] = ()
    prefregex: str = ""
    maxlines: int = 1
    usedns: Literal["yes", "warn", "no", "raw"] = "warn"
