#!/usr/bin/env python3
"""One bare TCP connection, for those who knock without speaking ssh.

    python3 connect.py --from ADDRESS --to ADDRESS --port N [--timeout S] [--send HEX] [--wait S] [--end close|reset]

Prints the outcome on the first line: ``open``, ``refused``, ``timeout``, ``unreachable`` or ``reset``; after ``open``, what the
server said follows (one Python bytes literal). With ``--wait 0`` nothing is read. It runs as a program of its own (standard
library, no imports from beside it), so that it can be started in any network namespace.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import socket
import struct
import sys
import time

_OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EACCES: "refused",
    errno.ECONNRESET: "reset",
}


def main() -> int:
    """Connect, say what was asked, listen as long as was asked, end as was asked."""
    parser = argparse.ArgumentParser(description="open one TCP connection and say what became of it")
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", dest="target", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--timeout", type=float, default=1.0)
    parser.add_argument("--send", type=bytes.fromhex, default=b"")
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--end", choices=("close", "reset"), default="close")
    options = parser.parse_args()
    family = socket.AF_INET6 if ":" in options.target else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(options.timeout)
        try:
            connection.bind((options.source, 0))
            connection.connect((options.target, options.port))
        except TimeoutError:
            print("timeout")
            return 0
        except OSError as failure:
            print(_OUTCOMES.get(failure.errno or 0, f"error: {failure}"))
            return 0
        print("open")
        with contextlib.suppress(ConnectionError):  # the server may hang up on what we send: its answer shows below
            connection.sendall(options.send)
        print(_listen(connection, options.wait))
        if options.end == "reset":
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # socket(7): RST, not FIN
    return 0


def _listen(connection: socket.socket, seconds: float) -> bytes:
    said = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            more = connection.recv(4096)
        except (TimeoutError, ConnectionError):
            break
        if not more:
            break
        said += more
    return said


if __name__ == "__main__":
    sys.exit(main())
