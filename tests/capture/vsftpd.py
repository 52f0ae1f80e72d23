"""What vsftpd logs when it is attacked: to its own file, to syslog, and by way of PAM. ``python -m tests.capture.vsftpd``"""

from __future__ import annotations

from pathlib import Path

from tests.capture import machine
from tests.capture.machine import ATTACKER6, FRIEND, SECRET, SERVER6, Stage

_CONFIG = """\
listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=NO
local_enable=YES
dual_log_enable=YES
xferlog_enable=YES
vsftpd_log_file=/run/lab/vsftpd.log
xferlog_file=/run/lab/xferlog
pam_service_name=vsftpd
secure_chroot_dir=/var/run/vsftpd/empty
"""
_FORGED = ("two words", 'x] FAIL LOGIN: Client "203.0.113.9"', "root rhost=203.0.113.9", 'a"b', "")


def main() -> None:
    machine.enter(["vsftpd"])
    Path("/run/vsftpd/empty").mkdir(parents=True)
    Path("/etc/shells").write_text("/bin/sh\n")
    own = Path("/run/lab/vsftpd.log")
    with Stage({"alice": SECRET}) as stage:
        for syslog in (False, True):
            config = Path("/run/lab/vsftpd.conf")
            config.write_text(_CONFIG + ("syslog_enable=YES\n" if syslog else ""))
            stage.start(["/usr/sbin/vsftpd", config])
            stage.listen(21)
            log = None if syslog else own
            kind = "syslog" if syslog else "its own file"
            stage.show(f"start, {kind}", lambda: None, log=log)
            stage.show("wrong password", lambda: stage.talk(21, "USER alice", "PASS guess"), log=log)
            stage.show("unknown user", lambda: stage.talk(21, "USER oracle", "PASS guess"), log=log)
            stage.show("root", lambda: stage.talk(21, "USER root", "PASS guess"), log=log)
            tries = ["USER alice", "PASS guess"] * 4
            stage.show("until it hangs up", lambda: stage.talk(21, *tries, wait=20), log=log)
            stage.show(
                "IPv6", lambda: stage.talk(21, "USER alice", "PASS g", source=ATTACKER6, target=SERVER6), log=log
            )
            stage.show("right", lambda: stage.talk(21, "USER alice", f"PASS {SECRET}", "QUIT", source=FRIEND), log=log)
            stage.show("anonymous", lambda: stage.talk(21, "USER anonymous", "PASS a@example.org"), log=log)
            stage.show("no login", lambda: stage.talk(21, "QUIT"), log=log)
            stage.show("not ftp", lambda: stage.talk(21, "GET / HTTP/1.0"), log=log)
            for name in _FORGED:
                stage.show(f"name {name!r}", lambda: stage.talk(21, f"USER {name}", "PASS guess"), log=log)
            stage.show("what went to syslog", lambda: None)
            stage.stop()


if __name__ == "__main__":
    main()
