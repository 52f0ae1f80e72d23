"""A real OpenSSH server on a host of the laboratory, with accounts that exist nowhere else.

It runs the installed sshd with a configuration, host keys and accounts of its own. The accounts are /etc/passwd, /etc/shadow and
/etc/group files bind-mounted over the machine's in the laboratory's private mount namespace; the machine's own are neither read
by the server nor changed. What it logs goes the way it goes on a server: syslog(3), /dev/log, a log daemon (`lab.syslog`), a
file in one of rsyslog's formats.

One laboratory has one /dev/log and one /etc/passwd, hence one such server at a time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lab.namespaces import Host, LabError, program

_HERE = Path(__file__).resolve().parent
_FIRST_UID = 61000

_PAM = """\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_unix.so
"""


class Sshd:
    """The server; a context manager that runs while the block does.

    *users* maps account names to passwords (None: no password, the account can only be entered by key). *options* are
    sshd_config(5) keywords that replace or add to the ones below; a Match block cannot be given. *log_format* is one of
    `lab.syslog`'s. *root_password* gives root a password, for a server that lets root in or is watched refusing it.
    """

    def __init__(
        self,
        host: Host,
        *,
        users: Mapping[str, str | None],
        options: Mapping[str, str] | None = None,
        pam: bool = False,
        log_format: Literal["traditional", "iso", "protocol"] = "traditional",
        hostname: str = "host",
        root_password: str | None = None,
        port: int = 22,
    ) -> None:
        self.host = host
        self.port = port
        self._users = dict(users)
        self._root_password = root_password
        self._pam = pam
        self._log_format = log_format
        self._hostname = hostname
        self._directory = host.lab.directory / "sshd"
        self._log = self._directory / "auth.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._config = {
            "Port": str(port),
            "HostKey": str(self._directory / "host_key"),
            "PidFile": "none",
            "UsePAM": "yes" if pam else "no",
            "KbdInteractiveAuthentication": "no",
            "PasswordAuthentication": "yes",
            "PermitRootLogin": "no",
            "UseDNS": "no",
            "LogLevel": "INFO",
            "PrintMotd": "no",
            "PrintLastLog": "no",
            **(options or {}),
        }

    @property
    def log(self) -> Path:
        """The log file, by the path that this process can open."""
        return self.host.lab.path(self._log)

    @property
    def log_inside(self) -> Path:
        """The log file, by the path that processes inside the laboratory open."""
        return self._log

    def lines(self) -> list[str]:
        """Return the log as it stands."""
        return self.log.read_text(errors="surrogateescape").splitlines()

    def wait_for(self, text: str, *, times: int = 1, timeout: float = 10.0) -> list[str]:
        """Return the log once *text* stands in *times* of its lines; LabError, with the log, when it does not come to that."""
        deadline = time.monotonic() + timeout
        while True:
            lines = self.lines()
            if sum(text in line for line in lines) >= times:
                return lines
            if time.monotonic() > deadline:
                raise LabError(f"sshd did not log {text!r} within {timeout:g} s; its log:\n" + "\n".join(lines))
            time.sleep(0.01)

    def authorize(self, user: str, public_key: str) -> None:
        """Let the holder of *public_key* (a line as in id_ed25519.pub) in as *user*."""
        inside = self._home(user) / ".ssh"
        self.host.lab.path(inside).mkdir(exist_ok=True)
        self.host.lab.path(inside / "authorized_keys").write_text(public_key.strip() + "\n")
        self.host.lab.run(["chown", "-R", user, inside])
        self.host.lab.run(["chmod", "-R", "go=", inside])

    def start(self) -> Self:
        """Start the log daemon and the server; both answer when this returns."""
        lab = self.host.lab
        lab.path(self._directory).mkdir(parents=True, exist_ok=True)
        self._accounts()
        if not lab.path(self._directory / "host_key").exists():
            lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self._directory / "host_key"])
        config = self._directory / "sshd_config"
        lab.path(config).write_text("".join(f"{keyword} {value}\n" for keyword, value in self._config.items()))
        lab.path(self._log).write_bytes(b"")

        arguments = ["--file", str(self._log), "--format", self._log_format, "--hostname", self._hostname]
        daemon = self.host.popen([sys.executable, _HERE / "syslog.py", *arguments], stdout=subprocess.PIPE)
        self._processes.append(daemon)
        assert daemon.stdout is not None
        if daemon.stdout.readline() != b"ready\n":
            self.stop()
            raise LabError("the log daemon did not start; it said why on standard error")
        server = program("sshd")
        if server is None:
            self.stop()
            raise LabError("sshd is not installed (package openssh-server)")
        self._processes.append(self.host.popen([server, "-D", "-f", config]))
        try:
            self.wait_for("Server listening on")
        except LabError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server, then the log daemon. The log stays, and sessions that stand go on, as they do on any server."""
        for process in reversed(self._processes):
            self.host.end(process)
        self._processes.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _home(self, user: str) -> Path:
        return self._directory / "home" / user

    def _accounts(self) -> None:
        lab = self.host.lab
        directory = self._directory
        passwd = ["root:x:0:0:root:/run/lab/sshd/home/root:/bin/sh", "sshd:x:60999:65534::/run/sshd:/usr/sbin/nologin"]
        passwd.append("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
        shadow = [f"root:{_hash(self._root_password)}:19000:0:99999:7:::", "sshd:!:19000::::::", "nobody:!:19000::::::"]
        group = ["root:x:0:", "tty:x:5:", "shadow:x:42:", "nogroup:x:65534:"]
        for uid, (user, password) in enumerate(self._users.items(), _FIRST_UID):
            passwd.append(f"{user}:x:{uid}:{uid}::{self._home(user)}:/bin/sh")
            shadow.append(f"{user}:{_hash(password)}:19000:0:99999:7:::")
            group.append(f"{user}:x:{uid}:")
        files = {"passwd": passwd, "shadow": shadow, "group": group}
        if self._pam:
            files["pam.d/sshd"] = _PAM.splitlines()
        for name, lines in files.items():
            inside = directory / name.replace("/", "-")
            mounted = lab.path(inside).exists()
            lab.path(inside).write_text("\n".join(lines) + "\n")
            if not mounted:  # a server started again writes into the file that is mounted already
                lab.bind(inside, Path("/etc") / name)
        lab.path(directory / "shadow").chmod(0o600)
        for user in ("root", *self._users):
            lab.path(self._home(user)).mkdir(parents=True, exist_ok=True)
            lab.run(["chown", user, self._home(user)])


def _hash(password: str | None) -> str:
    """Return what shadow(5) holds for *password*; ``*`` lets nobody in by password, and is not a locked account."""
    if password is None:
        return "*"
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], check=True, input=password, stdout=subprocess.PIPE, text=True, timeout=10
    )
    return done.stdout.strip()
