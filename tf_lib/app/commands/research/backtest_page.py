"""The page of a backtest: what the report shows, taken from a result."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tf_lib.app.commands.research.backtest import notes_on
from tf_lib.pages.research.backtest_report import TrackRecord, write_backtest_report
from tf_lib.research.backtest.run_backtest import BacktestResult


def write_result_page(path: Path, result: BacktestResult) -> None:
    """Write the offline report of a backtest."""
    write_backtest_report(path, track_record(result))


def track_record(result: BacktestResult) -> TrackRecord:
    """Return what the report shows of a result."""
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
