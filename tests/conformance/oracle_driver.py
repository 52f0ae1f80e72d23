"""Asks fail2ban itself: runs under the distribution's Python, with fail2ban's package, as a process of its own.

One question a line on standard input, one answer a line on standard output, both JSON; see ``oracle`` for the other side. fail2ban
is driven as a black box, the way a program that embeds it would: its classes, its clock set by its own means, no look-ups of names.

``{"ask": "dates", "patterns", "timezone", "machine", "now", "lines"}``
    For each line what its date detector finds: null or [time, start, end]. ``refused`` stands for patterns it does not take,
    ``crashed`` for a line it fails on.
``{"ask": "verdicts", "filter", "messages"}``
    Lines without dates, the first at second 1000, the next a second later: see ``_verdict`` for what each is answered.
``{"ask": "file", "filter", "datepattern", "timezone", "machine", "live", "lines": [[text, now], …]}``
    Lines as a log file has them, each read at its *now*. *live* is false while a file is caught up with.

*filter* has the fields of our ``FilterSettings``, tags like ``<HOST>`` in expressions not yet expanded.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from typing import Any

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

DateDetector: Any = importlib.import_module("fail2ban.server.datedetector").DateDetector
FILTER: Any = importlib.import_module("fail2ban.server.filter")
MyTime: Any = importlib.import_module("fail2ban.server.mytime").MyTime


def dates(question: dict[str, Any]) -> Any:
    _machine(question["machine"])
    MyTime.setTime(question["now"])
    detector = DateDetector()
    try:
        if question["timezone"]:
            detector.default_tz = question["timezone"]
        for pattern in question["patterns"]:
            detector.appendTemplate(pattern)
        if not question["patterns"]:
            detector.addDefaultTemplate()
    except Exception:  # noqa: BLE001 -- whatever it fails with is the answer
        return ["refused"] * len(question["lines"])
    return [_date(detector, line) for line in question["lines"]]


def _date(detector: Any, line: str) -> Any:
    try:
        match, template = detector.matchTime(line)
        if not match:
            return None
        found = detector.getTime(line, (match, template))
        return [found and found[0], *match.span(1)]
    except Exception:  # noqa: BLE001
        return "crashed"


def verdicts(question: dict[str, Any]) -> Any:
    try:
        filter_ = _filter(question["filter"])
        filter_.checkFindTime = False
        return [
            _verdict(filter_, ("", "", text), 1000.0 + number, 1000.0 + number)
            for number, text in enumerate(question["messages"])
        ]
    except Exception:  # noqa: BLE001
        return "refused"


def file(question: dict[str, Any]) -> Any:
    _machine(question["machine"])
    try:
        filter_ = _filter(question["filter"])
        if question["datepattern"]:
            filter_.setDatePattern("\n".join(question["datepattern"]))
        if question["timezone"]:
            filter_.setLogTimeZone(question["timezone"])
    except Exception as error:  # noqa: BLE001
        return f"refused: {type(error).__name__}"
    filter_.inOperation = question["live"]
    ignored: list[int] = []
    filter_.onIgnoreRegex = lambda *_: ignored.append(1)
    answers = []
    for (_, now), text in zip(question["lines"], _as_read([text for text, _ in question["lines"]]), strict=True):
        ignored.clear()
        answer = _verdict(filter_, text, now)
        answers.append("ignored" if ignored and not answer else answer)
    return answers


ANSWERS = {"dates": dates, "verdicts": verdicts, "file": file}


def _machine(zone: str) -> None:
    if os.environ.get("TZ") != zone:
        os.environ["TZ"] = zone
        time.tzset()


def _filter(settings: dict[str, Any]) -> Any:
    filter_ = FILTER.Filter(None, useDns=settings["usedns"])
    if settings["prefregex"]:
        filter_.prefRegex = settings["prefregex"]
    if settings["maxlines"] > 1:
        filter_.setMaxLines(settings["maxlines"])
    for expression in settings["failregex"]:
        filter_.addFailRegex(expression)
    for expression in settings["ignoreregex"]:
        filter_.addIgnoreRegex(expression)
    return filter_


def _as_read(texts: list[str]) -> list[str]:
    """Let its own reader read *texts* from a file; lone surrogates in them stand for bytes that are no UTF-8."""
    with tempfile.NamedTemporaryFile(prefix="oracle-") as written:
        written.write("".join(f"{text}\n" for text in texts).encode("utf-8", "surrogateescape"))
        written.flush()
        source = FILTER.FileContainer(written.name, "utf-8")
        source.open()
        try:
            return [source.readline() for _ in texts]
        finally:
            source.close()


def _verdict(filter_: Any, line: Any, now: float, at: float | None = None) -> Any:
    """[[index of failregex, id, time, fields, lines], …] for the failures a line leads to, or what it made the filter raise."""
    MyTime.setTime(now)
    try:
        found = filter_.processLine(line, at)
    except Exception as error:  # noqa: BLE001
        return f"raised {type(error).__name__}"
    return [
        [
            regex,
            str(id_),
            time_,
            {name: _plain(value) for name, value in data.items() if name != "matches"},
            ["".join(parts) for parts in data["matches"]],
        ]
        for regex, id_, time_, data in found
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(str(each) for each in value)
    return value if value is None or isinstance(value, str) else str(value)


def main() -> None:
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(ANSWERS[question["ask"]](question)), flush=True)


if __name__ == "__main__":
    main()
