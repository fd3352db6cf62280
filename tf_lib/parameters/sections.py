"""
The sections of a parameter file: every key, its type, its bounds and its default.

The keys of a v0.2.0 strategy file are required and load unchanged; keys added since have safe
defaults.
"""

from __future__ import annotations

import difflib
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from tf_lib.errors import ParameterError
from tf_lib.parameters.custom_signals import CustomSignal, Name, check_different, spelled_out
from tf_lib.text.days import day_from
from tf_lib.text.shown import shown
from tf_lib.text.tickers import base_of, quote_of

_WEIGHT_TOLERANCE = 1e-9
_TICKER = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{2,10}")


def _iso_date(value: object) -> object:
    day_from(value)
    return value


def _ticker(value: object) -> object:
    if not isinstance(value, str) or not _TICKER.fullmatch(value):
        raise ValueError("expected a product's id in capitals, as BTC-USD")
    return value


def _money(value: object) -> object:
    """Accept a decimal string or a whole number; a float has already lost the digits."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('expected a decimal in quotes, such as "15000"')
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError('expected a decimal in quotes, such as "15000"') from None
    if not amount.is_finite() or amount < 0:
        raise ValueError("expected a finite amount of at least 0")
    return str(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


IsoDate = Annotated[str, BeforeValidator(_iso_date)]
Money = Annotated[str, BeforeValidator(_money)]
Positive = Annotated[float, Field(gt=0), AfterValidator(_finite)]
NonNegative = Annotated[float, Field(ge=0), AfterValidator(_finite)]
Fraction = Annotated[float, Field(ge=0, le=1), AfterValidator(_finite)]
OpenFraction = Annotated[float, Field(ge=0, lt=1), AfterValidator(_finite)]
Window = Annotated[int, Field(ge=1, le=5000)]
WideWindow = Annotated[int, Field(ge=2, le=5000)]
Ticker = Annotated[str, BeforeValidator(_ticker)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PortfolioSection(_Section):
    """Which Coinbase portfolio the key must be bound to."""

    exchange: str
    name: Annotated[str, Field(min_length=1)]


class RunSection(_Section):
    """Dates, history and capital."""

    start_date: IsoDate
    end_date: IsoDate
    use_specific_start_date: bool
    signal_start_date: IsoDate
    warmup_days: Annotated[int, Field(ge=1, le=5000)]
    long_only: Literal[True]
    annual_trading_days: Annotated[int, Field(ge=1, le=366)]
    initial_capital: Positive

    @model_validator(mode="after")
    def _dates_in_order(self) -> RunSection:
        if self.start_date > self.end_date:
            raise ValueError(f"start_date {self.start_date} is after end_date {self.end_date}")
        return self


class Sleeve(_Section):
    """A share of the portfolio's risk and the tickers that carry it."""

    weight: Fraction
    tickers: Annotated[list[Ticker], Field(min_length=1)]


