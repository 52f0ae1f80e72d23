"""Lines that are kept: what a ban, or a session, can show of what was said. An attacker chooses how long his lines are."""

from __future__ import annotations

LONGEST_LINE = 2048
"""Characters of a line that are kept."""


def cut(line: str) -> str:
    """Return *line* as it is kept.

    >>> len(cut("x" * 5000))
    2049
    """
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…"
