"""What costs a result would bear, and what money: asked for by a command, told everywhere alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tf_lib.core.model.records import Product
from tf_lib.research.backtest.history import Candles
from tf_lib.research.backtest.run_backtest import BacktestResult
from tf_lib.research.costs.break_even import FEE, SLIPPAGE, BreakEven, break_even
from tf_lib.research.costs.capacity import Capacity, capacities, capacity_words

if TYPE_CHECKING:
    from tf_lib.pages.research.cost_tables import CostPage


@dataclass(frozen=True)
class CostQuestions:
    """Which of the two questions are asked of a result."""

    break_even: bool = False
    capacity: bool = False


@dataclass(frozen=True)
class CostLimits:
    """The answers; empty where nothing was asked."""

    break_even: Sequence[BreakEven] = ()
    capacity: Sequence[Capacity] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Return what summary.json gets; nothing where nothing was asked."""
        found: dict[str, Any] = {}
        if self.break_even:
            found["break_even"] = {one.cost: one.to_mapping() for one in self.break_even}
        if self.capacity:
            rows = [one.to_mapping() for one in self.capacity]
            found["capacity"] = {"by_capital": rows, "note": capacity_words(self.capacity)}
        return found

    @property
    def lines(self) -> list[str]:
        """Return what the terminal shows."""
        said = [f"break-even: {one.words}" for one in self.break_even]
        if self.capacity:
            said.append(
                "capacity:      capital   CAGR  Sharpe  fills  not bought  share of the day's "
                "volume: median, 95 %, most"
            )
            said += [_capacity_line(one) for one in self.capacity]
            said.append(capacity_words(self.capacity))
        return said

    def page(self) -> CostPage:
        """Return what a page shows."""
        from tf_lib.pages.research.cost_tables import CostPage

        mapping = self.to_mapping()
        capacity = mapping.get("capacity", {})
        return CostPage(
            list(mapping.get("break_even", {}).values()),
            capacity.get("by_capital", []),
            capacity.get("note", ""),
        )


def _capacity_line(one: Capacity) -> str:
    shares = ", ".join(f"{s:.2%}" for s in (one.share_median, one.share_95, one.share_most))
    return (
        f"{one.capital:>22,.0f} {one.cagr:>6.1%} {one.sharpe:>7.2f} {one.trades:>6} "
        f"{one.not_bought:>11}  {shares}"
    )


def cost_limits(
    result: BacktestResult,
    market: tuple[Candles, Mapping[str, Product] | None],
    asked: CostQuestions,
) -> CostLimits:
    """
    Answer what is asked of a backtest.

    Parameters
    ----------
    result : BacktestResult
    market : (candles, products)
        As the backtest had them.
    asked : CostQuestions
    """
    candles, products = market
    costs = (FEE, SLIPPAGE) if asked.break_even else ()
    return CostLimits(
        tuple(break_even(result, products, cost) for cost in costs),
        tuple(capacities(result, products, candles)) if asked.capacity else (),
    )
