"""
Candle doubts: the bars that a run did not believe because of the live price, kept for tomorrow.

One small file beside the cached candles. What was not believed once is not believed tomorrow
either (`tf_lib.core.candles.quarantine`), and tomorrow's price says nothing of yesterday's bar.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

from tf_lib.core.model.account import closes_of_text, plain
from tf_lib.store.files import write_json

FILE = "not_believed.json"
Closes = Mapping[str, Mapping[dt.date, float]]


def read_doubts(folder: Path) -> tuple[dict[str, dict[dt.date, float]], str]:
    """Return what is remembered, and what is wrong with the file; a missing one is empty."""
    path = folder / FILE
    try:
        return closes_of_text(json.loads(path.read_text(encoding="utf-8"))), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return {}, (
            f"{path}: cannot be read, so bars that the live price spoke against are judged by "
            f"their own past alone; delete it: {error}"
        )


def remember_doubts(folder: Path, doubts: Closes) -> None:
    """Add closes to what is not believed; written only when something is new."""
    known, _ = read_doubts(folder)
    merged = {t: {**known.get(t, {}), **doubts.get(t, {})} for t in {*known, *doubts}}
    if merged != known:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, plain(merged))
