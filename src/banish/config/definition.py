"""What a file of filter.d or action.d comes to with the options given to it.

Its options are those of ``[Definition]`` and ``[Init]`` (which overrides, since it is what users are meant to change), and
on top what the jail gives in brackets. Tags find the same options; ``<known/option>`` finds the value without what was given,
so that ``filter = x[agents="bad|<known/agents>"]`` extends the file's own. Tags of an action also find the options of its jail
(``<logpath>``, ``<maxretry>``), behind what was given and ``[Init]`` but before ``[Definition]``: measured on fail2ban.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from banish.config.layers import Sections, Tree
from banish.config.scope import Scope
from banish.config.substitution import Substitution
from banish.config.text import Text
from banish.errors import ConfigError, Problem

_SECTIONS = ("Init", "Definition")


class FileDefinition:
    """One filter or action. Nothing is evaluated before it is asked for, so that a fault in an unused option is harmless."""

    def __init__(
        self,
        files: Sections,
        given: Mapping[str, Text],
        *,
        assumed: Mapping[str, Text] | None = None,
        untouched: frozenset[str] = frozenset(),
        jail: Callable[[str], Text | None] = lambda _: None,
        family: str = "",
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        """*assumed* are values for options that nobody sets; *untouched* names tags that wait for the moment of a ban.

        *jail* finds the jail's options for tags. With a *family* (``inet6``), ``option?family=inet6`` stands for ``option``
        wherever there is one that is not among the *hidden*.
        """
        self._files = files
        self._given = what_is_given(given)
        self._scope = Scope(files, _SECTIONS, given=self._given, assumed=assumed)
        self._own = Scope(files, _SECTIONS, assumed=assumed)
        self._assumed = assumed or {}
        self._untouched = untouched
        self._jail = jail
        self._family = family
        self._hidden = hidden
        self._tags = Substitution(self._find)
        self._values: dict[str, Text | None] = {}

    def names(self) -> tuple[str, ...]:
        """Every option that the file's own sections, the jail or an assumption sets."""
        own = (name for section in reversed(_SECTIONS) for name in self._files.options(section))
        return tuple(dict.fromkeys((*own, *self._assumed, *self._given)))

    def get(self, option: str) -> Text | None:
        """Return the value of *option*, references followed and tags replaced; None when nobody sets it.

        Raises ConfigError.
        """
        if option not in self._values:
            value = self._of_family(option)
            self._values[option] = None if value is None else self._tags.apply(value)
        return self._values[option]

    def own(self, option: str) -> Text | None:
        """Return the value of *option* in ``[Definition]`` or ``[Init]`` as ``known/option`` sees it from a jail."""
        return self.get(option) if option in self.names() else None

    def _of_family(self, option: str) -> Text | None:
        variant = f"{option}?family={self._family}"
        if self._family and variant not in self._hidden and (text := self._scope.get(variant)) is not None:
            return text
        return self._scope.get(option)

    def _find(self, tag: str) -> Text | None:
        if tag in self._untouched:
            return None
        section, slash, option = tag.partition("/")
        if not slash:
            if tag not in self._given and self._files.definition("Init", tag) is None and (text := self._jail(tag)):
                return text
            return self._of_family(tag)
        if section == "known":
            return self._own.get(option)
        if section == "default":
            return Scope(self._files, ("DEFAULT",)).get(option)
        name = next((name for name in self._files.names() if name.lower() == section), None)
        return None if name is None else Scope(self._files, (name,)).get(option)


def what_is_given(options: Mapping[str, Text]) -> dict[str, Text]:
    """Return *options* without those like ``chain="<known/chain>"``, which ask for what the file says for each family."""
    return {name: text for name, text in options.items() if text.text != f"<known/{name}>"}


def missing_file(tree: Tree, kind: str, name: str, suffix: str = ".conf") -> ConfigError:
    """Return the error that there is no file for filter or action *name*, with the nearest name that exists."""
    from difflib import get_close_matches  # noqa: PLC0415 - for slips alone

    near = get_close_matches(name, tree.available(f"{kind}.d"), n=1, cutoff=0.6)
    return ConfigError(
        Problem(
            f"there is no {kind} {name}: {kind}.d/{name}{suffix} is nowhere in {tree.user or tree.packaged}",
            f"did you mean {near[0]}?" if near else "check the spelling",
            option=kind,
        )
    )
