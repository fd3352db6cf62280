"""
The daily run by papermill, in turn with its floor.

The floor is a papermill run of a notebook that imports pandas, pyplot and the Coinbase SDK and
draws as many figures as the master notebook: what no daily run by papermill can be faster than.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil

from benchmarks.timing import medians_in_turn
from tf_lib.project import ROOT

FIRST_DAY = dt.date(2026, 3, 1)
TIMES = 7
_FIGURE = """\
figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(series)
plt.show()
"""


def measure() -> dict[str, float]:
    """Return seconds of both, the largest process's memory, and the requests of a quiet day."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        runs = folder / "runs"
        days = (FIRST_DAY + dt.timedelta(days=n) for n in range(TIMES + 2))
        _run_day(runs, next(days))
        day = next(days)
        peak = _peak_megabytes(lambda: _run_day(runs, day))
        floor = _floor_notebook(folder, _figures(runs, day))
        ours, least = medians_in_turn(
            lambda: _run_day(runs, next(days)), lambda: _papermill(floor), times=TIMES
        )
        requests = _candle_requests(runs, day)
    return {
        "daily_run_s": ours,
        "papermill_floor_s": least,
        "daily_run_ratio": ours / least,
        "peak_process_mb": peak,
        "candle_requests_per_ticker": requests,
    }


def _run_day(runs: Path, day: dt.date) -> None:
    command = [sys.executable, "-m", "tf_lib", "run", "--profile", "demo"]
    command += ["--date", day.isoformat(), "--runs", str(runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"the run of {day} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )


def _figures(runs: Path, day: dt.date) -> int:
    """Return how many pictures the executed notebook holds."""
    notebook = json.loads((runs / "demo" / day.isoformat() / "daily_run.ipynb").read_text())
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    return sum("image/png" in out.get("data", {}) for out in outputs)


def _floor_notebook(folder: Path, figures: int) -> Path:
    cells = [
        nbformat.v4.new_code_cell(
            "import matplotlib.pyplot as plt\nimport pandas as pd\n"
            "from coinbase.rest import RESTClient\nseries = pd.Series(range(1000)).to_numpy()"
        ),
        *(nbformat.v4.new_code_cell(_FIGURE) for _ in range(figures)),
    ]
    path = folder / "floor.ipynb"
    kernel: dict[str, Any] = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def _papermill(notebook: Path) -> None:
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(notebook)]
    command.append(str(notebook.with_suffix(".out.ipynb")))
    subprocess.run(command, capture_output=True, check=True)


def _peak_megabytes(call: Callable[[], None]) -> float:
    """Return the largest memory of any process that a run starts, in MB."""
    highest, ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal highest
        own = psutil.Process(os.getpid())
        while not ended.is_set():
            for child in own.children(recursive=True):
                try:
                    highest = max(highest, child.memory_info().rss / 1e6)
                except psutil.Error:
                    continue
            time.sleep(0.02)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        call()
    finally:
        ended.set()
        watcher.join()
    return highest


def _candle_requests(runs: Path, day: dt.date) -> float:
    """Return how many candle requests a day with a warm cache made for each ticker."""
    log = (runs / "demo" / "state" / "exchange_requests.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log]
    candles = [
        line["path"]
        for line in lines
        if line["path"].endswith("/candles") and line["exchange_time"][:10] == day.isoformat()
    ]
    return len(candles) / max(len(set(candles)), 1)
