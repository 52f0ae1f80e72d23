"""Every generated file, by its path in the repository. Below ``share/`` is what an installation puts below its own ``share/``."""

from __future__ import annotations

from scripts.reference import bash, fish, manual, markdown, zsh
from scripts.reference.rows import rows


def files() -> dict[str, str]:
    """Return the text of each generated file."""
    table = rows()
    return {
        "docs/reference/cli.md": markdown.page(table),
        "share/man/man1/banish.1": manual.banish(table),
        "share/man/man8/banishd.8": manual.banishd(),
        "share/bash-completion/completions/banish": bash.completion(table),
        "share/zsh/site-functions/_banish": zsh.completion(table),
        "share/fish/vendor_completions.d/banish.fish": fish.completion(table),
    }
