"""
The folder of a result: whether it can be written, and whether it holds another result.

Asked before anything is computed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path

from tf_lib.errors import ParameterError
from tf_lib.parameters import Config
from tf_lib.store.candle_csv import intraday_files
from tf_lib.store.files import file_sha256

SUMMARY = "summary.json"
TRIALS = "trials.jsonl"
PARTS = "parts"


def asked(config: Config, candles_dir: Path, start: dt.date | None, end: dt.date | None) -> str:
    """Return a digest of what a backtest is asked: parameters, span and candle files."""
    files = [candles_dir / f"{ticker}.csv" for ticker in config.universe.sorted_tickers]
    files += intraday_files(candles_dir, config.universe.sorted_tickers)
    named = config.exchange.products
    files += [Path(named)] if named else []
    content = {
        "config": config.to_mapping(),
        "span": [str(start), str(end)],
        "files": [file_sha256(file) if file.is_file() else "" for file in files],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_of_a_sweep(out_dir: Path) -> bool:
    """Whether sweeps work in a folder, also where their list of trials was lost."""
    return (out_dir / TRIALS).exists() or (out_dir / PARTS).is_dir()


def check_result_folder(out_dir: Path, asked_for: str, *, may_overwrite: bool) -> None:
    """
    See that the folder of a backtest's result can be written and nothing else is lost in it.

    Raises
    ------
    ParameterError
        If it cannot be written, or holds the result of something else.
    """
    _check_writable(out_dir)
    if _is_of_a_sweep(out_dir):
        raise ParameterError(
            f"--out {out_dir}: is the folder of a sweep. Nothing was computed; name another one."
        )
    summary = out_dir / SUMMARY
    if not summary.exists() or may_overwrite:
        return
    try:
        there = json.loads(summary.read_text(encoding="utf-8")).get("asked_for")
    except (OSError, ValueError, AttributeError):
        there = None
    if there != asked_for:
        raise ParameterError(
            f"--out {out_dir}: holds another result, of other parameters, days or candles. Nothing "
            "was computed or changed; name another folder, or say --overwrite."
        )


def check_research_folder(out_dir: Path) -> None:
    """
    See that the research folder of a sweep can be written; earlier sweeps may stand in it.

    Raises
    ------
    ParameterError
        If it cannot be written, or holds the result of a backtest.
    """
    _check_writable(out_dir)
    if (out_dir / SUMMARY).exists() and not _is_of_a_sweep(out_dir):
        raise ParameterError(
            f"--out {out_dir}: holds a result that is none of a sweep. Nothing was computed; name "
            "another folder."
        )


def _check_writable(out_dir: Path) -> None:
    """Prove that a folder can be made and written, and leave what was there as it was."""
    missing = [each for each in (out_dir, *out_dir.parents) if not each.exists()]
    probe = out_dir / ".writable"
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
        for each in missing:
            each.rmdir()
    except OSError as error:
        raise ParameterError(
            f"--out {out_dir}: cannot be written ({error.strerror}). Nothing was computed."
        ) from error
