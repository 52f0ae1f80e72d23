"""What the daemon answers to its clients: every command of THE TABLE, on plain data in and out.

The shapes are a contract (``control.handler``, docs/reference/commands.md); nothing is rendered here. A desk has the methods of some
commands; a new one is a class in ``daemon.desks`` and a base of `Service`.
"""

from __future__ import annotations

from banish.daemon.desks.figures import FiguresDesk
from banish.daemon.desks.house import House
from banish.daemon.desks.imports import ImportDesk
from banish.daemon.desks.inquiry import Inquiry
from banish.daemon.desks.options import OptionDesk
from banish.daemon.desks.status import StatusDesk


class Service(StatusDesk, OptionDesk, Inquiry, FiguresDesk, ImportDesk, House):
    """Carries out commands on a running daemon; see ``control.handler.Control`` for what each takes and returns."""
