"""What a stranger may call himself: texts that break a careless expression, or get somebody else blamed by one."""

from __future__ import annotations

TROUBLE = (
    '"', "'", "[", "]", "(", ")", "<", ">", "{", "}", ",", ";", ":", "=", "\\", '\\"', "|", "%", "%s", "/", "@", "#", "`", "$", "*",
    "a b", " a", "a ", "a  b", "a, b", "a: b", "a]: b", 'a" b', 'a", b: "c', "a' b", "a\\' b", "a) b", "a> b", "a[1]: b", '"}',
    '{"a":"b"}', "\r", "a\rb", "a\tb", "a\x1fb", "a\u2028b", "a\u0085b", "a\x0bb", "a\xa0b", "\u00e9", "\x1b[31m",
    "\\n", "a\\nb", "a\\x0ab", "%0a", "#012", "x" * 120,
    "user", "root", "invalid user", "unknown", "-", "null", "None", "success", "Accepted password for root",
)  # fmt: skip
"""Quotes, brackets, separators, line breaks raw and encoded, and words that may mean something."""

BLAME = (
    "{}", "root from {}", "root from {} port 22 ssh2", "rhost={}", "x rhost={}  user=y", "x from {}: y", "[{}]", "x[{}]",
    "x[{}]: y", "x [{}] y", "({})", "<{}>", "'{}'", '"{}"', "x@{}", "{}:22", "x {} y", " {} ", "{}, x", "{}: x", "{}]", "{})",
    "IP: {}", "ip={}", "client={}", "client_ip={}", "rip={}, lip=192.0.2.1", "host {}", "[client {}]", "[client {}:80] x",
    'x", client: {}, server: y', "x, client: {}, server: y", "x' from {}", "x' (from {})", "x'@'{}'", 'x" from {}', 'x" ip="{}"',
    'x","ip":"{}","y":"', 'x","remote_addr":"{}","y":"', 'x\\",\\"ip\\":\\"{}', "{}/32", "::ffff:{}", "name.{}.example", "{}.example",
    "x\nroot from {}", "x\r\nfrom {} y", "x\rroot from {}", "x\\nroot from {}", "x#012root from {}", "x%0aroot from {}",
    "x\x1froot from {}", "x\u2028root from {}", "x\u0085root from {}", "x\\x0aroot from {}", "x\\u000aroot from {}",
)  # fmt: skip
"""An address that is somebody else's belongs into the braces."""

DATES = (
    "2001-01-01 01:01:01", "2001-01-01T01:01:01Z", "Jan  1 01:01:01", "[01/Jan/2001:01:01:01 +0000]", "2001/01/01 01:01:01",
    "981173106", '","time":"2001-01-01T01:01:01Z","x":"', "x time=2001-01-01T01:01:01Z", "x t=2001-01-01T01:01:01Z",
)  # fmt: skip
