"""A book of single values: what is worth keeping and has no table of its own (see ``memory``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Key = tuple[Any, ...]


class Notes:
    """Values by key, both plain. A value is written when it has become another one."""

    oldest = -math.inf

    def __init__(self) -> None:
        self._values: dict[Key, tuple[float, Any]] = {}
        self.changed: set[Key] | None = None

    @property
    def size(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Any:
        """Return the value of *key*; None when there is none."""
        found = self._values.get(key)
        return None if found is None else found[1]

    def put(self, key: Key, value: Any, now: float) -> None:
        """Set the value of *key*; nothing happens when it is the one that stands."""
        known = self._values.get(key)
        if known is None or known[1] != value:
            self._values[key] = now, value
            self._note(key)

    def remove(self, key: Key) -> None:
        """Forget the value of *key*; one that is not there is no harm."""
        if self._values.pop(key, None) is not None:
            self._note(key)

    def of(self, kind: str) -> list[Key]:
        """Return the keys that begin with *kind*."""
        return [key for key in self._values if key[0] == kind]

    def forget(self, before: float, used: Callable[[Key], bool]) -> None:
        """Forget what was set at *before* or earlier, unless its key is *used*."""
        for key in [key for key, (at, _) in self._values.items() if at <= before and not used(key)]:
            self.remove(key)

    def keys(self) -> list[Key]:
        return list(self._values)

    def rows(self, keys: Iterable[Key]) -> Iterator[tuple[Any, ...]]:
        for key in keys:
            found = self._values.get(key)
            yield (key,) if found is None else (key, *found)

    def recall(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for key, *known in rows:
            self._values.pop(key, None)
            if known:
                self._values[key] = (known[0], known[1])

    def _note(self, key: Key) -> None:
        if self.changed is not None:
            self.changed.add(key)
