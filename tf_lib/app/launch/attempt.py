"""An attempt: one try at a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from tf_lib.store.ledger import Ledger


@dataclass(frozen=True)
class Attempt:
    """
    One try at a day.

    Attributes
    ----------
    epoch : int
        The one in which the launcher began; another one means that somebody took over.
    number : int
        1 for the day's first.
    protect_only : str
        Why it only protects, or empty.
    """

    day: dt.date
    run_dir: Path
    ledger: Ledger
    portfolio_uuid: str
    epoch: int
    number: int = 1
    protect_only: str = ""
    is_dry: bool = False

    @property
    def run_id(self) -> str:
        """The run's name, unique within the profile."""
        return self.run_dir.name if self.is_dry else f"{self.day.isoformat()}-{self.number}"
