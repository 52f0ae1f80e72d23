"""Actions that are Python files."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from banish.enforcement.actions import ActionSettings
from banish.enforcement.commands import pythonaction
from banish.enforcement.commands import shim as module
from banish.enforcement.commands.ticket import KEYS
from tests.enforcement.commands.rig import NOW, Rig, decision

HEAD = """
from fail2ban.server.action import ActionBase

def out(*words):
    with open({out!r}, "a") as file:
        print(*words, file=file)

class Action(ActionBase):
"""


@pytest.fixture(autouse=True)
def _modules() -> object:
    """Nothing of the shim is left behind."""
    before = dict(sys.modules)
    yield
    for name in [name for name in sys.modules if name not in before]:
        if name.startswith(("fail2ban", "banish_action")):
            del sys.modules[name]


def python(directory: Path, body: str, /, head: str = HEAD, **options: str) -> ActionSettings:
    path = directory / "tell.py"
    path.write_text(head.format(out=str(directory / "out")) + textwrap.indent(textwrap.dedent(body), "    "))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ActionSettings("tell.py", "tell", "", options, python=str(path), digest=digest)


WHOLE = """
def __init__(self, jail, name, to="nobody"):
    super().__init__(jail, name)
    self.to = to
def start(self): out("start", self._jail.name, self._name, self.to)
def stop(self): out("stop")
def ban(self, aInfo): out("ban", aInfo["ip"], aInfo["restored"])
def unban(self, aInfo): out("unban", aInfo["ip"])
"""


def test_the_life_of_an_action(tmp_path: Path) -> None:
    rig = Rig(tmp_path, python(tmp_path, WHOLE, to="root"))
    rig.ledger.apply(decision("192.0.2.1", origin="restored"), NOW)

    async def story() -> None:
        await rig.lines("start sshd tell root", "ban 192.0.2.1 1")
        rig.ban("2001:db8::1")
        await rig.lines("start sshd tell root", "ban 192.0.2.1 1", "ban 2001:db8::1 0")
        rig.unban("2001:db8::1")

    rig.play(story)
    assert rig.said[3:] == ["unban 2001:db8::1", "unban 192.0.2.1", "stop"]
    assert rig.levels("ERROR") == []


def test_optional_methods_are_called_where_they_are(tmp_path: Path) -> None:
    body = (
        WHOLE
        + """
