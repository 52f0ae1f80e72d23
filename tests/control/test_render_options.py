"""What is printed for an option: the texts are those of fail2ban-client 1.0.2, measured."""

from __future__ import annotations

from typing import Any

import pytest

from banish.control import options, render_options
from banish.control.render import plain
from tests.control.fake import HOSTILE, NOW


@pytest.mark.parametrize(
    ("words", "value", "text"),
    [
        ("loglevel", "INFO", "Current logging level is 'INFO'"),
        ("logtarget", "/var/log/a.log", "Current logging target is:\n`- /var/log/a.log"),
        ("syslogsocket", "auto", "Current syslog socket is:\n`- auto"),
        ("dbfile", "/x", "Current database file is:\n`- /x"),
        ("dbpurgeage", 86400, "Current database purge age is:\n`- 86400seconds"),
        ("dbmaxmatches", 10, "10"),
        ("thread", {"stacksize": 0}, "{'stacksize': 0}"),
        ("sshd bantime", 600, "600"),
        ("sshd bantime.increment", None, "None"),
        ("sshd ignoreself", False, "False"),
        ("sshd banned", ["192.0.2.1", "192.0.2.2"], "['192.0.2.1', '192.0.2.2']"),
        ("sshd banned 192.0.2.1", 1, "1"),
        ("sshd banip", ["192.0.2.1", "192.0.2.2"], "192.0.2.1 192.0.2.2"),
        ("sshd banip ,", ["192.0.2.1", "192.0.2.2"], "192.0.2.1,192.0.2.2"),
        ("sshd banip --with-time", ["192.0.2.1 \tA + 1 = B", "x"], "192.0.2.1 \tA + 1 = B\nx"),
        ("sshd ignoreip", ["a", "b"], "These IP addresses/networks are ignored:\n|- a\n`- b"),
        ("sshd ignoreip", [], "No IP address/network is ignored"),
        ("sshd logpath", ["/a"], "Current monitored log file(s):\n`- /a"),
        ("sshd logpath", [], "No file is currently monitored"),
        ("sshd logencoding", "UTF-8", "Current log encoding is set to:\nUTF-8"),
        ("sshd journalmatch", [["A=b"], ["C=d", "E=f"]], "Current match filter:\nA=b + C=d E=f"),
        ("sshd journalmatch", [], "No journal match filter set"),
        ("sshd failregex", ["^a", "^b"], "The following regular expression are defined:\n|- [0]: ^a\n`- [1]: ^b"),
        ("sshd ignoreregex", [], "No regular expression is defined"),
        ("sshd datepattern", [None, "Default Detectors"], "Current date pattern set to: Default Detectors"),
        ("sshd datepattern", ["^%Y", "^Year"], "Current date pattern set to: ^%Y (^Year)"),
        ("sshd actions", ["a", "b"], "The jail sshd has the following actions:\na, b"),
        ("sshd actions", [], "No actions for jail sshd"),
        ("sshd actionproperties a", ["x", "y"], "The jail sshd action a has the following properties:\nx, y"),
        ("sshd actionmethods a", ["x"], "The jail sshd action a has the following methods:\nx"),
    ],
)
def test_get(words: str, value: Any, text: str) -> None:
    assert render_options.get({"value": value}, {"words": words.split()}, plain, NOW) == f"{text}\n"


def test_set_prints_what_get_does() -> None:
    for words in (["sshd", "addignoreip", "192.0.2.1"], ["sshd", "delignoreip", "192.0.2.1"]):
        said = render_options.set({"value": ["192.0.2.1"]}, {"words": words}, plain, NOW)
        assert said == "These IP addresses/networks are ignored:\n`- 192.0.2.1\n"


def test_changes() -> None:
    assert render_options.changes({"changes": []}, {}, plain, NOW).startswith("nothing was set")
    rows = [{"jail": None, "at": NOW, "words": ["loglevel", "DEBUG"]}, {"jail": "a", "at": NOW, "words": [HOSTILE]}]
    said = render_options.changes({"changes": rows}, {}, plain, NOW).splitlines()
    assert said[0].split() == ["time", "jail", "set"]
    assert said[1].endswith("loglevel DEBUG")
    assert said[2].isascii()


@pytest.mark.parametrize("verb", ["get", "set"])
def test_every_option_is_put_into_words_that_cannot_command_a_terminal(verb: str) -> None:
    of_daemon, of_jail = (options.GET, options.GET_JAIL) if verb == "get" else (options.SET, options.SET_JAIL)
    lists = {"ignoreip", "logpath", "regexes", "actions", "properties", "methods", "banip"}
    for words, row in (
        *(([word], row) for word, row in of_daemon.items()),
        *((["sshd", word, "x"], row) for word, row in of_jail.items()),
    ):
        value: Any = HOSTILE
        if row.says in lists:
            value = [HOSTILE, "b"]
        elif row.says == "journalmatch":
            value = [[HOSTILE]]
        elif row.says == "datepattern":
            value = [HOSTILE, HOSTILE]
        said = render_options.option(verb, words, value)
        assert said.endswith("\n")
        assert said.replace("\n", "").isprintable()
