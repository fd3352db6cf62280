"""
The decision against the oracle: columns, weights, trades and reasons, through the public door.

Made-up candles always; real ones where a candle folder stands beside the project or is named by
TF_REAL_CANDLES. What is compared and how closely is in `compare`; the last tests prove that the
comparison can fail.
"""

from __future__ import annotations

import copy
import datetime as dt
import functools
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import decide as oracle
from tests.oracle import markets, signals
from tf_lib.app.commands.research.decide import decide_command

PROJECT = Path(__file__).resolve().parents[1]
STRATEGY = PROJECT / "parameters" / "strategy_v020.yaml"
REAL_CANDLES = Path(os.environ.get("TF_REAL_CANDLES", PROJECT.parent / "shared" / "candles"))
needs_real_candles = pytest.mark.skipif(
    not any(REAL_CANDLES.glob("*.csv")),
    reason="no real candles: set TF_REAL_CANDLES to a folder of <PRODUCT>.csv files",
)

Candles = dict[str, pd.DataFrame]
TOLERANCE = 1e-9
MADE_UP_TICKERS = ["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD", "EEE-USD", "FFF-USD"]
MADE_UP_SLEEVES: dict[str, Any] = {
    "Core": {"weight": 0.50, "tickers": ["AAA-USD", "BBB-USD", "CCC-USD"]},
    "Alt": {"weight": 0.15, "tickers": ["DDD-USD"]},
    "AI": {"weight": 0.35, "tickers": ["EEE-USD", "FFF-USD"]},
}
REAL_SLEEVES = {
    "Core": {"weight": 0.50, "tickers": ["BTC-USD", "ETH-USD", "LTC-USD"]},
    "Alt": {"weight": 0.15, "tickers": ["DOGE-USD", "ADA-USD"]},
    "New": {"weight": 0.35, "tickers": ["SOL-USD", "AVAX-USD"]},
}

DONCHIAN = "signals.donchian."
FILTERS = "signals.filters."
RISK = "risk_and_sizing."
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "exit gate": {DONCHIAN + "use_donchian_exit_gate": True},
    "no shift": {DONCHIAN + "donchian_shift": False},
    "exit gate without shift": {
        DONCHIAN + "use_donchian_exit_gate": True,
        DONCHIAN + "donchian_shift": False,
        DONCHIAN + "exit_rolling_donchian_window": 10,
    },
    "short rank window": {DONCHIAN + "rank_window": 90},
    "binary filter": {FILTERS + "filter_mode": "binary", FILTERS + "binary_threshold": 0.3},
    "confirmed trend": {FILTERS + "rolling_r2.r2_confirm_days": 5},
    "not smoothed": {
        FILTERS + "rolling_r2.r2_smooth_window": 0,
        "signals.weighting.weighted_signal_ewm_window": 0,
    },
    "static cap": {RISK + "cap_mode": "static", RISK + "cap_low": 0.2},
    "tight cap": {RISK + "cap_low": 0.1, RISK + "cap_high": 0.25},
    "leftover by signal": {RISK + "cap_leftover": "signal", RISK + "cap_low": 0.2},
    "leftover as cash": {RISK + "cap_leftover": "cash", RISK + "cap_low": 0.2},
    "no straightness": {FILTERS + "rolling_r2.enabled": False},
    "no restlessness": {FILTERS + "vol_of_vol.enabled": False},
    "no filters": {
        FILTERS + "rolling_r2.enabled": False,
        FILTERS + "vol_of_vol.enabled": False,
        FILTERS + "rolling_r2.r2_confirm_days": 3,
    },
    "sample covariance, low target": {
        RISK + "covariance": "sample",
        RISK + "annualized_target_volatility": 0.2,
        RISK + "sleeve_risk_mode": "target",
    },
    "percentage trail": {
        RISK + "stop_loss_strategy": "PercentageTrail",
        RISK + "trail_percentage": 0.06,
    },
    "other windows": {
        "signals.moving_average.fast_mavg": 5,
        "signals.moving_average.slow_mavg": 60,
        "signals.moving_average.mavg_stepsize": 5,
        "signals.moving_average.mavg_z_score_window": 40,
        DONCHIAN + "entry_rolling_donchian_window": 20,
        FILTERS + "rolling_r2.rolling_r2_window": 30,
        FILTERS + "vol_of_vol.log_std_window": 8,
        FILTERS + "vol_of_vol.vol_of_vol_z_score_window": 50,
        RISK + "rolling_cov_window": 60,
        RISK + "volatility_window": 21,
        RISK + "highest_high_window": 30,
        RISK + "rolling_atr_window": 10,
        "run.warmup_days": 200,
        "run.annual_trading_days": 252,
    },
    "other costs": {
        "execution_and_costs.notional_threshold_pct": 0.01,
        "execution_and_costs.maker_fee": 0.001,
        "execution_and_costs.taker_fee": 0.03,
        "execution_and_costs.passive_trade_rate": 0.6,
        "execution_and_costs.cooldown_counter_threshold": 3,
        RISK + "cash_buffer_percentage": 0.0,
    },
}


