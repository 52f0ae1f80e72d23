"""All that a ``logpath`` may name, as one: files, logs of containers among them, and streams.

It answers what `FileSource` answers, for both. Two streams of batches come out: `batches` has those of files, `streamed` the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from banish.model import Batch, Notice, Position
from banish.sources.containers import Decoder, decoder
from banish.sources.files import FileSource, FileStatus
from banish.sources.paths import LogPath
from banish.sources.streams import Streams, is_stream


class Inputs:
    """Follows *paths*; see `FileSource` for *positions* and *begin*."""

    def __init__(
        self,
        paths: Iterable[LogPath] = (),
        positions: Mapping[str, Position] | None = None,
        *,
        begin: Callable[[str, int], int] = lambda pattern, fd: 0,
    ) -> None:
        self.files = FileSource((), positions, begin=begin)
        self.streams = Streams()
        self._decoders: dict[str, tuple[bytes, Decoder | None]] = {}
        self.add(paths)

    def add(self, paths: Iterable[LogPath]) -> None:
        """Follow *paths* too."""
        paths = list(paths)
        self.files.add(path for path in paths if not is_stream(path.pattern))
        self.streams.add(path.pattern for path in paths if is_stream(path.pattern))

    def remove(self, patterns: Iterable[str]) -> None:
        """Stop following what only *patterns* asked for."""
        patterns = list(patterns)
        self.files.remove(pattern for pattern in patterns if not is_stream(pattern))
        self.streams.remove(filter(is_stream, patterns))

    def patterns_of(self, source: str) -> frozenset[str]:
        """Return the patterns that the source of a batch belongs to; empty when it is not followed."""
        return frozenset({source}) if source in self.streams else self.files.patterns_of(source)

    def positions(self) -> dict[str, Position]:
        """Return where reading of files goes on."""
        return self.files.positions()

    def status(self) -> list[FileStatus]:
        """Return a row for every file, stream, and pattern that hits nothing."""
        problems = dict(self.streams.problems())
        rows = [FileStatus(name, size, 0, True, problems.get(name)) for name, size in self.streams.read().items()]
        return sorted([*self.files.status(), *rows])

    def problems(self) -> list[tuple[str, str]]:
        """Return what keeps files and streams from being read."""
        return sorted([*self.files.problems(), *self.streams.problems()])

    def notices(self) -> list[Notice]:
        """Return what happened since the last call."""
        return self.files.notices() + self.streams.notices()

    def close(self) -> None:
        """Close everything; both streams of batches end."""
        self.files.close()
        self.streams.close()

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield what is written to files."""
        async for batch in self.files.batches():
            found = self._decoder(batch)
            if found is None:
                yield batch
            elif data := found.decode(batch.data):
                yield batch._replace(data=data)
            del batch

    async def streamed(self) -> AsyncIterator[Batch]:
        """Yield what streams say."""
        async for batch in self.streams.batches():
            yield batch

    def _decoder(self, batch: Batch) -> Decoder | None:
        """Return who understands the file of *batch*; it is known by its beginning, which is another after a rotation."""
        head = batch.position.head[:32]
        known = self._decoders.get(batch.source)
        if known is None or known[0] != head:
            found = decoder(batch.position.head)
            if known is not None and found is not None and type(found) is type(known[1]):
                found = known[1]  # a line may go on in the next file
            known = self._decoders[batch.source] = head, found
        return known[1]
