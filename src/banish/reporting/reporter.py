"""What all reporters have in common: a Python action (see ``enforcement.commands.pythonaction``) whose calls return at once.

``ban`` writes down what there is to say and leaves it to the courier of the service. What could not be delivered is in the log, and,
until something is delivered again, in ``trouble``, which `banish status` shows.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Condition
from typing import Any, ClassVar, NamedTuple, Protocol

from banish import addresses
from banish.errors import ConfigError
from banish.reporting import redaction
from banish.reporting.courier import courier_for
from banish.reporting.outbox import Limits, Parcel, Refused
from banish.reporting.redaction import Redaction

Info = Mapping[str, Any]
"""A ban as a Python action is told of it."""
TAG = re.compile(r"<([^\s<>]+)>")
EVENTS = ("ban", "unban")
_FALSE = frozenset({"", "0", "no", "off", "false"})


class Jail(Protocol):
    name: str


class Wrong(NamedTuple):
    """What is wrong with an option, and what to do."""

    option: str
    text: str
    remedy: str


class Reporter:
    """One action of one jail. *options* are texts, as configuration has them; *say* is set by whoever made it."""

    lasting: ClassVar[bool] = True
    """What was told stays true when the action stops; no ban is ended for that."""
    service: ClassVar[str]
    """What all that is told goes to, whoever tells it."""
    required: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()
    """Options whose value may be ``file:PATH``: the first line of that file."""
    events: ClassVar[str] = "ban"
    """What is told where the options do not say."""
    limits: ClassVar[Limits] = Limits()
    patience: ClassVar[float] = 5.0
    """Seconds that ``stop`` waits for what is still to be delivered."""

    def __init__(self, jail: Jail, name: str, **options: str) -> None:
        self.jail = jail.name
        self.name = name
        self.options = options
        self.trouble = ""
        self.say: Callable[[str, str], None] = lambda level, text: None
        self._told_before = flag(options.get("norestored", "yes"))
        self.redact = redaction.parse(options.get("redact", ""))
        self._courier = courier_for(self.destination(), _limits(options, self.limits))
        self._waiting = 0
        self._lost = 0
        self._changed = Condition()
        self._hosts = ("", "")

    @classmethod
    def wrong(cls, options: Mapping[str, str]) -> Iterator[Wrong]:
        """Yield what is wrong with *options*."""
        for option in cls.required:
            if not options.get(option, "").strip():
                yield Wrong(option, f"{option} is missing", f'write {option}="..." into the brackets')
        for option in cls.secrets:
            path = options.get(option, "").removeprefix("file:")
            if path != options.get(option, "") and not Path(path).is_file():
                yield Wrong(option, f"{path} is not there", "a file whose first line is the secret")
        for event in options.get("events", "").replace(",", " ").split():
            if event not in EVENTS:
                yield Wrong("events", f"events asks for {event}", f"some of {', '.join(EVENTS)}")
        for option in ("per_minute", "waiting", "attempts"):
            text = options.get(option, "").strip()
            if text and not (text.isascii() and text.isdigit() and int(text)):
                yield Wrong(option, f"{option} is no number above 0", "a whole number")
        try:
            redaction.parse(options.get("redact", ""))
        except ConfigError as error:
            yield Wrong("redact", f"redact {error.problem.text}: {error.problem.value}", error.problem.remedy)

    def destination(self) -> str:
        """Return what tells the service from others, and is no secret."""
        return self.service

    # What a Python action is asked to do

    def start(self) -> None:
        """Nothing is told of a jail's start."""

    def stop(self) -> None:
        """Wait a little for what is under way."""
        deadline = time.monotonic() + self.patience
        with self._changed:
            while self._waiting and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            waiting = self._waiting
        if waiting:
            self.say(
                "WARNING", f"[{self.jail}] {self.name}: {waiting} reports are still waiting; they end with the daemon"
            )

    def ban(self, info: Info) -> None:
        # Not by an attribute norestored: the end of a ban of an earlier run is news all the same.
        if not (self._told_before and info["restored"]):
            self.tell("ban", info)

    def unban(self, info: Info) -> None:
        self.tell("unban", info)

    def reban(self, info: Info) -> None:
        """Whoever was told of it knows."""

    def reload(self) -> None:
        self.trouble, self._lost = "", 0

    # For those derived from it

    def tell(self, event: str, info: Info) -> None:
        """Have *event* (``ban``, ``unban``) told, if it is among those that option ``events`` names."""
        if event in (self.options.get("events") or self.events).replace(",", " ").split():
            self.submit(self.prepare(event, info), f"{event} of {info['ip']}")

    def prepare(self, event: str, info: Info) -> Callable[[], None]:
        """Return what delivers the news of *event*, and raises TryAgain or Refused. It runs in another thread, later."""
        raise NotImplementedError

    def submit(self, deliver: Callable[[], None], what: str) -> None:
        with self._changed:
            self._waiting += 1
        self._courier.submit(Parcel(deliver, self._delivered, lambda why: self._not_delivered(what, why)))

    def secret(self, option: str) -> str:
        """Return the value of *option*, out of its file where it names one. Raises Refused when that cannot be read."""
        text = self.options.get(option, "").strip()
        if not text.startswith("file:"):
            return text
        path = Path(text.removeprefix("file:"))
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeError) as error:
            raise Refused(f"{path} cannot be read: {error}") from error
        return lines[0].strip() if lines else ""

    def fill(self, template: str, info: Info, escape: Callable[[str], str] = str) -> str:
        """Return *template* with its tags filled in, each through *escape*; text of the log is redacted as the options say."""
        redact = self.redaction(info)
        groups = info.get("F-*") or {}

        def put(found: re.Match[str]) -> str:
            tag = found[1]
            if tag in ("br", "sp"):
                return "\n" if tag == "br" else " "
            if tag in ("fq-hostname", "sh-hostname"):
                value = self.hostnames()[tag == "sh-hostname"]
            elif tag.startswith("F-") and tag != "F-*":
                value = _text(groups.get(tag[2:].lower().replace("-", "_"), ""))
            elif tag in info and tag != "F-*":
                value = _text(info[tag])
            else:
                return found[0]
            return escape(value if tag in ("ip", "fid") else redact(value))

        return TAG.sub(put, template)

    def redaction(self, info: Info) -> Redaction:
        """Return what takes out of a text about *info* what the options say."""
        if not self.redact:
            return Redaction(self.redact)
        return Redaction(self.redact, offender=str(info["ip"]), users=_users(info), hosts=self.hostnames())

    def hostnames(self) -> tuple[str, str]:
        """Return this host's names, the whole one first."""
        if not self._hosts[0]:
            short = socket.gethostname()
            self._hosts = (socket.getfqdn() or short, short)
        return self._hosts

    def _delivered(self) -> None:
        self.trouble, self._lost = "", 0
        self._one_less()

    def _not_delivered(self, what: str, why: str) -> None:
        self._lost += 1
        self.trouble = f"{self.name}: {self._lost} reports were not delivered: {why}"
        self.say("ERROR", f"[{self.jail}] {self.name}: the {what} was not reported: {why}")
        self._one_less()

    def _one_less(self) -> None:
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()


def must_be_address(id_: str) -> None:
    """Raise Refused for an id that is no address: names of users are nobody's business."""
    if addresses.parse(id_) is None:
        raise Refused("what was banned is no address")


def flag(text: str) -> bool:
    return text.strip().lower() not in _FALSE


def _limits(options: Mapping[str, str], default: Limits) -> Limits:
    given = {name: options[name].strip() for name in Limits._fields if options.get(name, "").strip().isdigit()}
    return default._replace(**{name: max(1, int(text)) for name, text in given.items()})


def _users(info: Info) -> Iterable[str]:
    for name, value in (info.get("F-*") or {}).items():
        if "user" in name:
            yield from (
                (str(each) for each in value) if isinstance(value, (set, frozenset, list, tuple)) else [str(value)]
            )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(sorted(map(str, value))) if isinstance(value, (set, frozenset, list, tuple)) else str(value)