class Renamed(_Section):
    """What a product became: another one, from a day on, `ratio` new units for an old one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    to: Ticker
    from_: Annotated[IsoDate, Field(alias="from")]
    ratio: Money = "1"

    @model_validator(mode="after")
    def _ratio_is_above_zero(self) -> Renamed:
        if Decimal(self.ratio) <= 0:
            raise ValueError(f"ratio must be above 0, got {self.ratio}")
        return self


class UniverseSection(_Section):
    """Tickers and the sleeves they belong to, each in exactly one."""

    tickers: Annotated[list[Ticker], Field(min_length=1)]
    sleeves: Annotated[dict[str, Sleeve], Field(min_length=1)]
    renamed: dict[Ticker, Renamed] = {}

    @model_validator(mode="after")
    def _renames_lead_somewhere(self) -> UniverseSection:
        for old, one in self.renamed.items():
            if old in self.tickers:
                raise ValueError(f"renamed: {old} is still in tickers; put {one.to} in its place")
            later = self.renamed.get(one.to)
            if later is not None and later.from_ <= one.from_:
                raise ValueError(
                    f"renamed: {old} became {one.to} on {one.from_}, which became {later.to} "
                    f"on {later.from_}, not after it"
                )
            if later is None and one.to not in self.tickers:
                raise ValueError(f"renamed: {old} became {one.to}, which is not in tickers")
        return self

    @model_validator(mode="after")
    def _a_sleeve_each(self) -> UniverseSection:
        doubled = sorted({t for t in self.tickers if self.tickers.count(t) > 1})
        if doubled:
            raise ValueError(f"tickers lists {', '.join(doubled)} more than once")
        owner: dict[str, str] = {}
        for name, sleeve in self.sleeves.items():
            for ticker in sleeve.tickers:
                if ticker in owner:
                    raise ValueError(f"{ticker} is in two sleeves, {owner[ticker]} and {name}")
                owner[ticker] = name
        homeless = sorted(set(self.tickers) - set(owner))
        if homeless:
            raise ValueError(f"{', '.join(homeless)} is in no sleeve")
        strangers = sorted(set(owner) - set(self.tickers))
        if strangers:
            raise ValueError(f"{', '.join(strangers)} is in a sleeve but not in tickers")
        total = math.fsum(sleeve.weight for sleeve in self.sleeves.values())
        if abs(total - 1.0) > _WEIGHT_TOLERANCE:
            raise ValueError(f"sleeve weights must sum to 1, they sum to {total:.10g}")
        if len({quote_of(ticker) for ticker in self.tickers}) > 1:
            raise ValueError("all tickers must share one quote currency")
        return self

    @property
    def sorted_tickers(self) -> tuple[str, ...]:
        """The tickers by name: order in a file changes nothing."""
        return tuple(sorted(self.tickers))

    @property
    def sorted_sleeves(self) -> tuple[str, ...]:
        """The sleeve names in order."""
        return tuple(sorted(self.sleeves))

    @property
    def sleeve_of(self) -> dict[str, str]:
        """The sleeve of each ticker."""
        return {t: name for name in self.sorted_sleeves for t in self.sleeves[name].tickers}

    def named(self, ticker: str) -> str:
        """
        Return a ticker that was asked for; an empty one, for none in particular, stays empty.

        Raises
        ------
        ParameterError
            If it is none of the universe; names the nearest.
        """
        if not ticker or ticker in self.tickers:
            return ticker
        upper = ticker.upper()
        near = [each for each in self.sorted_tickers if base_of(each) == upper]
        near = near or difflib.get_close_matches(upper, self.sorted_tickers, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ParameterError(
            f"ticker: {shown(ticker)} is not in this universe{hint} "
            f"It has {', '.join(self.sorted_tickers)}"
        )

    @property
    def quote_currency(self) -> str:
        """The one currency all tickers are quoted in."""
        return quote_of(self.tickers[0])


class DataSection(_Section):
    """Where prices come from (kept for files in use; ``exchange`` decides today)."""

    use_coinbase_data: bool
    use_saved_files: bool
    saved_file_end_date: IsoDate
    price_or_returns_calc: Literal["price"]
    moving_avg_type: Literal["exponential"]
    max_gap_to_live: Positive = 0.25


class MovingAverage(_Section):
    """The ribbon of exponential averages; ``mavg_stepsize`` is how many."""

    fast_mavg: Window
    slow_mavg: Window
    mavg_stepsize: Annotated[int, Field(ge=2, le=200)]
    mavg_z_score_window: WideWindow

    @model_validator(mode="after")
    def _fast_below_slow(self) -> MovingAverage:
        if self.fast_mavg >= self.slow_mavg:
            raise ValueError(f"fast_mavg {self.fast_mavg} must be below slow_mavg {self.slow_mavg}")
        return self


class Donchian(_Section):
    """The channel of highs and lows."""

    entry_rolling_donchian_window: Window
    exit_rolling_donchian_window: Window
    use_donchian_exit_gate: bool
    donchian_shift: bool
    rank_window: WideWindow = 250

    @model_validator(mode="after")
    def _rank_holds_entry(self) -> Donchian:
        if self.rank_window < self.entry_rolling_donchian_window:
            raise ValueError(
                f"rank_window {self.rank_window} must be at least entry_rolling_donchian_window "
                f"{self.entry_rolling_donchian_window}, the values a rank needs"
            )
        return self


class Weighting(_Section):
    """How the two ranks blend."""

    ma_crossover_signal_weight: NonNegative
    donchian_signal_weight: NonNegative
    weighted_signal_ewm_window: Annotated[float, Field(ge=0, le=5000)]


class Activation(_Section):
    """Kept for files in use; only off."""

    use_activation: Literal[False]
    tanh_activation_constant_dict: None


class RollingR2(_Section):
    """How straight the trend is."""

    rolling_r2_window: Annotated[int, Field(ge=3, le=5000)]
    lower_r_sqr_limit: Fraction
    upper_r_sqr_limit: Fraction
    r2_smooth_window: Annotated[float, Field(ge=0, le=5000)]
    r2_confirm_days: Annotated[int, Field(ge=0, le=5000)]
    r2_strong_threshold: Fraction
    enabled: bool = True

    @model_validator(mode="after")
    def _limits_in_order(self) -> RollingR2:
        if self.lower_r_sqr_limit >= self.upper_r_sqr_limit:
            raise ValueError(
                f"lower_r_sqr_limit {self.lower_r_sqr_limit} must be below "
                f"upper_r_sqr_limit {self.upper_r_sqr_limit}"
            )
        return self


class VolOfVol(_Section):
    """The volatility of volatility."""

    log_std_window: WideWindow
    coef_of_variation_window: WideWindow
    vol_of_vol_z_score_window: WideWindow
    vol_of_vol_p_min: Fraction
    enabled: bool = True


class Filters(_Section):
    """What multiplies the blend."""

    rolling_r2: RollingR2
    vol_of_vol: VolOfVol
    filter_mode: Literal["continuous", "binary"] = "continuous"
    binary_threshold: Fraction = 0.5


class SignalsSection(_Section):
    """Everything between a bar and ``final_signal``."""

    moving_average: MovingAverage
    donchian: Donchian
    weighting: Weighting
    activation: Activation
    filters: Filters
    custom: Annotated[dict[Name, CustomSignal], BeforeValidator(spelled_out)] = {}

    @model_validator(mode="after")
    def _columns_differ(self) -> SignalsSection:
        check_different(self.custom)
        return self


class RiskSection(_Section):
    """Volatility, sleeves and the cap."""

    annualized_target_volatility: Positive
    volatility_window: WideWindow
    rolling_cov_window: WideWindow
    rolling_atr_window: Window
    atr_multiplier: Positive
    stop_loss_strategy: Literal["Chandelier", "PercentageTrail"]
    highest_high_window: Window
    rolling_sharpe_window: WideWindow
    cash_buffer_percentage: OpenFraction
    risk_max_iterations: Annotated[int, Field(ge=1)]
    risk_sleeve_budget_tolerance: Positive
    risk_optimizer_step: Positive
    risk_min_signal: NonNegative
    sleeve_risk_mode: Literal["cap", "target"]
    cap_mode: Literal["conditional", "static"]
    cap_low: Annotated[float, Field(gt=0, le=1)]
    cap_high: Annotated[float, Field(gt=0, le=1)]
    cap_n_eff_threshold: NonNegative
    cap_use_metric: Literal["rb_n_eff", "unit_n_eff"]
    cap_max_iter: Annotated[int, Field(ge=1)]
    cap_tol: NonNegative
    covariance: Literal["sample", "ewm", "ledoit_wolf"] = "sample"
    cap_leftover: Literal["headroom", "signal", "cash"] = "headroom"
    trail_percentage: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _caps_in_order(self) -> RiskSection:
        if self.cap_low > self.cap_high:
            raise ValueError(f"cap_low {self.cap_low} must not be above cap_high {self.cap_high}")
        return self


class ExecutionSection(_Section):
    """Costs and thresholds."""

    transaction_cost_est: OpenFraction
    passive_trade_rate: Fraction
    notional_threshold_pct: NonNegative
    min_trade_notional_abs: NonNegative
    cooldown_counter_threshold: Annotated[int, Field(ge=0, le=3650)]
    maker_fee: OpenFraction = 0.006
    taker_fee: OpenFraction = 0.012
    dust_max_cost_usd: NonNegative = 0.05


class ExchangeSection(_Section):
    """
    Which exchange, and where it is found.

    ``simulated`` without `base_url` is the embedded one. `candles` is ``synthetic`` or a candle
    folder; `products` a products file or None for the built-in table. `clock` ``exchange`` takes
    "now" from the exchange's own time and is refused for the real host. `faults` is a schedule of
    what goes wrong at the embedded exchange.
    """

    kind: Literal["simulated", "paper", "coinbase"] = "simulated"
    candles: str = "synthetic"
    products: str | None = None
    starting_cash: Money = "15000"
    seed: Annotated[int, Field(ge=0)] = 7
    base_url: str | None = None
    market_data_url: str | None = None
    ca_file: str | None = None
    key_file: str | None = None
    faults: str | None = None
    clock: Literal["wall", "exchange"] = "wall"


class StopsSection(_Section):
    """How the protective orders rest."""

    limit_buffer_bps: Annotated[float, Field(ge=0, lt=10000)] = 200.0
    limit_buffer_atr: Annotated[float, Field(ge=0, le=100)] = 0.5
    limit_max_bps: Annotated[float, Field(ge=10, lt=10000)] = 1000.0
    ratchet: bool = True
    level_above_market: Literal["clamp", "keep"] = "clamp"
    min_raise_bps: NonNegative = 50.0
    exit_if_unprotectable: bool = False


class AccountSection(_Section):
    """
    What others do to the account.

    An unexplained increase worth at most `adopt_below` (in quote currency) is taken over; with
    `follow_changes` every one is. What is larger is covered and locked until `tf release`.
    """

    adopt_below: Money = "5"
    follow_changes: bool = False


class NotificationsSection(_Section):
    """Who is told; addresses and passwords come from the environment, never from here."""

    email: bool = True
    on_success: bool = True
    subject_prefix: str = "Trend Following"
    ping_url: Annotated[str, Field(pattern=r"^https?://[^\s?#/]+[^\s?#]*$")] | None = None


class Config(_Section):
    """One run's parameters, complete and checked."""

    portfolio: PortfolioSection
    run: RunSection
    universe: UniverseSection
    data: DataSection
    signals: SignalsSection
    risk_and_sizing: RiskSection
    execution_and_costs: ExecutionSection
    exchange: ExchangeSection = ExchangeSection()
    stops: StopsSection = StopsSection()
    account: AccountSection = AccountSection()
    notifications: NotificationsSection = NotificationsSection()

    @model_validator(mode="after")
    def _a_trail_ratchets(self) -> Config:
        if self.risk_and_sizing.stop_loss_strategy == "PercentageTrail" and not self.stops.ratchet:
            raise ValueError("stop_loss_strategy PercentageTrail needs stops.ratchet true")
        return self

    def to_mapping(self) -> dict[str, Any]:
        """Return the merged parameters as plain values, as config.yaml holds them."""
        return self.model_dump(mode="json", by_alias=True)
