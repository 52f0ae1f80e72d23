"""Debian's own fail2ban-client, against its own server and against us: the same configuration, the same words, the same text and exit code.

Both daemons run side by side in a namespace. What differs is listed below with its reason; a difference that is not listed fails,
and so does one that is listed and is none. docs/reference/differences.md says the same in words.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from banish.cli import compat
from lab import Host, Lab

PYTHON = "/usr/bin/python3"  # the one that Debian's fail2ban belongs to
MUNIN = Path("/usr/share/munin/plugins/fail2ban")
DRIVER = Path(__file__).with_name("client_driver.py")

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(400),  # hundreds of processes in a row, on a machine that may have other things to do
    pytest.mark.skipif(shutil.which("fail2ban-client") is None, reason="needs Debian's package fail2ban"),
]

JAILS = """
[DEFAULT]
backend = polling
maxretry = 3
findtime = 600
bantime = 3600
logencoding = utf-8
ignoreself = false
action = note[name=%(__name__)s]
[alpha]
enabled = true
filter = knock
logpath = {root}/alpha.log
ignoreip = 192.0.2.1
[beta]
enabled = true
filter = bare
logpath = {root}/beta.log
          {root}/beta2.log
logencoding = auto
"""
FILTERS = {
    "knock": "[Definition]\nfailregex = ^ knock from <HOST>$\n ^ thump from <HOST>$\nignoreregex = ^ knock from 203\\.0\n"
    "datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n",
    "bare": "[Definition]\nfailregex = ^ knock from <HOST>$\n",
}
NOTE = "[Definition]\nactionban = true\nactionunban = true\nactionstart = true\n[Init]\ncolour = blue\n"

SAME = """
ping
ping 5
echo a b
echo
status
status alpha
status alpha basic
status alpha short
status beta
status nosuch
banned
banned 192.0.2.9
banned 192.0.2.9 192.0.2.10
banned nonsense
set alpha banip 203.0.113.5
set alpha banip 203.0.113.6 203.0.113.7
set alpha banip 203.0.113.6
set alpha banip 198.18.0.0/24
set alpha banip
set beta banip 2001:db8::7
status alpha
banned
banned 203.0.113.5
banned 203.0.113.5 203.0.113.99 2001:db8::7
get alpha banned
get alpha banned 203.0.113.5
get alpha banned 203.0.113.5 203.0.113.9
get alpha banip
get alpha banip ,
get alpha banip --with-time
set alpha unbanip 203.0.113.5
set alpha unbanip 203.0.113.5
set alpha unbanip --report-absent 203.0.113.77
set alpha unbanip --report-absent 203.0.113.77 203.0.113.7
set alpha unbanip 198.18.0.0/16
set alpha unbanip
unban 2001:db8::7
unban 2001:db8::7
unban nosuch
unban
unban --all
set alpha attempt 203.0.113.50
set alpha attempt 203.0.113.51 one two
status alpha
get loglevel
set loglevel DEBUG
get loglevel
set loglevel INFO
set loglevel nosuch
get syslogsocket
set allowipv6 auto
set allowipv6 no
set allowipv6 auto
get thread
set dbfile None
get dbmaxmatches
set dbmaxmatches 5
get dbpurgeage
set dbpurgeage 2d
set dbpurgeage 600
get nosuch
set nosuch 1
get
set
get alpha
set alpha
get nosuch bantime
set nosuch bantime 5
get alpha nosuch
set alpha nosuch 1
nosuch
set alpha idle on
set alpha idle off
set alpha idle xx
get alpha ignoreself
set alpha ignoreself true
set alpha ignoreself false
get alpha ignoreip
set alpha addignoreip 203.0.113.200
set alpha addignoreip 203.0.113.201 203.0.113.202
set alpha delignoreip 203.0.113.200
get beta ignoreip
get alpha ignorecommand
set alpha ignorecommand /bin/false
get alpha ignorecommand
set alpha ignorecommand
get alpha ignorecache
set alpha ignorecache 'key="<ip>",max-count=10,max-time=5m'
get alpha ignorecache
set alpha ignorecache ''
get alpha logpath
get beta logpath
set alpha addlogpath {root}/beta.log
set alpha addlogpath {root}/beta2.log tail
set alpha dellogpath {root}/beta.log
set alpha dellogpath {root}/beta.log
set alpha dellogpath {root}/beta2.log
get alpha logencoding
get beta logencoding
set alpha logencoding latin-1
get alpha journalmatch
get alpha prefregex
get alpha ignoreregex
set alpha addignoreregex '^ ok'
set alpha delignoreregex 1
set alpha delignoreregex 0
get alpha ignoreregex
get alpha usedns
set alpha usedns no
set alpha usedns warn
get alpha findtime
set alpha findtime 5m
set alpha findtime 600
get alpha bantime
set alpha bantime -1
set alpha bantime 1h
set alpha bantime 1y6mo
get alpha bantime.increment
set alpha bantime.increment true
set alpha bantime.factor 2
set alpha bantime.maxtime 1w
set alpha bantime.formula ban.Time*2
set alpha bantime.multipliers '1 2 4'
set alpha bantime.rndtime 10
set alpha bantime.overalljails true
get alpha bantime.increment
get alpha bantime.factor
get alpha bantime.maxtime
get alpha bantime.formula
get alpha bantime.multipliers
get alpha bantime.rndtime
get alpha bantime.overalljails
set alpha bantime.increment false
get alpha datepattern
get beta datepattern
set beta datepattern '%Y-%m-%d'
set beta datepattern '%ExY-%Exm %a %A %b %B %H %I %j %M %p %S %U %w %W %y %z %Z %f'
set beta datepattern EPOCH
set beta datepattern LEPOCH
set beta datepattern '{NONE}'
set beta datepattern '{^LN-BEG}%Y'
set beta datepattern '{UNB}TAI64N'
get beta datepattern
set beta datepattern ''
get alpha logtimezone
set alpha logtimezone UTC
set alpha logtimezone UTC+0300
get alpha logtimezone
get alpha maxretry
set alpha maxretry 5
get alpha maxmatches
set alpha maxmatches 7
get alpha maxlines
set alpha maxlines 3
set alpha maxlines 1
get alpha actions
get alpha action note actionban
get alpha action note colour
get alpha action note name
get alpha action note timeout
set alpha action note colour red
set alpha action note timeout 30
set alpha action note stop
set alpha addaction fresh
set alpha addaction fresh
get alpha actions
set alpha delaction fresh
add gamma
add delta polling
get gamma failregex
get gamma bantime
get gamma maxretry
get gamma logpath
start gamma
status gamma
stop gamma
status gamma
start nosuch
stop nosuch
start alpha
add
sleep 0.01
sleep
reload alpha
reload --restart alpha
reload --unban alpha
reload nosuch
reload --nosuch
reload
reload --restart
reload --all
restart alpha
restart --unban alpha
restart --if-exists alpha
status
server-status
config-error hello
server-stream
start
flushlogs
stop --all
status
reload
status
"""

DIFFERENT = {
    "version": "each says its own",
    "get logtarget": "both would write into one file",
    "get dbfile": "each has its own database",
    "stats": "1.0.2 does not know it yet",
    "get allowipv6": "there it can only be set",
    "get alpha idle": "there it can only be set",
    "get alpha failregex": "<HOST> and the like are shown as written, not spelt out",
    "set alpha addfailregex '^ bump from <HOST>$'": "the same",
    "set alpha prefregex '^ <F-CONTENT>.*</F-CONTENT>$'": "the same",
    "set alpha addfailregex '^ bump from'": "the fault is told in other words",
    "set alpha addfailregex '^ (bump from'": "the same",
    "set alpha logencoding nosuch": "the same",
    "set alpha logtimezone nosuch": "the same",
    "set alpha maxretry many": "the same",
    "set alpha maxlines 0": "the same",
    "set alpha bantime soon": "the same",
    "set alpha delignoreip 192.0.2.77": "the same",
    "set alpha delfailregex x": "the same",
    "set alpha attempt": "the same",
    "set alpha delaction nosuch": "the same",
    "get alpha action nosuch actionban": "the same",
    "get alpha action note nosuch": "the same",
    "add alpha": "1.0.2 fails on it with a fault of its own",
    "set alpha delfailregex 9": "an expression that there is not cannot be taken away; there it is silently not done",
    "set alpha usedns sometimes": "a word that means nothing is refused; there it counts as no",
    "set alpha maxretry -1": "a jail that bans for nothing is refused",
    "set alpha findtime 0": "a jail that counts nothing is refused",
    "set alpha bantime.nosuch 1": "an option that there is not is refused; there it is taken note of",
    "set alpha banip 192.0.2.1": "who is ignored is not banned by hand either, unless banish ban --force says so",
    "set alpha banip nonsense": "what is no address cannot be banned",
    "set alpha banip 192.0.2.9/24": "a network with bits beyond its prefix is a slip of the finger",
    "set alpha addlogpath {root}/nosuch.log": "a file that is not there yet is waited for",
    "get alpha actionproperties note": "properties that only fail2ban's own code has are not there",
    "get alpha actionmethods note": "methods that only fail2ban's own code has are not there",
    "status alpha cymru": "no service elsewhere is asked about who attacks you",
}


class Sides(NamedTuple):
    host: Host
    theirs: Path
    ours: Path
    root: Path


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with Lab.hold() as lab:
        host = lab.host("both")
        root = lab.directory / "client"
        outside = lab.path(root)
        config = outside / "etc"
        for name in ("etc/filter.d", "etc/action.d", "state"):
            (outside / name).mkdir(parents=True)
        for name in ("alpha.log", "beta.log", "beta2.log"):
            (outside / name).touch()
        (config / "fail2ban.conf").write_text(
            f"[Definition]\nloglevel = INFO\nlogtarget = {root}/f2b.log\nsyslogsocket = auto\nsocket = {root}/f2b.sock\n"
            f"pidfile = {root}/f2b.pid\ndbfile = {root}/f2b.sqlite3\ndbpurgeage = 1d\ndbmaxmatches = 10\nallowipv6 = auto\n"
        )
        (config / "jail.conf").write_text(JAILS.format(root=root))
        for name, text in FILTERS.items():
            (config / "filter.d" / f"{name}.conf").write_text(text)
        (config / "action.d" / "note.conf").write_text(NOTE)
        theirs = host.popen([PYTHON, "/usr/bin/fail2ban-server", "-c", root / "etc", "-f", "start"])
        where = {"config": "etc", "state": "state", "socket": "ban.sock", "logtarget": "ban.log"}
        options = [word for option, name in where.items() for word in (f"--{option}", str(root / name))]
        ours = host.popen([sys.executable, "-m", "banish.cli.banishd", "--foreground", *options])
        sides = Sides(host, root / "f2b.sock", root / "ban.sock", root)
        try:
            deadline = time.monotonic() + 60
            while not all(_ready(sides, path) for path in (sides.theirs, sides.ours)):
                assert time.monotonic() < deadline, "one of the daemons does not answer"
                time.sleep(0.1)
            yield sides
        finally:
            for process in (theirs, ours):
                host.end(process)


def _ready(sides: Sides, path: Path) -> bool:
    return sides.host.lab.path(path).is_socket() and ask(sides, path, ["ping"])[0][:2] == (0, "Server replied: pong\n")


def ask(sides: Sides, path: Path, lines: list[str]) -> list[tuple[int, str, str]]:
    """What Debian's client prints and returns for each of *lines*, which it says to the daemon that listens on *path*."""
    words = [
        ["-c", str(sides.root / "etc"), "-s", str(path), *shlex.split(line.replace("{root}", str(sides.root)))]
        for line in lines
    ]
    done = sides.host.run([PYTHON, str(DRIVER)], input=json.dumps(words), timeout=300)
    return [(code, _calm(out), errors) for code, out, errors in json.loads(done.stdout)]


