"""
Break-even: at which fee, and at which slippage, what a backtest earned is gone.

Part of research (backtest -> *break-even* -> summary, page). Found by bisection of real backtests,
each with whole lots, thresholds and purchases that the cost itself makes smaller; signals are
computed once. Such results do not fall evenly with cost: what is reported is a crossing between a
cost at which it still earned and one at which it no longer did, both shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tf_lib.core.model.records import Product
from tf_lib.parameters import Config
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest

MOST_RATE = 0.2
"""Of notional: no higher fee or slippage is tried."""
NEAR = 1e-6
"""Of notional, a hundredth of a basis point: how near both sides of the crossing come."""
_FIRST_RATE = 1e-4

FEE, SLIPPAGE = "fee", "slippage"


@dataclass(frozen=True)
class Tried:
    """A rate, a fraction of notional, and the yearly growth a backtest made of it."""

    rate: float
    cagr: float


@dataclass(frozen=True)
class BreakEven:
    """
    Where growth turns into loss as one cost rises and all else stays.

    Attributes
    ----------
    cost : str
        ``fee``: the taker's, the maker's in proportion; or ``slippage``.
    configured : Tried
    earns, loses : Tried or None
        The two sides of the crossing; None where there is none: it loses at no cost at all, or
        earns at every rate up to `MOST_RATE`.
    n_backtests : int
    """

    cost: str
    configured: Tried
    earns: Tried | None
    loses: Tried | None
    n_backtests: int

    @property
    def rate(self) -> float | None:
        """The highest rate that was seen to earn; None without a crossing."""
        return self.earns.rate if self.earns and self.loses else None

    @property
    def multiple(self) -> float | None:
        """Of the configured rate."""
        if self.rate is None or self.configured.rate <= 0.0:
            return None
        return self.rate / self.configured.rate

    @property
    def words(self) -> str:
        """One sentence."""
        now = f"configured {self.configured.rate:.3%}, {self.configured.cagr:.1%} a year"
        if self.rate is None and self.loses is not None:
            return f"no {self.cost} is low enough: it loses at none, too ({now})"
        if self.rate is None:
            return f"no {self.cost} up to {MOST_RATE:.0%} takes it all ({now})"
        times = "" if self.multiple is None else f", {self.multiple:.2f} times what is configured"
        return f"{self.cost} of {self.rate:.3%} a trade takes it all{times} ({now})"

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            **asdict(self),
            "rate": self.rate,
            "multiple": self.multiple,
            "is": self.words,
        }


def break_even(
    result: BacktestResult, products: Mapping[str, Product] | None, cost: str
) -> BreakEven:
    """
    Find the cost at which a backtest's yearly growth is gone.

    Parameters
    ----------
    result : BacktestResult
        With the configured costs; its signals and days are used again.
    products : mapping of ticker to Product, optional
        As the backtest had them.
    cost : str
        `FEE` or `SLIPPAGE`.
    """
    costs = result.config.execution_and_costs
    tried: list[Tried] = []

    def growth(rate: float) -> Tried:
        config = with_cost(result.config, cost, rate)
        found = Tried(rate, rerun(result, config, products).metrics["cagr"])
        tried.append(found)
        return found

    rate = costs.taker_fee if cost == FEE else costs.transaction_cost_est
    now = Tried(rate, result.metrics["cagr"])
    earns, loses = _sides(now, growth)
    if earns is not None and loses is not None:
        while loses.rate - earns.rate > NEAR:
            middle = growth((earns.rate + loses.rate) / 2.0)
            earns, loses = (middle, loses) if middle.cagr > 0.0 else (earns, middle)
    return BreakEven(cost, now, earns, loses, len(tried))


def _sides(now: Tried, growth: Callable[[float], Tried]) -> tuple[Tried | None, Tried | None]:
    """Return a rate that earns and a higher one that does not, as near to now as doubling finds."""
    if not now.cagr > 0.0:
        none = now if now.rate == 0.0 else growth(0.0)
        return (none, now) if none.cagr > 0.0 else (None, none)
    earns = now
    while earns.rate < MOST_RATE:
        higher = growth(min(max(2.0 * earns.rate, _FIRST_RATE), MOST_RATE))
        if not higher.cagr > 0.0:
            return earns, higher
        earns = higher
    return earns, None


def with_cost(config: Config, cost: str, rate: float) -> Config:
    """Return parameters with one cost changed: slippage, or both fees in their proportion."""
    costs = config.execution_and_costs
    if cost == SLIPPAGE:
        changed: dict[str, float] = {"transaction_cost_est": rate}
    else:
        ratio = costs.maker_fee / costs.taker_fee if costs.taker_fee > 0.0 else 1.0
        changed = {"taker_fee": rate, "maker_fee": rate * ratio}
    return config.model_copy(update={"execution_and_costs": costs.model_copy(update=changed)})


def rerun(
    result: BacktestResult, config: Config, products: Mapping[str, Product] | None
) -> BacktestResult:
    """Run the same days on the same signals with other costs or another capital."""
    start, end = result.wanted
    return backtest(
        result.history.bars,
        config,
        products=products,
        start=start,
        end=end,
        precomputed=result.history,
    )
