"""What an action can be asked to do, whether it is made of shell commands or is a Python class; and how it says that it could not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from banish.enforcement.commands.ticket import Ticket
from banish.errors import FirewallError

Say = Callable[[str, str, str], None]
"""Write a line into the log: logger, level, text."""
NameOf = Callable[[str, float], Awaitable[str]]
"""The host name of an address ("" when there is none), at a time in Unix seconds."""

TIMEOUT = 60.0
"""Seconds that a command may take where the action does not say otherwise."""


class NotDone(FirewallError):  # noqa: N818 -- what happened, not what it is
    """An action could not do what it was asked. With *not_started* it was not even tried: what comes first has failed."""

    def __init__(self, text: str, *, not_started: bool = False) -> None:
        super().__init__(text)
        self.not_started = not_started


class Performer(Protocol):
    """One action of one jail. Each method raises NotDone, and nothing else, when it could not do its work.

    ``ban``, ``unban`` and ``prolong`` of different tickets may overlap, *at_once* of them; the caller keeps those of one id in
    order. Everything else waits for them, and they for it.
    """

    at_once: int
    editing: bool
    """It changes a file in place, so that nobody else who runs the same file of action.d may do so meanwhile."""
    norestored: bool
    """Bans of an earlier run are none of its business."""
    lasting: bool
    """What it did about bans stays when it stops: a mail that was written, a report. No ban is ended for that."""
    can_flush: bool
    can_prolong: bool
    repaired: Callable[[frozenset[str]], None]
    """To be called with the families whose bans are gone, because the ground they stood on had to be laid anew."""

    @property
    def trouble(self) -> str:
        """What keeps it from being started, or from reaching others, for a person to read; empty when nothing does."""

    async def start(self) -> None:
        """Do what must be done when the jail starts."""

    async def ban(self, ticket: Ticket, *, again: bool = False) -> None:
        """Ban; *again* for a ban that was in force, and was lost in a repair."""

    async def unban(self, ticket: Ticket) -> None:
        """End a ban; nothing to do where nobody of its family was banned."""

    async def prolong(self, ticket: Ticket) -> None:
        """Tell that a ban in force has another end."""

    async def check(self, ticket: Ticket) -> None:
        """See whether what bans stand on is still there, and mend it."""

    async def flush(self) -> None:
        """End every ban."""

    async def reload(self) -> None:
        """Tell that the configuration was read again, and is the same for this action."""

    async def stop(self) -> None:
        """Undo what starting did."""