def _calm(text: str) -> str:
    """Without what differs from second to second, and sorted where fail2ban's order is that of a set."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    if text.startswith("These IP addresses"):
        text = "\n".join(sorted(line[3:] for line in text.splitlines()[1:]))
    if text.startswith("203.0.113") and "," in text:
        return ",".join(sorted(text.strip().split(",")))
    if "Banned IP list:" in text or text.startswith(("[", "203.0.113")):
        # Those of one second may be told in any order.
        return " ".join(sorted(re.findall(r"[^\s\[\],]+", text)))
    return text


def test_the_same_words_give_the_same_text_and_exit_code(sides: Sides) -> None:
    lines = [line for line in SAME.split("\n") if line]
    theirs, ours = ask(sides, sides.theirs, lines), ask(sides, sides.ours, lines)
    unlike = [
        f"{line}\n  fail2ban {there[:2]} {there[2][-200:]!r}\n  banish   {here[:2]} {here[2][-200:]!r}"
        for line, there, here in zip(lines, theirs, ours, strict=True)
        if there[:2] != here[:2]
    ]
    assert not unlike, "\n".join(unlike)
    assert sum(code == 0 for code, _, _ in ours) > 150


def test_what_differs_is_known(sides: Sides) -> None:
    theirs, ours = ask(sides, sides.theirs, list(DIFFERENT)), ask(sides, sides.ours, list(DIFFERENT))
    alike = [line for line, there, here in zip(DIFFERENT, theirs, ours, strict=True) if there[:2] == here[:2]]
    assert alike == []


REPEATABLE = (
    "get",
    "status",
    "banned",
    "ping",
    "echo",
    "nosuch",
    "set nosuch",
    "set alpha nosuch",
    "set alpha usedns",
    "set loglevel",
)


def test_our_own_fail2ban_client_prints_what_debians_does(sides: Sides, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in SAME.split("\n") if line.startswith(REPEATABLE) and "--with-time" not in line]
    ask(sides, sides.ours, ["set alpha banip 203.0.113.5 203.0.113.6", "set beta banip 2001:db8::7"])
    debians = ask(sides, sides.ours, lines)
    socket = sides.host.lab.path(sides.ours)
    capsys.readouterr()
    for line, (code, out, _errors) in zip(lines, debians, strict=True):
        ours = compat.fail2ban_client(["-s", str(socket), *shlex.split(line.replace("{root}", str(sides.root)))])
        said = capsys.readouterr()
        assert (line, ours, _calm(said.out)) == (line, code, out)
        assert ("NOK" in said.err) == (code != 0)
    assert len(lines) > 80


@pytest.mark.skipif(not MUNIN.is_file(), reason="needs Debian's package munin-plugins-core")
def test_munins_plugin_reads_us_as_it_reads_fail2ban(sides: Sides) -> None:
    """A reader that others have written, unchanged: with Debian's client, and with ours."""
    ask(sides, sides.ours, ["unban --all", "set alpha banip 203.0.113.5 203.0.113.6", "set beta banip 2001:db8::7"])
    ask(sides, sides.theirs, ["unban --all", "set alpha banip 203.0.113.5 203.0.113.6", "set beta banip 2001:db8::7"])
    our_client = f"{sys.executable} -m banish.cli.compat"
    drawn = {}
    for name, client, socket in (
        ("theirs", "fail2ban-client", sides.theirs),
        ("ours", "fail2ban-client", sides.ours),
        ("compat", our_client, sides.ours),
    ):
        wrapper = sides.host.lab.path(sides.root / f"client-{name}")
        wrapper.write_text(f'#!/bin/sh\nexec {client} -s {socket} "$@"\n')
        wrapper.chmod(0o755)
        environment = {
            "MUNIN_LIBDIR": "/usr/share/munin",
            "client": str(sides.root / f"client-{name}"),
            "config_dir": str(sides.root / "etc"),
        }
        drawn[name] = [
            sides.host.run([MUNIN, *words], environment=environment).stdout for words in ([], ["config"], ["autoconf"])
        ]
    assert drawn["theirs"] == drawn["ours"] == drawn["compat"]
    assert "alpha.value 2\n" in drawn["ours"][0]


