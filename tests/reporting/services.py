"""Services that are reported to, on this machine: they write down what they are told, and answer as a test has it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), strict_parsing=True).items()}


class Reply(NamedTuple):
    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Service:
    """*replies* are given one after the other, the last one for ever."""

    url: str = ""
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def http(service: Service, certificate: Path | None = None) -> Iterator[Service]:
    """Serve over HTTP, or over TLS with *certificate* (and its key, in one file)."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = service.answer(Request(self.command, self.path, dict(self.headers), body))
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_DELETE = do  # noqa: N815 -- http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever does not trust the certificate hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        service.url = f"{scheme}://localhost:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Mailbox:
    """An SMTP server (RFC 5321) that takes one connection after the other; *refuse* is what it answers to RCPT, once each."""

    host: str = ""
    refuse: list[str] = field(default_factory=list)
    starttls: Path | None = None
    said: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example.org ESMTP\r\n")
        reader = connection.makefile("rb")
        encrypted = False
        while line := reader.readline():
            word = line.decode().strip()
            self.said.append(word)
            match word.upper().partition(" ")[0]:
                case "EHLO":
                    more = "STARTTLS" if self.starttls and not encrypted else "AUTH PLAIN"
                    reply = f"250-mail.example.org\r\n250 {more}"
                case "STARTTLS" if self.starttls:
                    connection.sendall(b"220 go on\r\n")
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(self.starttls)
                    reader.close()
                    connection = context.wrap_socket(connection, server_side=True)
                    reader, encrypted, reply = connection.makefile("rb"), True, ""
                case "RCPT" if self.refuse:
                    reply = self.refuse.pop(0)
                case "AUTH":
                    reply = "235 welcome"
                case "DATA":
                    connection.sendall(b"354 go on\r\n")
                    self.mails.append(b"".join(iter(reader.readline, b".\r\n")))
                    reply = "250 taken"
                case "QUIT":
                    connection.sendall(b"221 bye\r\n")
                    break
                case _:
                    reply = "250 ok"
            if reply:
                connection.sendall(f"{reply}\r\n".encode())
        reader.close()
        connection.close()


@contextmanager
def smtp(mailbox: Mailbox) -> Iterator[Mailbox]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mailbox.host = f"localhost:{listener.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        mailbox.talk(connection)
                    except OSError:  # whoever does not trust the certificate hangs up
                        continue

        thread = Thread(target=serve)
        thread.start()
        try:
            yield mailbox
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
