"""What ``get`` and ``set`` understand, one row an option; the second half of THE TABLE.

Help, manual, reference, completion and words for people come from here; the daemon has a function for each row
(``daemon.desks.options``), and a test holds the two together. Words, order and replies are those of fail2ban-client, whose scripts
and fingers this serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Says = Literal[
        "value",
        "loglevel",
        "logtarget",
        "syslogsocket",
        "dbfile",
        "dbpurgeage",
        "ignoreip",
        "logpath",
        "logencoding",
        "journalmatch",
        "regexes",
        "datepattern",
        "actions",
        "properties",
        "methods",
        "banip",
    ]


class Option:
    """One row.

    arguments
        What follows the word, in the notation of a usage line.
    says
        How the value is put into words, see `render_options`.
    """

    __slots__ = ("arguments", "help", "says", "word")

    def __init__(self, word: str, arguments: str, help_: str, says: Says = "value") -> None:
        self.word = word
        self.arguments = arguments
        self.help = help_
        self.says = says

    def usage(self, verb: str, *, of_jail: bool) -> str:
        """Return the whole command line, without the program."""
        return " ".join(filter(None, (verb, "JAIL" if of_jail else "", self.word, self.arguments)))


def _rows(*options: Option) -> dict[str, Option]:
    return {option.word: option for option in options}


GET = _rows(
    Option("loglevel", "", "from which level on the log is written", "loglevel"),
    Option("logtarget", "", "where the log goes", "logtarget"),
    Option("syslogsocket", "", "the socket of syslog, for logtarget SYSLOG", "syslogsocket"),
    Option("allowipv6", "", "whether names are resolved to IPv6 addresses"),
    Option("thread", "", "stack size of threads; there are none that it could be set for"),
    Option("dbfile", "", "the database", "dbfile"),
    Option("dbmaxmatches", "", "how many lines are kept in the database for a ban"),
    Option("dbpurgeage", "", "how many seconds an ended ban is remembered", "dbpurgeage"),
)
"""``get OPTION``: of the daemon."""

SET = _rows(
    Option("loglevel", "LEVEL", "CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG, TRACEDEBUG or HEAVYDEBUG", "loglevel"),
    Option("logtarget", "TARGET", "a file, STDOUT, STDERR, SYSOUT, SYSLOG or SYSTEMD-JOURNAL", "logtarget"),
    Option("syslogsocket", "auto|SOCKET", "the socket of syslog, for logtarget SYSLOG", "syslogsocket"),
    Option("allowipv6", "auto|yes|no", "whether names are resolved to IPv6 addresses"),
    Option("thread", "JSON", "accepted for fail2ban's sake, without effect"),
    Option("dbfile", "FILE", "refused while there are jails: start banishd with --state", "dbfile"),
    Option("dbmaxmatches", "NUMBER", "how many lines are kept in the database for a ban"),
    Option("dbpurgeage", "TIME", "how long an ended ban is remembered", "dbpurgeage"),
)
"""``set OPTION VALUE``: of the daemon."""

_BANTIME = (
    ("increment", "true|false", "whether a ban of somebody who comes back lasts longer"),
    ("factor", "NUMBER", "the coefficient of the formula"),
    ("formula", "FORMULA", "how long it lasts, as arithmetic"),
    ("multipliers", "NUMBERS", "how often bantime, in place of the formula"),
    ("maxtime", "TIME", "how long at most"),
    ("rndtime", "TIME", "up to how much longer, by chance"),
    ("overalljails", "true|false", "whether bans of other jails count"),
)

GET_JAIL = _rows(
    Option("idle", "", "whether the jail is idle"),
    Option("banned", "[ADDRESS...]", "what is banned; of addresses, whether they are (1 or 0)"),
    Option(
        "banip", "[SEPARATOR|--with-time]", "what is banned, in the order in which it ends; with time and end", "banip"
    ),
    Option("logpath", "", "the files that are read", "logpath"),
    Option("logencoding", "", "their encoding", "logencoding"),
    Option("logtimezone", "", "the time zone of lines that state none"),
    Option("journalmatch", "", "what is matched in the journal", "journalmatch"),
    Option("datepattern", "", "the formats of dates", "datepattern"),
    Option("maxlines", "", "how many lines are searched together"),
    Option("ignoreself", "", "whether own addresses are ignored"),
    Option("ignoreip", "", "who is ignored", "ignoreip"),
    Option("ignorecommand", "", "the command that is asked who is to be ignored"),
    Option("ignorecache", "", "key, number and seconds of the answers of ignorecommand that are kept"),
    Option("prefregex", "", "the expression that a line must match first"),
    Option("failregex", "", "the expressions of failures, numbered", "regexes"),
    Option("ignoreregex", "", "the expressions of lines to be ignored, numbered", "regexes"),
    Option("usedns", "", "whether names are resolved"),
    Option("findtime", "", "within how many seconds failures count together"),
    Option("maxretry", "", "how many failures lead to a ban"),
    Option("maxmatches", "", "how many lines of an address are kept"),
    Option("bantime", "", "how many seconds a ban lasts; -1 is for ever"),
    *(Option(f"bantime.{name}", "", help_) for name, _, help_ in _BANTIME),
    Option("actions", "", "the actions", "actions"),
    Option("action", "ACTION PROPERTY", "a property of an action"),
    Option("actionproperties", "ACTION", "the properties of an action", "properties"),
    Option("actionmethods", "ACTION", "what an action can be told to do", "methods"),
)
"""``get JAIL OPTION``."""

SET_JAIL = _rows(
    Option("idle", "on|off", "pass over what is written meanwhile"),
    Option("banip", "ADDRESS...", "ban; how many were not banned before"),
    Option("unbanip", "[--report-absent] ADDRESS...", "end bans; how many ended"),
    Option("attempt", "ADDRESS [LINE...]", "count a failure, or one for each line"),
    Option("addlogpath", "FILE [tail|head]", "read one more file, from its head or its tail", "logpath"),
    Option("dellogpath", "FILE", "read a file no longer", "logpath"),
    Option("logencoding", "ENCODING", "the encoding of files; auto goes by the lines", "logencoding"),
    Option("logtimezone", "ZONE", "the time zone of lines that state none"),
    Option("addjournalmatch", "MATCH", "match more of the journal", "journalmatch"),
    Option("deljournalmatch", "MATCH", "match it no longer", "journalmatch"),
    Option("datepattern", "PATTERN", "the format of dates", "datepattern"),
    Option("maxlines", "NUMBER", "how many lines are searched together"),
    Option("ignoreself", "true|false", "whether own addresses are ignored"),
    Option("addignoreip", "ADDRESS...", "ignore more addresses, networks or names", "ignoreip"),
    Option("delignoreip", "ADDRESS...", "ignore them no longer", "ignoreip"),
    Option("ignorecommand", "COMMAND", "the command that is asked who is to be ignored; empty for none"),
    Option("ignorecache", "OPTIONS", 'which of its answers are kept: key="<ip>",max-count=100,max-time=5m'),
    Option("prefregex", "REGEX", "the expression that a line must match first; empty for none"),
    Option("addfailregex", "REGEX", "one more expression of failures", "regexes"),
    Option("delfailregex", "INDEX", "take one away by its number", "regexes"),
    Option("addignoreregex", "REGEX", "one more expression of lines to be ignored", "regexes"),
    Option("delignoreregex", "INDEX", "take one away by its number", "regexes"),
    Option("usedns", "yes|warn|no|raw", "whether names are resolved"),
    Option("findtime", "TIME", "within which time failures count together"),
    Option("maxretry", "NUMBER", "how many failures lead to a ban"),
    Option("maxmatches", "NUMBER", "how many lines of an address are kept"),
    Option("bantime", "TIME", "how long a ban lasts; -1 is for ever"),
    *(Option(f"bantime.{name}", argument, help_) for name, argument, help_ in _BANTIME),
    Option("addaction", "ACTION [FILE.py JSON]", "one more action, without commands or in Python"),
    Option("delaction", "ACTION", "take one away"),
    Option("action", "ACTION PROPERTY VALUE | METHOD [JSON]", "change an action, or have it do something"),
)
"""``set JAIL OPTION VALUE``."""


def find(verb: str, words: list[str]) -> tuple[Option | None, bool]:
    """Return the row that *words* after *verb* (``get``, ``set``) name, None when there is none, and whether it is one of a jail."""
    of_daemon, of_jail = (GET, GET_JAIL) if verb == "get" else (SET, SET_JAIL)
    if words and words[0] in of_daemon:
        return of_daemon[words[0]], False
    return (of_jail.get(words[1]) if len(words) > 1 else None), True
