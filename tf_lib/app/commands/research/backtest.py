"""The ``backtest`` command: candles to equity, trades, weights, a summary and a page."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tf_lib.app.commands.research.backtest_data import (
    data_facts,
    fact_in_words,
    intraday_days,
    intraday_in_words,
)
from tf_lib.app.commands.research.result_folder import asked, check_result_folder
from tf_lib.app.commands.results.cost_limits import CostLimits, CostQuestions, cost_limits
from tf_lib.core.signals.columns import check_custom
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.parameters import load_config
from tf_lib.parameters.custom_signals import custom_record
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.research.backtest.statistics import short_span_note
from tf_lib.store.candle_csv import products_of, read_intraday, read_universe
from tf_lib.store.files import write_json, write_whole

if TYPE_CHECKING:
    from tf_lib.pages.research.backtest_report import TrackRecord

_QUIET_SECONDS = 1.0
_HEADLINE = (
    "total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown",
    "max_drawdown_days", "turnover", "fees", "exposure", "trades", "stops_hit",
)  # fmt: skip


def backtest_command(
    config_path: Path,
    candles_dir: Path,
    start: dt.date | None,
    end: dt.date | None,
    out_dir: Path,
    *,
    may_overwrite: bool = False,
    costs: CostQuestions | None = None,
) -> int:
    """
    Run one backtest and write its files into a folder.

    Parameters
    ----------
    config_path : Path
        Parameter file; ``exchange.products`` names the trading rules, if any.
    candles_dir : Path
        Candle folder with all of the config's tickers.
    start, end : date or None
        First and last day; None takes ``run.start_date`` and ``run.end_date``.
    out_dir : Path
        Made if it is missing; gets equity.csv, trades.csv, weights.csv, summary.json and
        report.html, each written whole.
    may_overwrite : bool
        Whether another result in that folder may be replaced.
    costs : CostQuestions, optional
        Whether costs at which it is gone, and results of other capitals, are sought as well.

    Raises
    ------
    ParameterError, BarsError
        Naming the file, key, ticker or days.
    """
    config = load_config(config_path)
    if start is not None and end is not None and start > end:
        raise ParameterError(f"--start {start} lies after --end {end}")
    made_of = asked(config, candles_dir, start, end)
    check_result_folder(out_dir, made_of, may_overwrite=may_overwrite)
    candles = read_universe(candles_dir, config.universe)
    products = products_of(config, candles_dir)
    with _progress() as progress:
        result = backtest(
            candles,
            config,
            products=products,
            start=start,
            end=end,
            intraday=read_intraday(candles_dir, config.universe.sorted_tickers),
            progress=progress,
        )
    check_custom(result.history.known, config, slice(*result.span))
    limits = cost_limits(result, (candles, products), costs or CostQuestions())
    write_backtest(result, out_dir, asked_for=made_of, limits=limits)
    _say(result, out_dir, limits)
    return EXIT_DONE


def write_backtest(
    result: BacktestResult,
    out_dir: Path,
    *,
    asked_for: str | None = None,
    limits: CostLimits | None = None,
) -> None:
    """Write the five files of a backtest; `asked_for` is a digest of what was asked."""
    found = limits or CostLimits()
    out_dir.mkdir(parents=True, exist_ok=True)
    _write_csv(out_dir / "equity.csv", _from_the_start(result))
    _write_csv(out_dir / "weights.csv", _dated(result.weights))
    _write_csv(out_dir / "trades.csv", _trades(result))
    summary = summary_of(result) | found.to_mapping()
    summary |= {"asked_for": asked_for} if asked_for else {}
    write_json(out_dir / "summary.json", summary, durable=False)
    # Charts are not paid for by those who import this module for the rest.
    from tf_lib.pages.research.backtest_report import write_backtest_report

    write_backtest_report(out_dir / "report.html", track_record(result), found.page())


def summary_of(result: BacktestResult) -> dict[str, Any]:
    """Return the content of summary.json; undefined numbers are None."""
    equity = result.equity["equity"]
    content: dict[str, Any] = _plain(
        {
            "start": f"{result.days[0]:%Y-%m-%d}",
            "end": f"{result.days[-1]:%Y-%m-%d}",
            "days": len(result.days),
            "tickers": list(result.tickers),
            **custom_record(result.config.signals.custom),
            "initial_capital": result.config.run.initial_capital,
            "final_equity": float(equity.iloc[-1]),
            **result.metrics,
            "notes": notes_on(result),
            "data": data_facts(result),
            "intraday": intraday_days(result),
            "compute_seconds": result.compute_seconds,
            "exit_reasons": {str(k): int(v) for k, v in result.exit_reasons.items()},
            "by_ticker": result.by_ticker.to_dict("index"),
            "by_sleeve": result.by_sleeve.to_dict("index"),
            "monthly": {
                str(year): {str(month): value for month, value in row.items()}
                for year, row in result.monthly.to_dict("index").items()
            },
            "benchmarks": result.reference_metrics,
        }
    )
    return content


def notes_on(result: BacktestResult) -> list[str]:
    """Return what a reader of the numbers must know."""
    note = short_span_note(len(result.days), result.config.run.annual_trading_days)
    shorter = intraday_in_words(result)
    return [
        *([note] if note else []),
        *([shorter] if shorter else []),
        *(fact_in_words(fact) for fact in data_facts(result)),
    ]


def _plain(value: Any) -> Any:
    """Return plain values for JSON; NaN and infinity are None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(result_days(frame.index), axis=0).rename_axis("date").reset_index()


