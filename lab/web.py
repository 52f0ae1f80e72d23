"""Web servers on a host of the laboratory, and those who ask them: the real curl, or bytes that no decent client would send.

A server runs the installed program in the foreground, with a directory of its own for configuration, documents and logs:
nothing of the machine's configuration is read, and nothing outside the laboratory is written.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from lab import clients
from lab.namespaces import Host, LabError, program


class WebServer:
    """One server; a context manager that runs while the block does.

    *files* are written into its directory, by their names in there; ``{here}`` in one of them, and in *argv*, is that directory.
    *argv* begins with the program. *environment* is added to its environment. *before* are commands that it needs running.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        argv: Sequence[str],
        files: Mapping[str, str],
        *,
        port: int = 80,
        environment: Mapping[str, str] | None = None,
        before: Sequence[Sequence[str]] = (),
    ) -> None:
        self.host = host
        self.port = port
        self.inside = host.lab.directory / name
        """Its directory, as processes inside see it."""
        self._argv = [*before, argv]
        self._files = dict(files)
        self._environment = environment
        self._processes: list[subprocess.Popen[bytes]] = []

    def lines(self, log: str) -> list[str]:
        """Return what stands in the file *log* of its directory; nothing when there is no such file."""
        path = self.host.lab.path(self.inside / log)
        return path.read_text(errors="surrogateescape").splitlines() if path.exists() else []

    def start(self) -> Self:
        """Start it, and return when it takes connections; LabError when it does not come to that."""
        outside = self.host.lab.path(self.inside)
        for name, text in self._files.items():
            path = outside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{here}", str(self.inside)))
        self.host.lab.run(["chmod", "-R", "a+rwX", self.inside])
        for argv in self._argv:
            command = program(argv[0])
            if command is None:
                raise LabError(f"{argv[0]} is not installed")
            words = [command, *(word.replace("{here}", str(self.inside)) for word in argv[1:])]
            with (outside / "output").open("ab") as output:
                process = self.host.popen(words, stdout=output, stderr=output, environment=self._environment)
            self._processes.append(process)
        deadline = time.monotonic() + 20
        while clients.probe(self.host, "127.0.0.1", "127.0.0.1", self.port) != "open":
            if time.monotonic() > deadline or self._processes[-1].poll() is not None:
                self.stop()
                raise LabError(
                    f"{self._argv[-1][0]} takes no connections:\n"
                    + "\n".join(self.lines("output") + self.lines("cache.log"))
                )
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it. Its logs stay."""
        for process in reversed(self._processes):
            self.host.end(process)
        self._processes.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def curl(host: Host, source: str, url: str, *words: str, timeout: float = 5.0) -> int:
    """Ask for *url* from the address *source* with the real client; return the status, 0 when there was no answer.

    *words* are further ones for curl(1): ``-u user:password``, ``--digest``, ``-H header``.
    """
    plain = ["curl", "-q", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", "--globoff"]
    limits = ["--max-time", str(timeout), "--interface", source]
    return int(host.run([*plain, *limits, *words, url], check=False, timeout=timeout + 10).stdout or 0)