def test_fail2bans_own_module_for_other_programs_reads_us(sides: Sides) -> None:
    """What exporters use: ``CSocket`` of fail2ban's package, and its replies as Python objects."""
    for path in (sides.theirs, sides.ours):
        ask(sides, path, ["unban --all", "set beta banip 2001:db8::7"])
    script = (
        "import sys; from fail2ban.client.csocket import CSocket; s = CSocket(sys.argv[1]);"
        "print([s.send(['status']), s.send(['status', 'beta'])[1][1][1][0], s.send(['get', 'beta', 'bantime'])]);"
        "s.close()"
    )
    heard = [sides.host.run([PYTHON, "-c", script, str(path)]).stdout for path in (sides.theirs, sides.ours)]
    assert heard[0] == heard[1]
    assert "(0, [('Number of jail', 2), ('Jail list', 'alpha, beta')])" in heard[1]


def test_the_program_itself_from_start_to_stop(sides: Sides) -> None:
    """A few words through the real program, to its end: stop returns when our daemon has gone."""

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [PYTHON, "/usr/bin/fail2ban-client", "-c", str(sides.root / "etc"), "-s", str(sides.ours), *words]
        return sides.host.run(argv, check=False)

    assert program("ping").stdout == "Server replied: pong\n"
    nosuch = program("status", "nosuch")
    assert (nosuch.returncode, nosuch.stdout) == (255, "Sorry but the jail 'nosuch' does not exist\n")
    assert "NOK: ('nosuch',)" in nosuch.stderr
    stopped = program("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "Shutdown successful\n")
    assert program("ping").returncode == 255
