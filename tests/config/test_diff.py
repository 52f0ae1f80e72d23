"""What a reload has to do."""

from __future__ import annotations

from banish.config.diff import Changes, diff
from tests.config.conftest import Trees

TWO = "[sshd]\nenabled = true\n[web]\nenabled = true\nfilter = sshd\nlogpath = /l\n"


def test_an_edit_touches_the_jails_it_concerns(trees: Trees) -> None:
    trees.write("jail.local", TWO)
    old = trees.load()
    trees.write("jail.local", TWO + "maxretry = 9\n[mail]\nenabled = true\nfilter = sshd\nlogpath = /m\n")
    new = trees.load()
    assert diff(old, new) == Changes(added=("mail",), removed=(), changed=("web",), kept=("sshd",))
    assert diff(new, old) == Changes(added=(), removed=("mail",), changed=("web",), kept=("sshd",))


def test_moving_a_value_to_another_line_changes_nothing(trees: Trees) -> None:
    trees.write("jail.local", TWO)
    old = trees.load()
    trees.write("jail.local", "# a comment\n\n" + TWO)
    assert diff(old, trees.load()) == Changes(kept=("sshd", "web"))


def test_a_change_of_the_filter_is_a_change_of_its_jails(trees: Trees) -> None:
    trees.write("jail.local", TWO)
    old = trees.load()
    trees.write("filter.d/sshd.local", "[Definition]\nfailregex = %(known/failregex)s\n  ^more <HOST>\n")
    assert diff(old, trees.load()).changed == ("sshd", "web")
