"""Speed, side by side with fail2ban in one run: ``make bench``, or ``python -m bench --help``. See docs/benchmarks.md."""
