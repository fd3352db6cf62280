"""What a simulated exchange is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lib.core.model.records import Product
from tf_lib.simulator.faults.rules import FaultPlan
from tf_lib.simulator.matching.pricing import FeeTier

if TYPE_CHECKING:
    import pandas as pd

    from tf_lib.core.candles.intraday_bars import IntradayBars
    from tf_lib.simulator.prices.day_bars import DayBars

STRATEGY_TICKERS = (
    "ADA-USD",
    "AVAX-USD",
    "BTC-USD",
    "CRO-USD",
    "ETH-USD",
    "FET-USD",
    "FIL-USD",
    "GRT-USD",
    "ICP-USD",
    "KRL-USD",
    "LINK-USD",
    "OXT-USD",
    "SOL-USD",
    "XTZ-USD",
)


@dataclass(frozen=True)
class SimulatorSettings:
    """
    Settings of one exchange.

    Attributes
    ----------
    candles : mapping of product id to candle frame (or DayBars), or None
        Daily bars to run along; None makes up a market from `seed`.
    intraday : mapping of product id to IntradayBars
        Shorter candles beside the daily ones.
    tickers : tuple of str
        Products of a made-up market.
    products : mapping of product id to Product
        Trading rules; empty means the built-in table. What is in neither gets the tick of its
        candles.
    starting_cash : Decimal
        US dollars in the portfolio when the state is made.
    portfolio_name : str
        Name of the portfolio the key is bound to.
    state_file : Path or None
        SQLite file; key and certificates are kept in a folder beside it. None: memory only.
    log_file : Path or None
        Where every request is written, one JSON line each.
    as_of : date or None
        The clock of a new state begins at 00:01 UTC of this day; None: now. A stored clock goes
        on from where it was.
    seed : int
        Of the made-up market.
    slippage, maker_fee, taker_fee : Decimal
        Fractions of notional.
    fee_tiers : tuple of FeeTier
        Fees by the volume of the last 30 days, instead of `maker_fee` and `taker_fee`.
    price_band : Decimal or None
        How far beyond the last trade (a stop: beyond its stop price) a limit may lie, as a
        fraction; None: any distance.
    depth_usd : Decimal or None
        For how much one order finds another side when it takes; None: for any amount.
    faults : FaultPlan, mapping, path or None
        What goes wrong, see `tf_lib.simulator.faults.rules`.
    step_ms : int
        How far one request moves a clock that stands still.
    running : bool
        Let the clock run with the wall clock.
    port : int
        Port to listen on; 0 takes a free one.
    keeps_log : bool
        Keep the request log in memory, too.
    can_trade, can_transfer : bool
        Rights of the key.
    """

    candles: Mapping[str, pd.DataFrame | DayBars] | None = None
    intraday: Mapping[str, IntradayBars] = field(default_factory=dict)
    tickers: tuple[str, ...] = STRATEGY_TICKERS
    products: Mapping[str, Product] = field(default_factory=dict)
    starting_cash: Decimal = Decimal("15000")
    portfolio_name: str = "Trend Following"
    state_file: Path | None = None
    log_file: Path | None = None
    as_of: dt.date | None = None
    seed: int = 7
    slippage: Decimal = Decimal("0.001")
    maker_fee: Decimal = Decimal("0.006")
    taker_fee: Decimal = Decimal("0.012")
    fee_tiers: tuple[FeeTier, ...] = ()
    price_band: Decimal | None = None
    depth_usd: Decimal | None = None
    faults: FaultPlan | Mapping[str, Any] | Path | str | None = None
    step_ms: int = 20
    running: bool = False
    port: int = 0
    keeps_log: bool = True
    can_trade: bool = True
    can_transfer: bool = False
