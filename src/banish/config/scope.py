"""Where ``%(name)s`` is looked up: the view that one jail, filter or action has of its merged files.

The order is: options given to it (``filter = sshd[mode=aggressive]``), its own sections, what is assumed when nothing else
says so, ``[DEFAULT]``. ``%(section/option)s`` asks another section, ``%(default/option)s`` the ``[DEFAULT]`` one, and
``%(known/option)s`` what was known before the file that says so; whatever is found is interpolated in the view of the asker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from banish.config.ini import DEFAULT
from banish.config.interpolation import Found, interpolate
from banish.config.layers import Definition, Sections
from banish.config.text import BUILT_IN, Text

_GIVEN_RANK = 1 << 30


class Scope:
    """One view. *sections* are its own, the first that defines an option counts; the last names it (``%(__name__)s``)."""

    def __init__(
        self,
        files: Sections,
        sections: tuple[str, ...],
        *,
        given: Mapping[str, Text] | None = None,
        assumed: Mapping[str, Text] | None = None,
    ) -> None:
        self.files = files
        self.sections = sections
        self.known: Callable[[str], Text | None] | None = None
        """Finished values that ``known/`` finds before any earlier definition: a jail's filter."""
        self._given = given or {}
        self._assumed = assumed or {}
        self._values: dict[str, Text | None] = {}

    def get(self, option: str) -> Text | None:
        """Return the interpolated value of *option*, None when nobody defines it; raises ConfigError."""
        if option not in self._values:
            self._values[option] = self._finish(self._find(option))
        return self._values[option]

    def _find(self, option: str) -> Found | None:
        if option in self._given:
            text = self._given[option]
            return Found(text, Definition(self.sections[-1], option, _GIVEN_RANK, text, given=True))
        if definition := self._own(option):
            return Found(definition.text, definition)
        if option in self._assumed:
            return Found(self._assumed[option], None)
        return _found(self.files.definition(DEFAULT, option))

    def _finish(self, found: Found | None) -> Text | None:
        if found is None or found.definition is None:
            return found.text if found else None
        return interpolate(found.definition, self._lookup)

    def _own(self, option: str) -> Definition | None:
        candidates = (self.files.definition(section, option) for section in self.sections)
        return next((definition for definition in candidates if definition), None)

    def _lookup(self, name: str, asker: Definition) -> Found | None:
        section, slash, option = name.partition("/")
        option = option.lower()
        if name == "__name__":
            return Found(Text.at(self.sections[-1], BUILT_IN), None)
        if not slash:
            return self._find(name.lower())
        if section == "known":
            return self._known(option, asker)
        if section == "default":
            return _found(self.files.definition(DEFAULT, option))
        if not self.files.has(section):
            return None
        return _found(self.files.definition(section, option) or self.files.definition(DEFAULT, option))

    def _known(self, option: str, asker: Definition) -> Found | None:
        """What was known of *option* before the file of *asker*.

        An earlier definition that itself extends what was known comes first, so that extensions in several files add up;
        then the filter, which a jail's plain earlier value does not hide; then any earlier definition.
        """
        earlier = [d for section in self.sections for d in self.files.history(section, option) if d.rank < asker.rank]
        earlier.sort(key=lambda d: d.section == asker.section)
        if earlier and f"%(known/{option})s" in earlier[-1].text.text.lower():
            return _found(earlier[-1])
        if self.known is not None and (text := self.known(option)) is not None:
            return Found(text, None)
        if earlier:
            return _found(earlier[-1])
        defaults = self.files.history(DEFAULT, option)
        if asker.section == DEFAULT:
            defaults = tuple(d for d in defaults if d.rank < asker.rank)
        return _found(defaults[-1] if defaults else None)


def _found(definition: Definition | None) -> Found | None:
    return None if definition is None else Found(definition.text, definition)
