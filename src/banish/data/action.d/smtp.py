"""The name that configurations made for fail2ban have for the action smtp: see smtp.conf, whose options these are."""

from banish.reporting.smtp import Smtp as Action

__all__ = ["Action"]
