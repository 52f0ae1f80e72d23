"""A command line without argparse, for most of what is ever asked: it takes longer to import than everything else together.

Whatever is not plain (help, usage errors, durations, a word that begins with ``-``) gives None, and then `parsers` has the say; so the
two agree on what both understand, and a test holds them to that. Only ``get``, ``set`` and ``echo`` are always taken apart here, because
any word may follow them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from banish.control.commands import Command

_HELP = ("-h", "--help")


class Asked:
    """What a command line says: where to ask, how to answer, and the words that are left."""

    __slots__ = ("json", "socket", "words")

    def __init__(self, socket: str | None, json: bool, words: list[str]) -> None:
        self.socket = socket
        self.json = json
        self.words = words


def common(words: Sequence[str], *, everywhere: bool = False) -> Asked | None:
    """Take ``--socket PATH`` and ``--json`` from before the first other word, or from *everywhere*."""
    asked = Asked(None, False, [])
    rest = iter(words)
    for word in rest:
        if word == "--json":
            asked.json = True
        elif word == "--socket":
            socket = next(rest, None)
            if socket is None or socket.startswith("-"):
                return None
            asked.socket = socket
        elif word.startswith("--socket="):
            asked.socket = word.removeprefix("--socket=")
        elif everywhere:
            asked.words.append(word)
        else:
            asked.words = [word, *rest]
    return asked


def arguments(command: Command, words: Sequence[str]) -> dict[str, Any] | None:
    """Return what *words*, without the common options, say of the arguments of *command*; None when somebody else must read them."""
    if words[:1] and words[0] in _HELP:
        return None
    positional = [argument for argument in command.arguments if not argument.option]
    if any(argument.kind == "words" for argument in positional):
        return {positional[0].name: list(words)} if words or not positional[0].required else None
    given: dict[str, Any] = {
        argument.name: [] if argument.kind == "texts" else False if argument.kind == "flag" else None
        for argument in command.arguments
    }
    options = {argument.option: argument for argument in command.arguments if argument.option}
    plain: list[str] = []
    interrupted = 0
    rest = iter(words)
    for word in rest:
        option = options.get(word)
        if option is not None:
            interrupted = len(plain)
        if option is not None and option.kind == "flag":
            given[option.name] = True
        elif option is not None and option.kind == "text":
            value = next(rest, None)
            if value is None or value.startswith("-"):
                return None
            given[option.name] = value
        elif word.startswith("-") and word != "-":
            return None
        elif interrupted:
            return None  # argparse has its own opinion of words before and behind an option
        else:
            plain.append(word)
    for argument in positional:
        if argument.kind == "texts":
            given[argument.name], plain = plain, []
        elif argument.kind != "text":
            return None
        elif plain:
            given[argument.name] = plain.pop(0)
        if argument.required and not given[argument.name]:
            return None
    return None if plain else given
