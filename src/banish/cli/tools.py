"""Commands that need no daemon, one row a tool; each is a module of this room, imported when it runs.

A new tool is a row here and its module, which has

``parser()``
    its argparse.ArgumentParser, from which help, manual and completion come;
``run(words)``
    which gets the words after the name and returns the exit code, one of ``control.commands``.

Then run ``python -m scripts.reference``, which writes anew what is generated; a test insists.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


class Tool:
    """One row. *usage* and *help* are what the overview shows of it; *asks*: it also asks the daemon, by ``--socket``."""

    __slots__ = ("asks", "help", "module", "name", "usage")

    def __init__(self, name: str, usage: str, help_: str, module: str, *, asks: bool = False) -> None:
        self.name = name
        self.usage = usage
        self.help = help_
        self.module = module
        self.asks = asks

    def run(self, words: list[str]) -> int:
        code: int = import_module(self.module).run(words)
        return code

    def parser(self) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = import_module(self.module).parser()
        return parser


TOOLS = (
    Tool("check", "check [--config DIR]", "judge a configuration and its expressions", "banish.cli.check"),
    Tool(
        "config",
        "config [JAIL] [--config DIR]",
        "show the effective configuration and where it comes from",
        "banish.cli.config",
        asks=True,
    ),
    Tool("config-dir", "config-dir", "print where the packaged configuration lies", "banish.cli.config_dir"),
    Tool(
        "doctor",
        "doctor [--config DIR] [--state DIR]",
        "find what makes you believe that you are protected when you are not",
        "banish.cli.doctor",
        asks=True,
    ),
    Tool(
        "explain",
        "explain LINE... [--jail JAIL]",
        "say what each jail makes of a line, and where it stopped",
        "banish.cli.explain",
        asks=True,
    ),
    Tool(
        "match",
        "match LOG FILTER [IGNOREREGEX]",
        "try a filter on a log, or an expression on a line",
        "banish.cli.match",
    ),
    Tool(
        "install-compat",
        "install-compat [--dir DIR] [--remove] [--force]",
        "install fail2ban-client, fail2ban-server and fail2ban-regex as names of banish",
        "banish.cli.install_compat",
    ),
    Tool("setup", "setup [--yes | --dry-run]", "switch on the jails for what runs on this machine", "banish.cli.setup"),
    Tool(
        "top",
        "top [--interval S] [--count N]",
        "watch what goes on: rates, jails, sources, who fails most, and as whom",
        "banish.cli.top",
        asks=True,
    ),
    Tool("help", "help [COMMAND]", "show the commands, or one in detail", "banish.cli.help"),
)

BY_NAME = {tool.name: tool for tool in TOOLS}
