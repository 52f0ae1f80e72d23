"""The records that cross the seam to whoever holds the privilege: what a jail guards, and who is to be blocked there.

Plain data only (text, numbers, networks), because a process that keeps CAP_NET_ADMIN may one day receive them from one that
has none. A *scope* says where a jail's bans apply, a *record* is one ban or the end of one. An address banned in a jail is
blocked in every scope of that jail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from typing import Literal, NamedTuple, cast, overload

from banish.addresses import Network
from banish.model import Decision

Ports = tuple[tuple[int, int], ...]
"""Port ranges, both ends included; a single port is ``(22, 22)``; empty means every port."""

Verdict = Literal["drop", "reject"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is closed to an address that is banned in *jail*.

    With no ports everything is closed, whatever the protocol: a host that is kept off every TCP port has no business with
    the others. The exception are scopes of protocols that have no ports (``icmp``), which close just these.
    """

    jail: str
    protocols: tuple[str, ...]
    """Names as ``ports.PROTOCOLS`` has them; empty means every one."""
    ports: Ports
    """Destination ports as the packet arrives, that is before any DNAT."""
    verdict: Verdict = "drop"


class Record(NamedTuple):
    """One ban, or the end of one. A ban of something already banned sets its end anew, to either side."""

    op: Literal["ban", "unban"]
    jail: str
    network: Network
    expires_at: float
    """Unix seconds; ``math.inf`` is for ever; one that lies in the past makes a ban an unban. Means nothing to an unban."""


_JAIL, _NETWORK, _END = map(attrgetter, ("jail", "network", "expires_at"))
_RECORD = partial(cast(Callable[..., Record], tuple.__new__), Record)
"""A record of the tuple of its fields, for very many: no Python code is passed for each."""


class Standing(Sequence[Record]):
    """The records of *bans* that have an address, and behind them *more*.

    They are made as they are asked for: of half a million bans there is no second list.
    """

    def __init__(self, bans: Sequence[Decision], more: Sequence[Record] = ()) -> None:
        self._bans = bans
        self._more = more

    def __len__(self) -> int:
        return len(self._bans) + len(self._more)

    def __iter__(self) -> Iterator[Record]:
        columns = (map(column, self._bans) for column in (_JAIL, _NETWORK, _END))
        return chain(map(_RECORD, zip(repeat("ban"), *columns, strict=False)), self._more)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | Sequence[Record]:
        return list(self)[at]
