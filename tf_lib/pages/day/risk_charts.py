"""Risk charts: weights, sleeves, volatility and stops of one day, each a single glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tf_lib.core.decision import Decision
from tf_lib.core.model.run_rows import StopRow
from tf_lib.pages import colours, words
from tf_lib.pages.day.focus import DUST
from tf_lib.pages.day.stop_rows import StopLine, stop_lines
from tf_lib.pages.style import (
    Chart,
    legend_above,
    name_rows,
    say_nothing_there,
    styled,
    write_in_cells,
)

_ROW_INCHES = 0.23
_AROUND_INCHES = 0.75
_NOTABLE_SHARE = 0.05


@styled
def weights(decision: Decision) -> Chart:
    """Draw each ticker's way from what is held to what is wanted, as shares of deployable money."""
    trades, sizing = decision.trades, decision.sizing
    deployable = trades.deployable
    rows = [j for j in range(len(sizing.tickers)) if _has_weight(decision, j)]
    chart = Chart(_weights_title(decision), _ROW_INCHES * max(len(rows), 2) + _AROUND_INCHES)
    (axes,) = chart.panels(left=0.85, right=0.75, below=0.48)
    if not rows or not deployable > 0:
        say_nothing_there(axes, "nothing is held and nothing is wanted")
        return chart
    held = 100 * trades.current_notional[rows] / deployable
    wanted = 100 * sizing.target_weight[rows]
    traded = held + 100 * trades.trade_notional[rows] / deployable
    y = np.arange(len(rows))
    axes.hlines(y, held, traded, color=colours.PALE, linewidth=3.0, zorder=2)
    axes.plot(held, y, "o", color="white", markeredgecolor=colours.GREY, ms=6, label="held before")
    axes.plot(traded, y, "o", color=colours.BLUE, ms=5, label="after the trades planned")
    axes.plot(wanted, y, "|", color=colours.INK, ms=11, mew=1.6, label="target")
    if np.isfinite(sizing.cap_value):
        axes.axvline(
            100 * sizing.cap_value,
            color=colours.RED,
            linewidth=0.9,
            linestyle=(0, (3, 2)),
            label="cap",
        )
    amounts = trades.trade_notional[rows]
    said = [words.money(amount, signed=True) if amount else "no trade" for amount in amounts]
    name_rows(axes, [sizing.tickers[j] for j in rows], said)
    axes.set_xlim(left=min(0.0, float(axes.get_xlim()[0])) if held.max() else -1.0)
    axes.set_xlabel("% of deployable money (equity less the cash buffer)")
    legend_above(axes)
    return chart


def _has_weight(decision: Decision, j: int) -> bool:
    trades = decision.trades
    size = max(trades.target_notional[j], trades.current_notional[j])
    return bool(size > DUST or trades.trade_notional[j] != 0)


def _weights_title(decision: Decision) -> str:
    trade = decision.trades.trade_notional
    bought, sold = float(trade[trade > 0].sum()), -float(trade[trade < 0].sum())
    gross = decision.sizing.gross_post_cap
    wanted = f"Wanted: {words.percent(gross, digits=0)} of deployable money invested"
    if not bought and not sold:
        share = words.percent(_held_share(decision), digits=0)
        return f"{wanted}, {share} is held; {_why_no_trade(decision)}"
    amounts = [(bought, "to buy"), (sold, "to sell")]
    todo = " and ".join(f"{words.money(amount)} {verb}" for amount, verb in amounts if amount)
    return f"{wanted}; {todo}"


def _why_no_trade(decision: Decision) -> str:
    """Return what keeps the way from what is held to what is wanted from being gone."""
    trades, kept = decision.trades, []
    for reason, target, held in zip(
        trades.reasons, trades.target_notional, trades.current_notional, strict=True
    ):
        if abs(target - held) > DUST:
            kept.append(words.SHORT_REASONS.get(reason, reason.replace("_", " ")))
    if not kept:
        return "they agree, so nothing is traded"
    counts = [f"{words.counted(n, 'ticker')} {why}" for why, n in Counter(kept).most_common()]
    return f"nothing is traded ({', '.join(counts)})"


