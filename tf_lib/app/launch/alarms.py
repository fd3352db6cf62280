"""
Alarms: what somebody must hear of, once for as long as it is so.

An alarm is known by its key, which holds no clock, no price and no count; its text may. A state
that ends and comes back is a new alarm, and one that could not be mailed is tried again
(docs/execution.md section 14).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lib.app.record.summary import bad_news
from tf_lib.core.model.run_rows import DailySummary, StopRow
from tf_lib.errors import EXIT_UNPROTECTED
from tf_lib.exchange.clock import wall_now
from tf_lib.notify.mail_file import mail_environment
from tf_lib.parameters import Config
from tf_lib.store.files import last_json_line, write_json
from tf_lib.store.ledger import Ledger

ALARMS_FILE = "guard_alarms.json"
GUARD_LOG = "guard.jsonl"
SILENT_AFTER = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Alarm:
    """
    One state that somebody must hear of.

    Attributes
    ----------
    key : str
        What makes it the same one tomorrow: kind and subject.
    text : str
        What a person reads.
    """

    key: str
    text: str

    @property
    def is_unprotected(self) -> bool:
        """Whether it says that something is without its stop."""
        return is_unprotected(self.key)


_UNPROTECTED = "unprotected:"


def is_unprotected(key: str) -> bool:
    """Whether an alarm's key says that something is without its stop."""
    return key.startswith(_UNPROTECTED)


_RUN = "run:"


def run_key(summary: DailySummary) -> str:
    """
    Return the key of the mail about a start that ended badly.

    Cron starts a day five times: what fails for the same cause each time is one mail. The cause is
    the words of the first error; its clocks, prices and counts are left out.
    """
    errors = [e for e in summary["errors"] if e.get("severity") == "error"]
    words = re.sub(r"[\d.,:]+", "", str(errors[0].get("message", ""))) if errors else ""
    cause = hashlib.sha256(words.encode()).hexdigest()[:12]
    return f"{_RUN}{summary['date']}:{summary['exit_code']}:{cause}"


def is_told_by_run(key: str) -> bool:
    """Whether an alarm is a run's own, which whoever looks meanwhile cannot judge."""
    return key.startswith(_RUN)


def unprotected_alarms(rows: list[StopRow]) -> list[Alarm]:
    """Return an alarm for each position that has no stop."""
    return [
        Alarm(
            f"{_UNPROTECTED}{row['product']}", f"not protected: {row['product']}: {row['reason']}"
        )
        for row in rows
        if row["status"] == "failed"
    ]


def closed_alarms(rows: list[StopRow]) -> list[Alarm]:
    """Return an alarm for each position whose product takes no orders: it cannot be sold."""
    return [
        Alarm(
            f"closed:{row['product']}",
            f"{row['product']} is held and takes no orders: {row['closed']}",
        )
        for row in rows
        if row.get("closed")
    ]


def unsettled_alarms(ledger: Ledger) -> list[Alarm]:
    """Return an alarm for each own order, no stop, whose end is not known."""
    return [
        Alarm(f"unsettled:{order['client_id']}", f"own order unsettled: {order}")
        for order in unsettled(ledger)
    ]


def unsettled(ledger: Ledger) -> list[dict[str, Any]]:
    """Return own orders that are no stops and whose end is not known."""
    return [
        {"client_id": order.client_id, "product": order.product_id, "stage": str(order.stage)}
        for order in ledger.state.live_orders()
        if not order.key.leg.is_stop
    ]


def guard_silence(state: Path, now: dt.datetime) -> str:
    """Return a warning when a guard that once ran has stopped reporting, or nothing."""
    line = last_json_line(state / GUARD_LOG)
    if line is None:
        return ""
    last = dt.datetime.fromisoformat(line["at"])
    if now - last <= SILENT_AFTER:
        return ""
    return f"the guard has not reported since {last:%Y-%m-%d %H:%M} UTC; check its cron line"


@dataclass
class ToldAlarms:
    """
    Which alarms were told, in a profile's state folder.

    Parameters
    ----------
    profile : str
    config : Config
    state : Path
    log : callable
        Hears what became of a mail.
    """

    profile: str
    config: Config
    state: Path
    log: Callable[[list[str]], None] = lambda results: None

    def tell(
        self, alarms: Sequence[Alarm], *, still_holds: Callable[[str], bool] = lambda key: False
    ) -> None:
        """
        Mail the alarms if one of them is new, and forget those that are over.

        Parameters
        ----------
        still_holds : callable
            Of an alarm that was told and is not among these: whether this look could not know.
        """
        told = self._told()
        keys = {alarm.key for alarm in alarms}
        kept = {key for key in told if key in keys or still_holds(key)}
        if keys - kept and self._is_mailed(alarms, kept):
            kept |= keys
        if kept != told:
            self._keep(kept)

    def was_told(self, key: str) -> bool:
        """Whether somebody has heard of it."""
        return key in self._told()

    def note_told(self, key: str) -> None:
        """Write down that somebody has; what a run told on days before is over."""
        today = ":".join(key.split(":")[:2])
        known = self._told()
        self._keep({key, *(k for k in known if not is_told_by_run(k) or k.startswith(today))})

    def _keep(self, told: set[str]) -> None:
        write_json(self.state / ALARMS_FILE, {"told": sorted(told)})

    def _told(self) -> set[str]:
        try:
            content = json.loads((self.state / ALARMS_FILE).read_text(encoding="utf-8"))
            return {str(key) for key in content["told"]}
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def _is_mailed(self, alarms: Sequence[Alarm], told: set[str]) -> bool:
        """Mail what is new, and then what still holds; whether nobody has to try again."""
        if not self.config.notifications.email:
            return True
        from tf_lib.notify.send import send_summary

        newest_first = sorted(alarms, key=lambda one: one.key in told)
        ended = ("alarm", EXIT_UNPROTECTED)
        texts = [alarm.text for alarm in newest_first]
        summary = bad_news(wall_now().date(), self.profile, ended, texts)
        prefix = self.config.notifications.subject_prefix
        results = send_summary(summary, mail_environment(os.environ), prefix=prefix)
        self.log([str(result) for result in results])
        outcomes = {result["result"] for result in results}
        return "sent" in outcomes or "failed" not in outcomes
