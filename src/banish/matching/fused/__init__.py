"""A filter and a date template as one expression, run over a whole buffer by the system's PCRE2: the way of logs full of attacks.

Nothing depends on this room. It says "not this filter", "not this line" or "no such library" as a value, and then the plain
expressions of ``filter``, which it must always agree with, do the work.
"""