def _from_the_start(result: BacktestResult) -> pd.DataFrame:
    """Return equity per day under a row of the capital on the day before the first."""
    start, capital = result.days[0] - pd.Timedelta(days=1), result.config.run.initial_capital
    first = pd.DataFrame({"equity": [capital], "cash": [capital]}, index=[start], dtype=np.float64)
    return _dated(pd.concat([first, result.equity])[list(result.equity.columns)])


def result_days(index: pd.Index) -> list[str]:
    """Return days as files show them."""
    return list(pd.DatetimeIndex(index).strftime("%Y-%m-%d"))


def _trades(result: BacktestResult) -> pd.DataFrame:
    """Return the fills with sizes as exact decimals."""
    specs, fills = result.state.specs, result.tape.fills
    sizes = [
        format(
            abs(int(fill["lots"]))
            * Decimal(int(specs[fill["ticker"]]["lot_numerator"]))
            / Decimal(int(specs[fill["ticker"]]["lot_denominator"])),
            "f",
        )
        for fill in fills
    ]
    days = result.trades["date"].dt.strftime("%Y-%m-%d")
    return result.trades.assign(size=sizes, date=days)


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    write_whole(path, frame.to_csv(index=False, lineterminator="\n"), durable=False)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Tell of progress on stderr once a second has passed; a quick run says nothing."""
    began = time.monotonic()

    def note() -> None:
        print(
            "backtest: working; the first run after an installation compiles the kernels",
            file=sys.stderr,
            flush=True,
        )

    def tell(done: int, total: int) -> None:
        if time.monotonic() - began > _QUIET_SECONDS:
            print(f"backtest: {done} of {total} days", file=sys.stderr, flush=True)

    timer = threading.Timer(_QUIET_SECONDS, note)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()


def _say(result: BacktestResult, out_dir: Path, limits: CostLimits) -> None:
    shown = {name: result.metrics[name] for name in _HEADLINE}
    figures = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
    print(
        f"{result.days[0]:%Y-%m-%d} to {result.days[-1]:%Y-%m-%d}, {len(result.days)} days, "
        f"{result.compute_seconds:.3f} s\n{figures}\n"
        + "".join(f"note: {note}\n" for note in notes_on(result))
        + "".join(f"{line}\n" for line in limits.lines)
        + f"-> {out_dir}"
    )


# -- the page --------------------------------------------------------------------------------------


def track_record(result: BacktestResult) -> TrackRecord:
    """Return what the report shows of a result."""
    from tf_lib.pages.research.backtest_report import TrackRecord

    config, costs = result.config, result.config.execution_and_costs
    first, last = f"{result.days[0]:%Y-%m-%d}", f"{result.days[-1]:%Y-%m-%d}"
    return TrackRecord(
        title=f"Backtest {first} to {last}",
        summary=(
            f"{len(result.tickers)} tickers, {len(result.days)} days, fees {costs.maker_fee:.2%} "
            f"maker and {costs.taker_fee:.2%} taker, slippage {costs.transaction_cost_est:.2%}, "
            f"whole lots, stops and gaps as the simulated exchange fills them. Computed in "
            f"{result.compute_seconds:.3f} s."
            + "".join(f" Note: {note}." for note in notes_on(result))
        ),
        equity=result.equity,
        metrics=result.metrics,
        references=result.references,
        reference_metrics=result.reference_metrics,
        monthly=result.monthly,
        tickers=result.by_ticker,
        sleeves=result.by_sleeve,
        sleeve_exposure=_sleeve_exposure(result),
        costs=_monthly_costs(result),
        trades=result.trades,
        rolling_window=config.risk_and_sizing.rolling_sharpe_window,
        days_per_year=config.run.annual_trading_days,
    )


def _sleeve_exposure(result: BacktestResult) -> pd.DataFrame:
    """Return the share of equity that each sleeve holds at each close."""
    share = result.holdings.div(result.equity["equity"], axis=0)
    owner = result.config.universe.sleeve_of
    return share.T.groupby(lambda ticker: owner[str(ticker)]).sum().T


def _monthly_costs(result: BacktestResult) -> pd.DataFrame:
    """Return notional and fees per calendar month, every month of the span included."""
    months = pd.DatetimeIndex(result.days).tz_localize(None).to_period("M").unique()
    dates = pd.DatetimeIndex(result.trades["date"]).tz_localize(None).to_period("M")
    sums = result.trades[["notional", "fee"]].groupby(dates).sum().reindex(months, fill_value=0.0)
    sums.index = months.to_timestamp().tz_localize("UTC")
    return sums.set_axis(["traded", "fees"], axis=1)
