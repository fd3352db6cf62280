"""
Memory: what the run folders still know of cooldowns when the ledger is lost.

Fills of stops come back from the exchange; a breach at the gate left no order there. It stands in
the summaries of the last days, and a day whose summary cannot be read counts as one
(docs/execution.md section 10).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.run_rows import summary_file
from tf_lib.parameters import Config
from tf_lib.store.ledger import Ledger
from tf_lib.store.run_folder import ProfileFolder


def recall_cooldowns(
    folder: ProfileFolder, ledger: Ledger, config: Config, day: dt.date
) -> list[str]:
    """
    Write the cooldowns of the last run folders into a ledger that knows no day.

    Returns
    -------
    list of str
        The run folders that were read, or could not be; empty when nothing was lost.
    """
    if ledger.state.marks:
        return []
    length = config.execution_and_costs.cooldown_counter_threshold
    read = []
    for run_day, path in _run_folders(folder):
        if not is_cooling(run_day, day, days=length):
            continue
        read.append(path.name)
        known = _cooldowns_of(path, run_day)
        everything = dict.fromkeys(config.universe.sorted_tickers, run_day)
        for product, start in (everything if known is None else known).items():
            cause = f"{path.name}: {'cannot be read' if known is None else 'its summary'}"
            ledger.append("cooldown", product=product, start=start.isoformat(), cause=cause)
    return read


def _run_folders(folder: ProfileFolder) -> Iterator[tuple[dt.date, Path]]:
    """Yield every run folder with its day, first attempts of a day included."""
    for parent in (folder.path, folder.path / "attempts"):
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            try:
                yield dt.date.fromisoformat(path.name[:10]), path
            except ValueError:
                continue


def _cooldowns_of(path: Path, day: dt.date) -> Mapping[str, dt.date] | None:
    try:
        summary = json.loads((path / summary_file(day)).read_text(encoding="utf-8"))
        found = summary["cooldowns"]
        return {str(product): dt.date.fromisoformat(start) for product, start in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
