"""
The day's result: what the money did since the run before and since the start, and what it cost.

Money that came in or went out is no result: growth is chained from run to run with it taken out
(time-weighted). What nothing explains is not taken out; it is told as an impediment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lib.text.tickers import base_of

SMALLEST_TRANSFER = 1.0
"""In quote units: less than this is rounding, or a rest of a fee."""


@dataclass(frozen=True)
class AccountValue:
    """
    The money at the end of one run.

    Attributes
    ----------
    date : str
    equity : float
    growth : float
        Of one unit since the start, transfers taken out.
    paid_in : float
        What came in less what went out since the start.
    """

    date: str
    equity: float
    growth: float = 1.0
    paid_in: float = 0.0


def after(
    before: AccountValue | None, *, date: str, equity: float, transfer: float
) -> AccountValue:
    """
    Return where the money stands after another run.

    Examples
    --------
    >>> start = AccountValue("2026-03-01", 10_000.0)
    >>> after(start, date="2026-03-02", equity=10_900.0, transfer=1_000.0).growth
    0.99
    """
    if before is None or before.equity <= 0:
        return AccountValue(date, equity)
    growth = before.growth * (equity - transfer) / before.equity
    return AccountValue(date, equity, growth, before.paid_in + transfer)


def transfer_of(cash_change: float, coins_change: float) -> float:
    """
    Return what came in (positive) or went out, of changes that no order of ours explains.

    Coins that only vanish are no transfer that anybody knows of: they stay in the result.

    Parameters
    ----------
    cash_change, coins_change : float
        In quote currency, the coins at their price now.

    Examples
    --------
    >>> transfer_of(1000.0, 0.0), transfer_of(-500.0, 499.5), transfer_of(0.0, -4500.0)
    (1000.0, 0.0, 0.0)
    """
    if coins_change >= 0 or cash_change > 0:
        moved = cash_change + coins_change
        moved = moved if coins_change >= 0 else max(moved, 0.0)
    else:
        moved = cash_change
    return moved if abs(moved) >= SMALLEST_TRANSFER else 0.0


def sale_of(product: str, size: float, price: float, entry: float | None) -> dict[str, Any]:
    """Return what a stop or an emergency exit sold, against what it was bought at."""
    known = entry is not None and entry > 0
    return {
        "product": product,
        "size": size,
        "price": price,
        "entry_price": entry,
        "gain": (price - entry) * size if known and entry is not None else None,
        "return": price / entry - 1.0 if known and entry is not None else None,
    }


# -- in words --------------------------------------------------------------------------------------


def result_in_lines(result: Mapping[str, Any], currency: str = "") -> list[str]:
    """Return a day's result as sentences, the most important first; none where there is none."""
    unit = f" {currency}" if currency else ""
    lines = [_since(result.get("since_previous"), unit, "since the run of")]
    lines.append(_since(result.get("since_start"), unit, "since the start on"))
    sales = result.get("stopped_out") or []
    lines += [_sale(row, unit) for row in sales]
    known = [row["gain"] for row in sales if row.get("gain") is not None]
    if len(sales) > 1 and known:
        lines.append(f"what stops sold comes to {sum(known):+,.2f}{unit} against the entries")
    if result.get("fees"):
        lines.append(f"fees of the day: {result['fees']:,.2f}{unit}")
    moved = result.get("transfer")
    if moved:
        way = "came in" if moved > 0 else "went out"
        lines.append(f"{abs(moved):,.2f}{unit} {way}: taken out of the result")
    return [line for line in lines if line]


def change_in_short(result: Mapping[str, Any]) -> str:
    """Return the change since the run before in a few words, or nothing."""
    since = result.get("since_previous") or {}
    if since.get("change") is None:
        return ""
    return f"{since['change']:+,.2f} ({_percent(since.get('return'))})"


def stopped_out(result: Mapping[str, Any]) -> list[str]:
    """Return the products that stops or emergency exits sold since the run before."""
    return list(dict.fromkeys(str(row["product"]) for row in result.get("stopped_out") or []))


def _since(part: Mapping[str, Any] | None, unit: str, what: str) -> str:
    if not part or part.get("change") is None:
        return ""
    own = f"{part['change']:+,.2f}{unit} ({_percent(part.get('return'))}) {what} {part['date']}"
    others = part.get("benchmarks") or {}
    beside = ", ".join(f"{_NAMES.get(k, k)} {_percent(v)}" for k, v in others.items())
    return f"{own}; in the same days {beside}" if beside else own


_NAMES = {"equal_weight": "the universe at equal weight"}


def _sale(row: Mapping[str, Any], unit: str) -> str:
    by = "sold by its stop" if row.get("by_stop", True) else "sold at the market"
    sold = f"{row['product']} was {by}: {row['size']:.10g} at {row['price']:.10g}"
    if row.get("gain") is None:
        return f"{sold}; what it was bought at is not known"
    entry = f"bought at {row['entry_price']:.10g}"
    return f"{sold}, {entry}: {row['gain']:+,.2f}{unit} ({_percent(row.get('return'))}) before fees"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:+.2f} %"


def change_between(
    now: AccountValue, then: AccountValue, benchmarks: Mapping[str, float]
) -> dict[str, Any]:
    """Return what became of the money between two runs, transfers taken out."""
    return {
        "date": then.date,
        "equity": then.equity,
        "change": now.equity - then.equity - (now.paid_in - then.paid_in),
        "return": now.growth / then.growth - 1.0 if then.growth else None,
        "benchmarks": dict(benchmarks),
    }


def grown(closes: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """
    Return what BTC and the universe at equal weight did between two days, held unchanged.

    Parameters
    ----------
    closes : mapping of ticker to close then and close now
    """
    returns = {t: now / then - 1.0 for t, (then, now) in closes.items() if then > 0}
    found = {ticker: one for ticker, one in sorted(returns.items()) if base_of(ticker) == "BTC"}
    if returns:
        found["equal_weight"] = sum(returns.values()) / len(returns)
    return found


def average_entry(trades: Sequence[tuple[str, float, float]]) -> float | None:
    """
    Return the average price at which what is held was bought, fees aside.

    Parameters
    ----------
    trades : sequence of (side, size, value)
        Filled orders of one product, oldest first, without the sale that is judged.

    Examples
    --------
    >>> average_entry([("BUY", 1.0, 100.0), ("BUY", 1.0, 200.0), ("SELL", 1.0, 170.0)])
    150.0
    """
    units = cost = 0.0
    for side, size, value in trades:
        if side == "BUY":
            units, cost = units + size, cost + value
        elif units > 0:
            left = max(units - size, 0.0)
            units, cost = left, cost * left / units
        if units < 1e-12:
            units = cost = 0.0
    return cost / units if units else None
