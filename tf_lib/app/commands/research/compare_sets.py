"""The ``compare-sets`` command: whether one set of a sweep is better than another."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path

from tf_lib.app.commands.results.returns_table import read_returns
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.research.inference.bootstrap import (
    Band,
    Resampling,
    Statistic,
    annual_growth,
    annual_mean,
    annual_sharpe,
    bootstrap_difference,
)
from tf_lib.research.sweep.selection import BLOCK_DAYS
from tf_lib.store.files import write_json

BEST = "best"
N_SAMPLES = 5000


def compare_sets_command(folder: Path, first: str, second: str) -> int:
    """
    Hold two sets of a research folder against each other, day by day.

    Parameters
    ----------
    folder : Path
        With returns.parquet and summary.json of a sweep; gets comparison_A_B.json.
    first, second : str
        Numbers of sets as in results.csv, or ``best``.

    Raises
    ------
    ParameterError
    """
    numbers = [_number(folder, given) for given in (first, second)]
    if numbers[0] == numbers[1]:
        raise ParameterError(f"set {numbers[0]} is to be compared with itself; name two sets")
    (a, b), per_year = read_returns(folder, numbers)
    how = Resampling(block_rows=min(BLOCK_DAYS, a.size / 2), n_samples=N_SAMPLES)
    figures: dict[str, Statistic] = {
        "mean": functools.partial(annual_mean, periods_per_year=per_year),
        "cagr": functools.partial(annual_growth, periods_per_year=per_year),
        "sharpe": functools.partial(annual_sharpe, periods_per_year=per_year),
    }
    bands = {name: bootstrap_difference(a, b, one, how) for name, one in figures.items()}
    record = {
        "sets": numbers,
        "n_days": a.size,
        "block_days": how.block_rows,
        "n_samples": how.n_samples,
        "first_minus_second": {name: _facts(band) for name, band in bands.items()},
    }
    path = folder / f"comparison_{numbers[0]}_{numbers[1]}.json"
    write_json(path, record, durable=False)
    print(compared(numbers, a.size, bands))
    print(f"-> {path}")
    return EXIT_DONE


def _number(folder: Path, given: str) -> int:
    if given.isdecimal():
        return int(given)
    if given != BEST:
        raise ParameterError(
            f"expected the number of a set as in results.csv, or best, got {given!r}"
        )
    path = folder / "summary.json"
    try:
        best = json.loads(path.read_text(encoding="utf-8"))["best"]
        return int(best["set"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"{path}: names no best set of a sweep") from error


def _facts(band: Band) -> dict[str, float | bool]:
    return {**dataclasses.asdict(band), "zero_within": band.low <= 0.0 <= band.high}


def compared(numbers: list[int], n_days: int, bands: Mapping[str, Band]) -> str:
    """Return what the terminal shows."""
    first, second = numbers
    lines = [f"set {first} less set {second}, the same {n_days} days drawn in blocks for both:"]
    words = {"mean": "mean return a year", "cagr": "CAGR", "sharpe": "Sharpe ratio"}
    for name, band in bands.items():
        form = "{:+.2f}" if name == "sharpe" else "{:+.1%}"
        value, low, high = (form.format(one) for one in (band.value, band.low, band.high))
        lines.append(f"  {words[name]:<19} {value:>8}   {band.level:.0%} band {low} to {high}")
    lines.append(_verdict(first, second, bands["sharpe"]))
    lines.append(
        "If one of them was picked because it did well on these days, the band is too kind to it."
    )
    return "\n".join(lines)


def _verdict(first: int, second: int, band: Band) -> str:
    if band.low <= 0.0 <= band.high:
        return (
            f"Zero lies within the band of the Sharpe ratios: these days do not tell set {first} "
            f"from set {second}."
        )
    better, worse = (first, second) if band.low > 0.0 else (second, first)
    return (
        f"Zero lies outside the band of the Sharpe ratios: set {better} did better than set "
        f"{worse} by more than the luck of the days."
    )