@styled
def sleeve_risk(decision: Decision) -> Chart:
    """Draw each sleeve's share of portfolio risk against its budget."""
    sizing = decision.sizing
    count = len(sizing.sleeves)
    active = sizing.sleeve_budget > 0
    title = "No sleeve has a signal: no risk is taken"
    if active.any():
        error = words.percent(sizing.share_error, digits=2)
        title = f"Each active sleeve carries its budget of risk (largest difference {error})"
        idle = [s for s, on in zip(sizing.sleeves, active, strict=True) if not on]
        if idle:
            title += f"; without a signal: {words.listed(idle)}"
    chart = Chart(title, 0.34 * count + _AROUND_INCHES)
    (axes,) = chart.panels(left=1.0, right=0.75, below=0.48)
    y = np.arange(count)
    share, budget = 100 * sizing.risk_share, 100 * sizing.sleeve_budget
    configured = [100 * decision.config.universe.sleeves[s].weight for s in sizing.sleeves]
    axes.barh(y, np.nan_to_num(share), height=0.5, color=colours.SKY, label="share of risk")
    axes.plot(
        configured, y, "|", color=colours.PALE, ms=15, mew=2, label="budget in the parameters"
    )
    axes.plot(budget, y, "|", color=colours.INK, ms=15, mew=2, label="budget among active sleeves")
    pairs = zip(share, active, strict=True)
    said = [words.percent(part / 100) if on else "no signal" for part, on in pairs]
    name_rows(axes, sizing.sleeves, said)
    axes.set_xlim(0, max(100.0, float(np.nanmax(budget, initial=0.0)) + 2))
    axes.set_xlabel("% of portfolio variance, before the cap")
    legend_above(axes)
    return chart


@styled
def volatility(decision: Decision) -> Chart:
    """Draw expected volatility before and after the cap against the target, per year."""
    sizing = decision.sizing
    per_year = 100 * np.sqrt(decision.config.run.annual_trading_days)
    target = per_year * sizing.target_daily_volatility
    values = per_year * np.array(
        [
            sizing.unit_portfolio_volatility,
            sizing.daily_volatility_pre_cap,
            sizing.daily_volatility_post_cap,
        ]
    )
    chart = Chart(_volatility_title(decision, values[2], target), 0.3 * 3 + _AROUND_INCHES)
    (axes,) = chart.panels(left=1.3, right=0.75, below=0.48)
    axes.barh(
        range(3), np.nan_to_num(values), height=0.5, color=[colours.PALE, colours.SKY, colours.BLUE]
    )
    axes.axvline(target, color=colours.RED, linewidth=1.2, linestyle=(0, (3, 2)), label="target")
    names = ("target mix, all money in it", "before the cap", "after the cap")
    name_rows(axes, names, [words.percent(value / 100) for value in values])
    axes.set_xlim(0, 1.08 * max(target, float(np.nanmax(values, initial=0.0))))
    axes.set_xlabel("% a year, from the covariance of the last days")
    legend_above(axes)
    return chart


def _volatility_title(decision: Decision, after: float, target: float) -> str:
    sizing = decision.sizing
    if not sizing.gross_post_cap > 0:
        return "Nothing is wanted, so no volatility is expected"
    title = (
        f"Expected volatility of what is wanted {words.percent(after / 100, digits=0)} a year, "
        f"target {words.percent(target / 100, digits=0)}"
    )
    cap = words.percent(sizing.cap_value, digits=0)
    why = []
    if sizing.gross_target >= 1.0 and after < target:
        why.append("more is not to be had without leverage")
    if sizing.cap_binding:
        why.append(f"the cap of {cap} per name binds")
    else:
        why.append(f"the cap of {cap} per name does not bind")
    if sizing.cap_leftover_gross > 1e-9:
        why.append(f"{words.percent(sizing.cap_leftover_gross, digits=0)} stays cash for it")
    share = _held_share(decision)
    if share < sizing.gross_post_cap - _NOTABLE_SHARE:
        why.append(f"only {words.percent(share, digits=0)} is held after the trades planned")
    return f"{title}: {', '.join(why)}"