def parameters(sleeves: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the strategy's parameters with other sleeves and `changes` by dotted path."""
    params: dict[str, Any] = yaml.safe_load(STRATEGY.read_text(encoding="utf-8"))
    tickers = [ticker for sleeve in sleeves.values() for ticker in sleeve["tickers"]]
    params["universe"] = {"tickers": tickers, "sleeves": copy.deepcopy(sleeves)}
    for path, value in changes.items():
        *sections, key = path.split(".")
        section: Any = params
        for name in sections:
            section = section[name]
        section[key] = value
    return params


def portfolio(
    seed: int, tables: Candles, as_of: dt.date, *, cash: str | None = None
) -> dict[str, Any]:
    """Make up a portfolio: some tickers held, cooling down, priced, under stops near the market."""
    rng = np.random.default_rng(seed)
    answer: dict[str, Any] = {
        "cash": cash if cash is not None else f"{rng.choice([0, 300, 5000, 15000])}.00",
        "positions": {},
        "mid_prices": {},
        "cooldowns": {},
        "open_stops": {},
    }
    for ticker, table in sorted(tables.items()):
        before = table[table.index < signals.utc_day(as_of)] if len(table) else table
        chance = rng.uniform(size=4)
        price = float(before["close"].iloc[-1]) if len(before) else 10.0
        mid = price * rng.uniform(0.93, 1.07)
        if len(before) == 0 or chance[0] < 0.6:
            answer["mid_prices"][ticker] = f"{mid:.8f}"
        if chance[1] < 0.5:
            answer["positions"][ticker] = f"{rng.uniform(60, 8000) / price:.8f}"
        if chance[2] < 0.3:
            start = as_of - dt.timedelta(days=int(rng.integers(0, 12)))
            answer["cooldowns"][ticker] = start.isoformat()
        if chance[3] < 0.4:
            answer["open_stops"][ticker] = f"{price * rng.uniform(0.85, 1.02):.8f}"
    return answer


class Scene:
    """A candle folder with the oracle's columns, decided on under one set of parameters."""

    def __init__(self, folder: Path, candles: Candles, params: dict[str, Any]) -> None:
        self.folder, self.candles, self.params = folder, candles, params
        self.candle_folder = markets.write_folder(folder / "candles", candles)
        self.tables = oracle.tables_of(params, candles)

    def decided(
        self, as_of: dt.date, holdings: dict[str, Any], *, candle_folder: Path | None = None
    ) -> dict[str, Any]:
        """What the implementation decides."""
        config, positions = self.folder / "config.yaml", self.folder / "portfolio.json"
        config.write_text(yaml.safe_dump(self.params, sort_keys=False), encoding="utf-8")
        positions.write_text(json.dumps(holdings), encoding="utf-8")
        return decide_command(config, candle_folder or self.candle_folder, as_of, positions)

    def expected(self, as_of: dt.date, holdings: dict[str, Any]) -> dict[str, Any]:
        """What the oracle decides."""
        return oracle.decide_from_tables(self.params, self.tables, as_of, holdings)

    def agree(self, as_of: dt.date, holdings: dict[str, Any]) -> dict[str, Any]:
        """Compare both and return the decision."""
        decided = self.decided(as_of, holdings)
        compare(decided, self.expected(as_of, holdings))
        return decided


def error_of(got: Any, wanted: Any, scale: float) -> float:
    """Error against the size of what is wanted; infinite where the kinds differ."""
    if isinstance(wanted, float) and isinstance(got, float | int) and not isinstance(got, bool):
        return abs(got - wanted) / max(scale, abs(wanted))
    return 0.0 if got == wanted and type(got) is type(wanted) else np.inf


def flattened(decision: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """Every leaf of a decision under its path."""
    leaves: dict[tuple[str, ...], Any] = {("as_of",): decision["as_of"]}
    for part in ("tickers", "sleeves"):
        for name, row in decision[part].items():
            leaves |= {(part, name, key): value for key, value in row.items()}
    return leaves | {("portfolio", "", key): value for key, value in decision["portfolio"].items()}


def compare(decided: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """
    Fail on any difference; return the largest error by column.

    Numbers below 1 are held to an absolute 1e-9, larger ones and money to a relative one; text,
    flags and undefined values must be equal.
    """
    got, wanted = flattened(decided), flattened(expected)
    assert set(got) == set(wanted)
    errors: dict[str, float] = {}
    wrong = []
    for path, value in wanted.items():
        error = error_of(got[path], value, 1.0)
        errors[path[-1]] = max(errors.get(path[-1], 0.0), error)
        if not error <= TOLERANCE:
            wrong.append(f"{path}: decided {got[path]!r}, expected {value!r}")
    assert not wrong, "\n".join(wrong)
    return errors


def days_between(first: str, last: str, count: int) -> list[dt.date]:
    """Evenly spread days."""
    spread = pd.date_range(first, last, periods=count)
    return [day.date() for day in spread]


@pytest.fixture(scope="module")
def real_candles() -> Candles:
    """Three years of real candles of the seven tickers."""
    candles = markets.read_folder(REAL_CANDLES)
    return {ticker: bars[bars.index >= "2021-06-01"] for ticker, bars in candles.items()}


@pytest.fixture(scope="module")
def real_scene(real_candles: Candles, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Real candles as they are."""
    return Scene(tmp_path_factory.mktemp("real"), real_candles, parameters(REAL_SLEEVES))


@pytest.fixture(scope="module")
def gap_scene(real_candles: Candles, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Real candles with holes, a feed that ends early, a late listing and one yet to come."""
    candles = dict(real_candles)
    candles["BTC-USD"] = markets.without_days(candles["BTC-USD"], "2023-11-20", 1)
    candles["ETH-USD"] = markets.without_days(candles["ETH-USD"], "2023-10-11", 5)
    candles["LTC-USD"] = markets.without_days(candles["LTC-USD"], "2024-02-20", 2)
    candles["LTC-USD"] = markets.without_days(candles["LTC-USD"], "2024-02-25", 3)
    candles["SOL-USD"] = markets.without_days(candles["SOL-USD"], "2024-02-10", 5)
    candles["SOL-USD"] = markets.without_days(candles["SOL-USD"], "2024-02-18", 1)
    candles["AVAX-USD"] = candles["AVAX-USD"].loc[:"2024-03-01"]
    candles["ADA-USD"] = candles["ADA-USD"].loc["2023-05-01":]
    candles["DOGE-USD"] = candles["DOGE-USD"].loc["2024-03-05":]
    return Scene(tmp_path_factory.mktemp("gaps"), candles, parameters(REAL_SLEEVES))


@pytest.fixture(scope="module")
def made_up_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One seeded market."""
    candles = markets.made_up(5, MADE_UP_TICKERS)
    return Scene(tmp_path_factory.mktemp("made_up"), candles, parameters(MADE_UP_SLEEVES))


@pytest.fixture(scope="module")
def variant_scene(
    made_up_scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Scene]:
    """Return the seeded market under any variant."""

    @functools.cache
    def scene(variant: str) -> Scene:
        params = parameters(MADE_UP_SLEEVES, **VARIANTS[variant])
        return Scene(tmp_path_factory.mktemp("variant"), made_up_scene.candles, params)

    return scene


@needs_real_candles
@pytest.mark.parametrize("as_of", days_between("2022-08-01", "2024-11-01", 12), ids=str)
def test_real_candles(real_scene: Scene, as_of: dt.date) -> None:
    """Full history, with and without a portfolio."""
    real_scene.agree(as_of, {"cash": "15000"})
    real_scene.agree(as_of, portfolio(as_of.toordinal(), real_scene.tables, as_of))


GAP_DAYS = """
2023-10-12 2023-10-16 2023-10-17 2023-11-15 2023-11-16 2023-11-21 2023-11-22 2024-02-12 2024-02-21
2024-02-28 2024-03-02 2024-03-03 2024-03-15 2024-03-16 2024-03-17 2024-03-18 2024-05-01
"""


@needs_real_candles
@pytest.mark.parametrize("day", GAP_DAYS.split())
def test_gaps_late_listings_and_feeds_that_end(gap_scene: Scene, day: str) -> None:
    """Inside a gap, right after it, on both sides of the thirtieth bar, past the last candle."""
    as_of = dt.date.fromisoformat(day)
    gap_scene.agree(as_of, portfolio(as_of.toordinal(), gap_scene.tables, as_of))


@pytest.fixture
def some_candles(real_candles: Candles) -> Candles:
    """Return some months of them; the bars of BTC-USD may be changed."""
    candles = {ticker: bars.loc["2022-11-01":"2024-03-20"] for ticker, bars in real_candles.items()}
    return candles | {"BTC-USD": candles["BTC-USD"].copy()}


@needs_real_candles
@pytest.mark.parametrize("times", [1.9, 3, 100])
def test_a_wick_that_is_not_believed_on_any_day(
    times: float, some_candles: Candles, tmp_path: Path
) -> None:
    """The high of one day: no trade the day after, and no highest high or range remembers it."""
    # The quietest time of these years: 25 average ranges are 0.6 of the price.
    spike = pd.Timestamp("2023-09-25", tz="UTC")
    some_candles["BTC-USD"].loc[[spike], "high"] *= times
    scene = Scene(tmp_path, some_candles, parameters(REAL_SLEEVES))
    for days in (0, 1, 2, 3, 4, 10, 25):
        as_of = spike.date() + dt.timedelta(days=days)
        decided = scene.agree(as_of, portfolio(days, scene.tables, as_of))["tickers"]["BTC-USD"]

        assert decided["data_ok"] == (days != 1)
        assert decided["highest_high"] < 32_000
        assert decided["atr"] < 2_000


@needs_real_candles
@pytest.mark.parametrize("times", [0.001, 0.3, 4, 10])
def test_a_level_that_stays_is_believed_after_three_bars(
    times: float, some_candles: Candles, tmp_path: Path
) -> None:
    """A redenomination: three bars agree with the first, and thirty days pass without a trade."""
    first = pd.Timestamp("2023-11-01", tz="UTC")
    some_candles["BTC-USD"].loc[first:] *= times
    scene = Scene(tmp_path, some_candles, parameters(REAL_SLEEVES))
    for days in (0, 1, 2, 3, 4, 5, 20, 33, 34, 60, 100):
        as_of = first.date() + dt.timedelta(days=days)
        decided = scene.agree(as_of, portfolio(days, scene.tables, as_of))["tickers"]["BTC-USD"]

        assert decided["data_ok"] == (days == 0 or days > 33)
        if days > 33:
            assert decided["close"] == pytest.approx(times * 40_000, rel=0.5)


@needs_real_candles
@pytest.mark.parametrize("times", [0.01, 0.5, 2, 10])
def test_a_close_far_from_the_live_price_is_not_believed(
    times: float, some_candles: Candles, tmp_path: Path
) -> None:
    """The whole bar of yesterday is wrong by a factor; the market trades where it always did."""
    bars = some_candles["BTC-USD"]
    wrong, as_of = pd.Timestamp("2024-03-09", tz="UTC"), dt.date(2024, 3, 10)
    price = float(bars["close"][wrong])
    bars.loc[wrong, ["open", "high", "low", "close"]] *= times
    scene = Scene(tmp_path, some_candles, parameters(REAL_SLEEVES))
    held = {
        "cash": "5000",
        "positions": {"BTC-USD": "0.1"},
        "mid_prices": {"BTC-USD": f"{price}"},
        "open_stops": {"BTC-USD": f"{price * 0.9}"},
    }
    decided = scene.decided(as_of, held)
    compare(decided, oracle.decide(scene.params, some_candles, as_of, held))

    row = decided["tickers"]["BTC-USD"]
    assert (row["reason"], row["trade_notional"]) == ("stale_or_missing_ohlc", 0)
    assert row["close"] == pytest.approx(price, rel=0.1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameter_variants(variant: str, variant_scene: Callable[[str], Scene]) -> None:
    """Each switch and window of the signals, the risk and the costs."""
    scene = variant_scene(variant)
    for number, as_of in enumerate(days_between("2021-12-15", "2022-07-10", 3)):
        scene.agree(as_of, portfolio(number, scene.tables, as_of))


@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    variant=st.sampled_from(sorted(VARIANTS)),
    first_day=st.integers(320, 540),
)
def test_made_up_markets(
    tmp_path_factory: pytest.TempPathFactory, seed: int, variant: str, first_day: int
) -> None:
    """Regimes, crashes, flat stretches and late listings under any variant."""
    params = parameters(MADE_UP_SLEEVES, **VARIANTS[variant])
    candles = markets.made_up(seed, MADE_UP_TICKERS)
    scene = Scene(tmp_path_factory.mktemp("seeded"), candles, params)
    for offset in (0, 11):
        as_of = dt.date(2021, 1, 1) + dt.timedelta(days=first_day + offset)
        scene.agree(as_of, portfolio(seed + offset, scene.tables, as_of))


def test_every_reason_and_both_caps_are_met(made_up_scene: Scene) -> None:
    """The days and portfolios above are not all of one kind."""
    met: Counter[Any] = Counter()
    for number, as_of in enumerate(days_between("2021-12-01", "2022-07-14", 90)):
        expected = made_up_scene.expected(as_of, portfolio(number, made_up_scene.tables, as_of))
        met.update(row["reason"] for row in expected["tickers"].values())
        met[expected["portfolio"]["cap_value"]] += 1
        met["shrunk"] += expected["portfolio"]["cash_shrink_factor"] < 1

    reasons = "no_position full_exit below_threshold trim add enter cooldown_active stop_breached"
    assert {*reasons.split(), "unknown_signal", "shrunk", 0.35, 0.60} <= set(met)


def test_no_cash_buys_nothing(made_up_scene: Scene) -> None:
    """Shrunk to zero, a buy is below any minimum."""
    as_of = dt.date(2022, 6, 1)
    holdings = {"cash": "0", "positions": {"AAA-USD": "1000"}, "mid_prices": {"AAA-USD": "5"}}
    made_up_scene.agree(as_of, holdings)


@pytest.mark.parametrize("fate", ["cut", "replaced by noise"])
def test_what_comes_later_changes_no_bit(fate: str, made_up_scene: Scene, tmp_path: Path) -> None:
    """The decision of a day is the same whatever its own bar and later ones are."""
    as_of = dt.date(2022, 5, 4)
    holdings = portfolio(1, made_up_scene.tables, as_of)
    candles = {
        ticker: bars[bars.index < signals.utc_day(as_of)]
        if fate == "cut"
        else markets.noise_from(bars, as_of, seed=9)
        for ticker, bars in made_up_scene.candles.items()
    }
    other = markets.write_folder(tmp_path / "candles", candles)

    changed = made_up_scene.decided(as_of, holdings, candle_folder=other)
    assert made_up_scene.decided(as_of, holdings) == changed


def test_the_oracle_does_not_look_ahead_either(made_up_scene: Scene) -> None:
    """Columns from all bars, cut at the day, are the columns from the bars before it."""
    as_of = dt.date(2022, 5, 4)
    holdings = portfolio(1, made_up_scene.tables, as_of)
    from_scratch = oracle.decide(made_up_scene.params, made_up_scene.candles, as_of, holdings)

    assert from_scratch == made_up_scene.expected(as_of, holdings)


def test_order_in_the_files_changes_no_bit(made_up_scene: Scene, tmp_path: Path) -> None:
    """Tickers and sleeves turned around."""
    as_of = dt.date(2022, 5, 4)
    holdings = portfolio(2, made_up_scene.tables, as_of)
    turned = {
        name: {"weight": sleeve["weight"], "tickers": sleeve["tickers"][::-1]}
        for name, sleeve in reversed(MADE_UP_SLEEVES.items())
    }
    scene = Scene(tmp_path, made_up_scene.candles, parameters(turned))
    turned_holdings = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(holdings.items())
    }

    assert scene.decided(as_of, turned_holdings) == made_up_scene.decided(as_of, holdings)


def test_one_changed_candle_is_noticed(made_up_scene: Scene, tmp_path: Path) -> None:
    """A thousandth off one day's move, four months ago, and the comparison fails."""
    as_of = dt.date(2022, 5, 4)
    candles = dict(made_up_scene.candles)
    bars = candles["AAA-USD"].copy()
    day = pd.Timestamp("2022-01-10", tz="UTC")
    opened, closed = bars["open"][day], bars["close"][day]
    bars.loc[[day], "close"] = opened + 0.999 * (closed - opened)
    candles["AAA-USD"] = bars
    changed = markets.write_folder(tmp_path / "candles", candles)
    decided = made_up_scene.decided(as_of, {"cash": "15000"}, candle_folder=changed)

    with pytest.raises(AssertionError, match="AAA-USD"):
        compare(decided, made_up_scene.expected(as_of, {"cash": "15000"}))


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"as it is"}))
def test_a_misread_rule_is_noticed(
    variant: str, variant_scene: Callable[[str], Scene], made_up_scene: Scene
) -> None:
    """Every variant moves a column or a decision, so a switch that is not wired cannot pass."""
    scene = variant_scene(variant)
    before = made_up_scene.tables
    columns_move = any(not table.equals(before[t]) for t, table in scene.tables.items())
    decisions_move = columns_move or any(
        scene.expected(day, {"cash": "15000"}) != made_up_scene.expected(day, {"cash": "15000"})
        for day in days_between("2022-01-15", "2022-07-10", 6)
    )

    assert decisions_move


def test_every_number_is_held_to_its_place(made_up_scene: Scene) -> None:
    """One part in ten million on any single number is too much."""
    as_of = dt.date(2022, 5, 4)
    expected = made_up_scene.expected(as_of, portfolio(1, made_up_scene.tables, as_of))
    leaves = flattened(expected).items()
    for part, name, key in [path for path, leaf in leaves if isinstance(leaf, float) and leaf]:
        bent = copy.deepcopy(expected)
        place = bent[part][name] if name else bent[part]
        place[key] += 1e-7 * max(1.0, abs(place[key]))
        with pytest.raises(AssertionError, match=key):
            compare(bent, expected)
