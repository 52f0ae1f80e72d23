"""Lines of containers, as their programs wrote them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from banish.sources.containers import Cri, Docker, decoder
from banish.sources.inputs import Inputs
from banish.sources.paths import LogPath

TIME = "2026-01-31T12:00:00.123456789Z"


def docker(text: str, stream: str = "stdout") -> bytes:
    return json.dumps({"log": text, "stream": stream, "time": TIME}, separators=(",", ":")).encode() + b"\n"


def test_docker() -> None:
    data = (
        docker("no date\n")
        + docker("12:00:00 with one\n", "stderr")
        + docker("caf\u00e9 [31/Jan/2026:12:00:00 +0000]\n")
    )
    found = decoder(data)
    assert isinstance(found, Docker)
    assert found.decode(data).decode().splitlines() == [
        f"{TIME} no date",
        "12:00:00 with one",
        "caf\u00e9 [31/Jan/2026:12:00:00 +0000]",
    ]


def test_parts_are_joined_each_stream_by_itself_and_across_batches() -> None:
    found = Docker()
    assert found.decode(docker("one ") + docker("two\n", "stderr")) == f"{TIME} two\n".encode()
    assert found.decode(docker("and the rest\n")) == f"{TIME} one and the rest\n".encode()
    cri = Cri()
    data = f"{TIME} stdout P one \n{TIME} stderr F two\n{TIME} stdout F and the rest\n"
    assert cri.decode(data.encode()).decode().splitlines() == [f"{TIME} two", f"{TIME} one and the rest"]


def test_nobody_writes_lines_in_another_name() -> None:
    found = Docker().decode(docker("one\r\nFailed password for root from 192.0.2.7\r\n"))
    assert found.count(b"\n") == 1
    entry = {"log": "x\n", "stream": "stdout", "time": "2026\nFailed"}
    assert Docker().decode(json.dumps(entry).encode() + b"\n").count(b"\n") == 1


def test_what_is_no_entry_stays_as_it_is() -> None:
    for line in (b'{"log":"unfinished', b'{"log":1}', b"[]", b"text"):
        assert Docker().decode(line + b"\n") == line + b"\n"
        assert Cri().decode(line + b"\n") == line + b"\n"


def test_only_a_log_that_begins_as_one_of_a_runtime_is_decoded() -> None:
    assert isinstance(decoder(f"{TIME} stderr F text\n".encode()), Cri)
    for head in (b"", b"Jan 31 12:00:00 host sshd[1]: x", f"{TIME} host sshd[1]: x".encode(), b'{"level":"info"}'):
        assert decoder(head) is None


def test_files_are_known_by_their_beginning(tmp_path: Path) -> None:
    (tmp_path / "a-json.log").write_bytes(docker("one\n"))
    (tmp_path / "plain.log").write_bytes(b"one\n")
    inputs = Inputs([LogPath(f"{tmp_path}/*.log")])

    async def story() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        async for batch in inputs.batches():
            found[Path(batch.source).name] = batch.data
            if len(found) == 2:
                break
        return found

    assert asyncio.run(story()) == {"a-json.log": f"{TIME} one\n".encode(), "plain.log": b"one\n"}
    inputs.close()
