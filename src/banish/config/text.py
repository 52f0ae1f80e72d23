"""A value that remembers where each of its lines was written.

Configuration is put together from pieces: a ``failregex`` in jail.local that extends the filter's, a prefix that comes from
common.conf. An error in the outcome must still name the line a person can edit, so a value travels as text with one origin
for each of its lines until it becomes typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from banish.errors import Origin

BUILT_IN = Origin("built in")
"""The origin of what no file says."""


class Text(NamedTuple):
    """*text*, and where each of its lines comes from; there are always as many *origins* as lines."""

    text: str
    origins: tuple[Origin, ...]

    @classmethod
    def at(cls, text: str, origin: Origin) -> Text:
        """Return *text*, all of it from one place."""
        return cls(text, (origin,) * (text.count("\n") + 1))

    @property
    def origin(self) -> Origin:
        """Where the first line comes from."""
        return self.origins[0]

    def cut(self, start: int, end: int) -> Text:
        """Return the part from *start* to *end* (as a slice) without white space around it."""
        part = self.text[start:end]
        start += len(part) - len(part.lstrip())
        part = part.strip()
        first = self.text.count("\n", 0, start)
        return Text(part, self.origins[first : first + part.count("\n") + 1])

    def splice(self, start: int, end: int, insert: Text) -> Text:
        """Return the value with the characters from *start* to *end* replaced by *insert*.

        A line to which this value contributes more than white space keeps its own origin; a line that consisted of the
        replaced reference alone takes the origin of what was inserted.
        """
        head, tail = self.text[:start], self.text[end:]
        first = head.count("\n")
        last = first + self.text.count("\n", start, end)
        middle = list(insert.origins)
        if not insert.text.strip() or head[head.rfind("\n") + 1 :].strip():
            middle[0] = self.origins[first]
        elif tail.partition("\n")[0].strip():
            middle[-1] = self.origins[last]
        return Text(head + insert.text + tail, (*self.origins[:first], *middle, *self.origins[last + 1 :]))

    def entries(self) -> Iterator[tuple[str, Origin]]:
        """Yield the lines that are not empty, stripped, each with its origin: how list options are read."""
        for line, origin in zip(self.text.split("\n"), self.origins, strict=True):
            if stripped := line.strip():
                yield stripped, origin
