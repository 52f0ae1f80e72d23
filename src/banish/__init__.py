"""banish: watches a server's logs, counts failed logins and probes, and blocks the attacker in the kernel.

Start reading at ``jail.py`` (the heart: what is decided) and ``daemon/pipeline.py`` (the spine: how a log line travels).
"""

__version__ = "0.1.0"