_prolongable = True
norestored = True
def prolong(self, aInfo): out("prolong", aInfo["bantime"])
def flush(self): out("flush")
def reload(self): out("reload")
def consistencyCheck(self): out("check")
"""
    )
    made = python(tmp_path, body)
    rig = Rig(tmp_path, made)
    rig.ledger.apply(decision("192.0.2.1", origin="restored"), NOW)

    async def story() -> None:
        await rig.lines("start sshd tell nobody")
        rig.ban("192.0.2.7")
        await rig.lines("start sshd tell nobody", "ban 192.0.2.7 0")
        rig.out.write_text("")
        rig.prolong("192.0.2.7", NOW + 6000)
        await rig.lines("prolong 6000")
        rig.again("192.0.2.7")
        await rig.lines("prolong 6000", "check")
        rig.configure(made)
        await rig.lines("prolong 6000", "check", "reload")

    rig.play(story)
    assert rig.said[3:] == ["flush", "stop"]


def test_what_is_told_about_a_ban(tmp_path: Path) -> None:
    body = """
    def ban(self, aInfo):
        out(sorted(aInfo))
        out(aInfo["family"], aInfo["ip-rev"], aInfo["fid"], aInfo["failures"], aInfo["time"], aInfo["bantime"], aInfo["bancount"])
        out(aInfo["F-*"]["user"], repr(aInfo["matches"]), aInfo["ipfailures"], repr(aInfo["ipmatches"]), aInfo["jail.found"])
        aInfo["mine"] = 1
        out("mine" in aInfo, aInfo.get("nosuch"), "nosuch" in aInfo, "%(ip)s of %(jail.name)s" % aInfo, len(aInfo.copy()))
    """
    rig = Rig(tmp_path, python(tmp_path, body))
    rig.history = [decision(jail="other", failures=4, matches=("before",))]

    async def story() -> None:
        rig.ban("192.0.2.7", fields={"user": "o'hara"}, matches=("one", "two"))
        await rig.until(lambda: len(rig.said) == 4)

    rig.play(story)
    keys = [*KEYS]
    assert rig.said == [
        str(sorted(keys)),
        f"inet4 7.2.0.192. 192.0.2.7 3 {NOW} 600 1",
        r"o'hara 'one\ntwo' 7 'before\none\ntwo' 3",
        f"True None False 192.0.2.7 of sshd {len(keys) + 1}",
    ]


def test_values_are_worked_out_when_somebody_asks(tmp_path: Path) -> None:
    rig = Rig(tmp_path, python(tmp_path, 'def ban(self, aInfo): out("ban", aInfo["ip"])'))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("ban 192.0.2.7")

    rig.play(story)
    assert rig.asked == []


def test_a_ban_may_be_given_up_and_the_daemon_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = threading.Event()
    monkeypatch.setattr(module, "hung", hung, raising=False)
    body = """
    timeout = 0.2
    def ban(self, aInfo):
        out("ban")
        from banish.enforcement.commands.shim import hung
        hung.wait(60)
    """
    rig = Rig(tmp_path, python(tmp_path, body))

    async def story() -> None:
        rig.ban("192.0.2.7")
        for _ in range(50):
            await asyncio.sleep(0.01)  # the loop goes on meanwhile
        await rig.until(lambda: any("timed out after 0.2 seconds" in text for text in rig.levels("ERROR")))
        hung.set()

    rig.play(story)
    assert rig.said[0] == "ban"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("def __init__(self, jail, name): raise ValueError('no')", "ValueError: no"),
        ("def __init__(self, jail, name): raise SystemExit(1)", "SystemExit(1)"),
        ("def start(self): raise KeyError('x')", "KeyError: 'x'"),
        ("nonsense = 1 +", "SyntaxError: "),
        ("def __init__(self, jail, name, *, needed): pass", "missing 1 required keyword-only argument: 'needed'"),
    ],
)
def test_what_cannot_be_started_is_a_problem_and_stops_nobody(body: str, why: str, tmp_path: Path) -> None:
    rig = Rig(tmp_path, python(tmp_path, body))

    async def story() -> None:
        await rig.until(lambda: bool(rig.runner.problems()))
        assert why in str(rig.runner.problems()[0])

    rig.play(story)
    assert any(
        text.startswith("Failed to start jail 'sshd' action 'tell': ") and why in text for text in rig.levels("ERROR")
    )


def test_a_class_that_derives_from_nothing_must_have_all_five_methods(tmp_path: Path) -> None:
    rig = Rig(tmp_path, python(tmp_path, "def ban(self, aInfo): pass", head="class Action:\n"))

    async def story() -> None:
        await rig.until(lambda: bool(rig.runner.problems()))
        assert "lacks start, stop, unban, reban" in rig.runner.problems()[0].text

    rig.play(story)


def test_a_failing_ban_is_told_and_tried_again(tmp_path: Path) -> None:
    body = """
    def ban(self, aInfo):
        out("ban")
        self.times = getattr(self, "times", 0) + 1
        if self.times == 1:
            raise OSError("not now")
    """
    rig = Rig(tmp_path, python(tmp_path, body))

    async def story() -> None:
        rig.ban("192.0.2.7")
        await rig.lines("ban", "ban")

    rig.play(story)
    (error,) = rig.levels("ERROR")
    assert error.startswith("Failed to execute ban jail 'sshd' action 'tell' info 'ActionInfo({'ip': '192.0.2.7'")
    assert "OSError: not now" in error


def test_a_file_that_was_changed_meanwhile_is_not_loaded(tmp_path: Path) -> None:
    made = python(tmp_path, WHOLE)
    Path(made.python).write_text("raise SystemExit")
    rig = Rig(tmp_path, made)

    async def story() -> None:
        await rig.until(lambda: bool(rig.runner.problems()))
        assert "has been changed since the configuration was read: reload" in rig.runner.problems()[0].text

    rig.play(story)


def test_an_installed_fail2ban_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fail2ban/server").mkdir(parents=True)
    (tmp_path / "fail2ban/__init__.py").touch()
    (tmp_path / "fail2ban/server/__init__.py").touch()
    (tmp_path / "fail2ban/server/action.py").write_text("ActionBase = 'theirs'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module.install()
    assert sys.modules["fail2ban.server.action"].ActionBase == "theirs"


def test_the_shim_has_what_actions_import() -> None:
    module.install()
    from fail2ban.helpers import getLogger  # type: ignore[import-not-found]  # noqa: PLC0415
    from fail2ban.server.action import ActionBase  # type: ignore[import-not-found]  # noqa: PLC0415
    from fail2ban.server.actions import CallingMap  # type: ignore[import-not-found]  # noqa: PLC0415

    action = ActionBase("jail", "x")
    action.start()
    action.reban({})
    assert (action._jail, action._name, action._prolongable) == ("jail", "x", False)
    assert getLogger("fail2ban.server.action").name == "fail2ban.action"
    assert dict(CallingMap(a=lambda: 1, b=2)) == {"a": 1, "b": 2}


@pytest.mark.skipif(not Path("/etc/fail2ban/action.d/smtp.py").is_file(), reason="needs Debian's package fail2ban")
def test_the_one_that_comes_with_fail2ban_can_be_loaded() -> None:
    path = Path("/etc/fail2ban/action.d/smtp.py")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    options = {"dest": "root@example.org"}
    made = pythonaction._make(ActionSettings("smtp.py", "smtp", "", options, python=str(path), digest=digest), "sshd")
    assert made.toaddr == "root@example.org"