def _held_share(decision: Decision) -> float:
    """Return what is held after the trades planned, as a share of deployable money."""
    trades = decision.trades
    held = float((trades.current_notional + trades.trade_notional).sum())
    return held / trades.deployable if trades.deployable > 0 else 0.0


@styled
def stops(rows: Sequence[StopRow], *, bare_seconds: Mapping[str, float] | None = None) -> Chart:
    """
    Draw how far below its price each position's stop rests.

    Parameters
    ----------
    rows : rows of `stop_updates`
        The last word on each product.
    bare_seconds : mapping of ticker to seconds, optional
        How long each position was without its stop today.
    """
    lines = stop_lines(rows, bare_seconds or {})
    chart = Chart(_stops_title(lines), _ROW_INCHES * max(len(lines), 2) + _AROUND_INCHES)
    (axes,) = chart.panels(left=0.85, right=1.35, below=0.48)
    if not lines:
        say_nothing_there(axes, "nothing is held")
        return chart
    y = np.arange(len(lines))
    distance = np.array([100 * line.distance for line in lines])
    limit = np.array([100 * line.limit_distance for line in lines])
    shades = [colours.GREEN if line.is_protected else colours.RED for line in lines]
    axes.barh(y, np.nan_to_num(distance), height=0.5, color=shades, alpha=0.75)
    axes.plot(distance, y, "|", color=colours.INK, ms=11, mew=2, label="stop")
    axes.plot(limit, y, "|", color=colours.ORANGE, ms=11, mew=2, label="limit")
    said = [colours.GREY if line.is_protected else colours.RED for line in lines]
    name_rows(axes, [line.product for line in lines], [line.remark for line in lines], said)
    most = float(np.nanmax(np.concatenate([distance, limit, [1.0]])))
    axes.set_xlim(0, 1.06 * most)
    axes.set_xlabel("% below the last price")
    legend_above(axes)
    return chart


def _stops_title(lines: list[StopLine]) -> str:
    if not lines:
        return "Nothing is held, so no stop is needed"
    exposed = [line.product for line in lines if line.is_known and not line.is_protected]
    unknown = [line.product for line in lines if not line.is_known]
    if exposed or unknown:
        said = [f"{words.listed(exposed)}: NOT under a stop of the right size"] if exposed else []
        said += [f"{words.listed(unknown)}: the holding is not known"] if unknown else []
        return "; ".join(said)
    known = [line for line in lines if np.isfinite(line.distance)]
    near = min(known, default=None, key=lambda line: line.distance)
    where = f"{words.percent(near.distance)} below the price" if near else "at an unknown distance"
    if len(lines) == 1:
        return f"{lines[0].product}, the only position, is under its stop, {where}"
    title = f"All {len(lines)} positions are under stops"
    return f"{title}; the nearest is {where} ({near.product})" if near else title


@styled
def correlation(decision: Decision) -> Chart:
    """Draw how the tickers moved together, from the covariance that the sizing used."""
    tickers, matrix = decision.sizing.tickers, decision.covariance
    spread = np.sqrt(np.diag(matrix))
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = matrix / np.outer(spread, spread)
    pairs = shown[np.triu_indices(len(tickers), k=1)]
    known = pairs[np.isfinite(pairs)]
    mean = f"{known.mean():.2f}" if known.size else words.UNDEFINED
    chart = Chart(f"Mean correlation of two tickers {mean}", 0.36 * len(tickers) + 0.9)
    (axes,) = chart.panels(left=0.85, right=0.3, below=0.85)
    axes.imshow(shown, cmap="RdBu", vmin=-1.0, vmax=1.0, aspect="auto")
    write_in_cells(axes, shown, ".2f", np.abs(shown) > 0.6)
    axes.set_xticks(range(len(tickers)), list(tickers), rotation=60, ha="right")
    axes.set_yticks(range(len(tickers)), list(tickers))
    axes.grid(visible=False)
    return chart
