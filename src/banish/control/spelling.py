"""What somebody probably meant by a word that there is not."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return that of *names* which *word* is most likely a slip of the finger for; None when it is like none of them.

    >>> nearest("stauts", ["stats", "status"])
    'status'
    """
    import difflib  # noqa: PLC0415 - the client imports only what every command needs

    known = list(names)
    swapped = [name for name in known if sorted(name) == sorted(word)]
    near = swapped or difflib.get_close_matches(word, known, n=1)
    return near[0] if near else None
