"""docs/reference/cli.md: every command and option on one page."""

from __future__ import annotations

from banish.cli.parsers import EXIT_CODES, USAGE
from banish.control.client import SOCKET
from scripts.reference.rows import Row, option_lines


def page(table: list[Row]) -> str:
    """Return the page."""
    lines = [
        "# The command line, complete",
        "",
        "Generated from the table of commands by `python -m scripts.reference`; do not edit. What the commands answer, in JSON and text,",
        "is in [commands.md](commands.md).",
        "",
        "```",
        USAGE,
        "```",
        "",
        f"Every command understands `--help`. `--socket PATH` (default `{SOCKET}`) and `--json` may stand before and behind it.",
        f"Exit codes: {EXIT_CODES}.",
        "",
        "| command | | who |",
        "|---|---|---|",
    ]
    for row in table:
        who = ("may look" if row.reads else "may command") if row.daemon else "anybody"
        lines.append(f"| [`{row.name}`](#banish-{row.name}) | {_cell(row.help)} | {who} |")
    for row in table:
        lines += [
            "",
            f"## banish {row.name}",
            "",
            "```",
            f"banish {row.usage}",
            "```",
            "",
            f"{_sentence(row.help)}",
            "",
        ]
        if row.arguments:
            lines += ["| argument | |", "|---|---|"]
            for argument in row.arguments:
                names = ", ".join(argument.names)
                shown = " ".join(filter(None, (names, argument.value)))
                lines.append(f"| `{_code(shown)}` | {_cell(argument.help)} |")
        if row.name in ("get", "set"):
            lines += ["", "| option | |", "|---|---|"]
            lines += [f"| `{_code(usage)}` | {_cell(help_)} |" for usage, help_ in option_lines(row.name)]
        while lines[-1] == "":
            lines.pop()
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}.".replace("<", "&lt;")
