"""A check of doctor, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tf_lib.errors import TfError


class Warned(TfError):
    """A check that found something missing which the daily run can do without."""


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Found:
    """What a check came to, in words that say what to do."""

    check: str
    outcome: Outcome
    said: str


@dataclass(frozen=True)
class Check:
    """
    One check.

    Attributes
    ----------
    name : str
    look : callable
        Returns what is well; raises `Warned`, or another error where something would go wrong.
    """

    name: str
    look: Callable[[], str]

    def found(self) -> Found:
        """Look, and say what came of it."""
        try:
            return Found(self.name, Outcome.OK, self.look())
        except Warned as error:
            return Found(self.name, Outcome.WARN, str(error))
        except (TfError, OSError) as error:
            return Found(self.name, Outcome.FAIL, str(error))
