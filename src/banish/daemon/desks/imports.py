"""The desk for what others leave behind: ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from banish.daemon.desks.desk import Desk

if TYPE_CHECKING:
    from banish.control.handler import Imported


class ImportDesk(Desk):
    """Takes over the bans of others."""

    async def import_(self, file: str) -> Imported:
        """Take over the bans of fail2ban's database."""
        self.at_work()
        return await self.daemon.importing.fail2ban(Path(file), self.daemon.running, self.clock())
