"""Services on this machine, and a jail that reports to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish.reporting import outbox
from tests.reporting.services import Mailbox, Service, http, smtp
from tests.shipped.conftest import fakes, shipped

__all__ = ["fakes", "shipped"]


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    """Nothing is left behind of what a Python file in action.d has brought in."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("fail2ban", "banish_action")):
            del sys.modules[name]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here; how long is waited is tested with the outbox."""
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(outbox, "LEAST_ASKED", 0.001)


@pytest.fixture
def service() -> Iterator[Service]:
    with http(Service()) as one:
        yield one


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with smtp(Mailbox()) as one:
        yield one


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that vouches for itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl, to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([openssl, *command.split(), *names], check=True, capture_output=True)
    with path.open("a") as both:
        both.write(Path(f"{path}.crt").read_text())
    return path
