"""``fail2ban-client``, ``fail2ban-server`` and ``fail2ban-regex`` by their names: for scripts and fingers that will not learn new ones.

They are thin: words go to the daemon as fail2ban's dialect, and what comes back is printed as fail2ban-client prints it; exit codes are
0 and 255. ``banish install-compat`` puts them where a shell finds them; a package does not, so that both programs can live side by side.

What they do not know (``-d``, a configuration sent to the server) is refused with the command of ours that does it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from banish.control import client, commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

FAILED = 255
_START_WITHIN = 60.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        usage=f"{program} [OPTIONS] COMMAND",
        description="banish under the name of fail2ban's own program; the commands are those of 'banish help'.",
        add_help=False,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("-c", "--conf", metavar="DIR", help="the configuration, for start and -t (default /etc/banish)")
    add("-s", "--socket", metavar="PATH", help=f"where the daemon listens (default {client.SOCKET})")
    add("-p", "--pidfile", metavar="FILE", help="accepted, without effect")
    add("--pname", metavar="NAME", help="accepted, without effect")
    add("--loglevel", metavar="LEVEL", help="for start: the level of the log")
    add("--logtarget", metavar="TARGET", help="for start: where the log goes")
    add("--syslogsocket", metavar="SOCKET", help="accepted, without effect: set syslogsocket")
    add("-d", "--dp", "--dump-pretty", dest="dump", action="store_true", help="refused: see banish config")
    add("-t", "--test", action="store_true", help="judge the configuration")
    add("-i", dest="interactive", action="store_true", help="read commands from the terminal")
    add("-v", dest="verbose", action="count", help="accepted, without effect")
    add("-q", dest="quiet", action="count", help="accepted, without effect")
    add("-x", dest="force", action="store_true", help="accepted: a socket that nobody listens on is always replaced")
    add("-b", dest="background", action="store_true", help="for start: in the background (as without it)")
    add("-f", dest="foreground", action="store_true", help="for start: in the foreground")
    add("--async", dest="async_", action="store_true", help="accepted, without effect")
    add("--timeout", metavar="SECONDS", type=float, default=client.TIMEOUT, help="how long an answer is waited for")
    add("--str2sec", metavar="TIME", help="print how many seconds that is")
    add("-h", "--help", action="help", help="show this")
    add("-V", "--version", action="store_true", help="show the version")
    add("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="a command and its words")
    return parser


def fail2ban_client(argv: Sequence[str] | None = None) -> int:
    """Do what fail2ban-client would with *argv* (``sys.argv`` unless given); return its exit code."""
    return _run("fail2ban-client", argv)


def fail2ban_server(argv: Sequence[str] | None = None) -> int:
    """The same as fail2ban-server: without a command it starts."""
    return _run("fail2ban-server", argv, otherwise=["start"])


def fail2ban_regex(argv: Sequence[str] | None = None) -> int:
    """Try a filter on a log; the report is that of ``banish match``."""
    from banish.cli import match  # noqa: PLC0415 - most of the time another program is asked for

    parser = _Parser(
        prog="fail2ban-regex", usage="fail2ban-regex [OPTIONS] LOG REGEX [IGNOREREGEX]", allow_abbrev=False
    )
    add = parser.add_argument
    add("-c", "--config", metavar="DIR", help="where filters are looked for first")
    add("-m", "--journalmatch", metavar="MATCH", help="which entries of the journal are read")
    add("-r", "--raw", action="store_true", help="do not resolve host names")
    add("-v", "--verbose", action="count", help="accepted, without effect")
    add("-l", "--log-level", metavar="LEVEL", help="accepted, without effect")
    add("--print-all-missed", action="store_true", help="list every missed line")
    add("--print-all-matched", action="store_true", help="list the lines that matched")
    add("--print-all-ignored", action="store_true", help="accepted, without effect")
    add("--print-no-missed", action="store_true", help="accepted, without effect")
    add("--print-no-ignored", action="store_true", help="accepted, without effect")
    add("words", metavar="LOG REGEX [IGNOREREGEX]", nargs="+", help="a log, a filter, and what to ignore")
    options = parser.parse_args(argv)
    words = [*options.words]
    for name, value in (("--config", options.config), ("--journalmatch", options.journalmatch)):
        words += [name, value] if value else []
    flags = {"--raw-host": options.raw}
    flags |= {
        f"--{name.replace('_', '-')}": getattr(options, name) for name in ("print_all_missed", "print_all_matched")
    }
    words += [name for name, wanted in flags.items() if wanted]
    try:
        return FAILED if match.run(words) else 0
    except SystemExit as leaving:
        return FAILED if leaving.code else 0


def _run(program: str, argv: Sequence[str] | None, otherwise: list[str] | None = None) -> int:
    try:
        options = _parser(program).parse_args(argv)
        words = [*options.words] or (otherwise or [])
        code = _about_itself(options)
        if code is not None:
            return code
        if options.interactive:
            return _converse(options)
        if not words:
            _parser(program).print_help()
            return FAILED
        return _carry_out(options, words)
    except SystemExit as leaving:
        return FAILED if leaving.code else 0
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _about_itself(options: argparse.Namespace) -> int | None:
    """What needs no daemon and no command; None when there is none of it."""
    import banish  # noqa: PLC0415

    if options.version:
        sys.stdout.write(f"banish v{banish.__version__} (as fail2ban)\n")
        return 0
    if options.str2sec is not None:
        from banish import durations  # noqa: PLC0415

        try:
            seconds = durations.parse(options.str2sec)
        except ValueError as error:
            return _say_no(str(error))
        sys.stdout.write(f"{'-1' if seconds == float('inf') else f'{seconds:g}'}\n")
        return 0
    if options.dump:
        return _say_no("banish has no stream of commands to show: see 'banish config' and 'banish config JAIL'")
    if options.test:
        from banish.cli import check  # noqa: PLC0415

        code = check.run(["--config", options.conf] if options.conf else [])
        sys.stdout.write("ERROR: test configuration failed\n" if code else "OK: configuration test is successful\n")
        return FAILED if code else 0
    return None


def _converse(options: argparse.Namespace) -> int:
    """Read a command a line, until the end or ``exit``."""
    import shlex  # noqa: PLC0415

    while True:
        try:
            words = shlex.split(input("fail2ban> "))
        except EOFError:
            return 0
        except ValueError as error:
            _say_no(str(error))
            continue
        if words[:1] in (["exit"], ["quit"]):
            return 0
        if words:
            _carry_out(options, words)


def _carry_out(options: argparse.Namespace, words: list[str]) -> int:
    socket = options.socket or client.SOCKET
    if words == ["start"]:
        return _start(options)
    if words == ["restart"]:
        code = _ask(socket, ["stop"], options.timeout)
        return code or _start(options)
    return _ask(socket, _as_sent(words), options.timeout)


def _as_sent(words: list[str]) -> list[Any]:
    """The words as fail2ban-client sends them: what is given to ``reload`` and ``restart JAIL`` stands in a list."""
    if words[0] not in ("reload", "restart"):
        return list(words)
    given = [word for word in words[1:] if word.startswith("--")]
    jails = [word for word in words[1:] if not word.startswith("--")]
    if words[0] == "restart":
        given.append("--restart")
    return ["reload", jails[0] if jails else "--all", given]


def _ask(socket: str, words: list[Any], timeout: float) -> int:
    reply = client.ask_words(socket, words, timeout=timeout, until_exit=words == ["stop"])
    if reply["ok"]:
        sys.stdout.write(beautiful(words, reply["result"]) + "\n")
        return 0
    error = reply["error"]
    if error["code"] == commands.NOT_RUNNING:
        return _log(f"Failed to access socket path: {socket}. Is fail2ban running?")
    kind, text = error.get("kind", ""), error["text"]
    _log(f"NOK: ({text!r},)")
    if kind == "UnknownJailException":
        text = f"Sorry but the jail {text!r} does not exist"
    elif kind == "IndexError":
        text = "Sorry but the command is invalid"
    return _say_no(text)


def beautiful(words: list[Any], value: Any) -> str:
    """Return what fail2ban-client prints for *value*, the reply to *words*."""
    from banish.control import render_options  # noqa: PLC0415
    from banish.control.render import visible  # noqa: PLC0415

    match words:
        case ["ping", *_]:
            return f"Server replied: {visible(value)}"
        case ["status"]:
            return "\n".join(["Status", *_tree(value)])
        case ["status", jail, *_]:
            return "\n".join([f"Status for the jail: {visible(jail)}", *_tree(value)])
        case ["stop"]:
            return "Shutdown successful"
        case ["stop", *_]:
            return "Jail stopped"
        case ["start", *_]:
            return "Jail started"
        case ["add", *_]:
            return f"Added jail {visible(value)}"
        case ["flushlogs"]:
            return f"logs: {visible(value)}"
        case ["echo", *said]:
            return visible(" ".join(map(str, said)))
        case ["get" | "set" as verb, *rest]:
            return render_options.option(verb, rest, value).removesuffix("\n")
        case _:
            return visible(value)


def _tree(pairs: list[Any], before: str = "") -> list[str]:
    from banish.control.render import visible  # noqa: PLC0415

    lines = []
    for place, (name, value) in enumerate(pairs):
        last = place == len(pairs) - 1
        branch = f"{before}{'`-' if last else '|-'} {visible(name)}"
        if isinstance(value, list) and value and isinstance(value[0], list):
            lines += [branch, *_tree(value, before + ("   " if last else "|  "))]
        else:
            shown = " ".join(map(visible, value)) if isinstance(value, list) else visible(value)
            lines.append(f"{branch}:\t{shown}")
    return lines


def _start(options: argparse.Namespace) -> int:
    """Become banishd, or start it and return when it answers."""
    socket = options.socket or client.SOCKET
    if client.ask(socket, "ping", {}, timeout=options.timeout)["ok"]:
        return _log("Server already running")
    argv = [sys.executable, "-m", "banish.cli.banishd", "--socket", socket]
    for name, value in (
        ("--config", options.conf),
        ("--loglevel", options.loglevel),
        ("--logtarget", options.logtarget),
    ):
        argv += [name, value] if value else []
    if options.foreground:
        os.execv(sys.executable, [*argv, "--foreground"])  # noqa: S606
    code = os.spawnv(os.P_WAIT, sys.executable, argv)  # noqa: S606
    if code:
        return FAILED
    sys.stdout.write("Server ready\n")
    return 0


def _say_no(text: str) -> int:
    from banish.control.render import visible  # noqa: PLC0415

    sys.stdout.write("\n".join(map(visible, text.split("\n"))) + "\n")
    return FAILED


def _log(text: str) -> int:
    from banish.control.render import visible  # noqa: PLC0415

    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    head = f"{stamp},{int(now * 1000) % 1000:03d} {'fail2ban':<24}[{os.getpid()}]: {'ERROR':<7}"
    sys.stderr.write(f"{head} {visible(text)}\n")
    return FAILED


PROGRAMS: dict[str, Callable[[], int]] = {
    "fail2ban-client": fail2ban_client,
    "fail2ban-server": fail2ban_server,
    "fail2ban-regex": fail2ban_regex,
}
"""By the name under which each is installed."""


if __name__ == "__main__":
    sys.exit(fail2ban_client())
