"""Change to action.d: shell commands and Python classes, run as fail2ban runs them, beside the daemon's own work."""
