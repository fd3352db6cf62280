"""
Page facts: what the notebook shows of a run besides its steps.

While the run goes on it is made from its folder so far; of a run that is over it is read from the
daily summary, which is what its mail said too.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from tf_lib.app.record.day_record import DayRecord
from tf_lib.app.record.equity_record import SPOILT, result_of
from tf_lib.app.record.impediment_rows import impediments_of
from tf_lib.app.record.results import content_of
from tf_lib.app.record.summary import accounts_equity
from tf_lib.core.model.run_rows import summary_file
from tf_lib.exchange.clock import wall_now
from tf_lib.safety.session_file import SESSION_FILE
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.run_folder import RunFolder


def told_so_far(folder: RunFolder, day: dt.date) -> dict[str, Any]:
    """Return what stands in the way of a run that is going on, and what it did to the money."""
    state = Path(folder.read_json(SESSION_FILE)["state"])
    found = impediments_of(DayRecord.of(folder), state, day)
    ledger = Ledger(state / LEDGER_FILE, wall_now)
    try:
        result = result_of(folder, state, ledger.state, day, accounts_equity(folder))
    except SPOILT:
        result = {}  # the finish says so; a page that lacks a line is better than none
    return {"impediments": [one.to_mapping() for one in found], "result": result}


def told_then(folder: RunFolder, day: dt.date) -> dict[str, Any]:
    """Return the same of a run that is over; nothing where it left no summary."""
    summary = content_of(folder, summary_file(day))
    return {
        "impediments": summary.get("impediments", []),
        "result": summary.get("result", {}),
    }
