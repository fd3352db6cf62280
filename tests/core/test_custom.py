"""Components of a user's own: what they see, what they may say, and that none knows the future."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.core import custom
from tests.core.build import config_with, day, frame_of, market
from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.signals.columns import Signals, check_custom, signals
from tf_lib.core.signals.custom import custom_layers
from tf_lib.errors import ParameterError
from tf_lib.parameters.custom_signals import CustomSignal
from tf_lib.research.lookahead.backtest_check import prove_backtest
from tf_lib.research.lookahead.decision_check import prove_no_lookahead, strategy_compute

N_DAYS = 400


@pytest.fixture(scope="module")
def bars() -> Bars:
    return lag_bars(market(N_DAYS), as_of=day(N_DAYS))


def known_with(bars: Bars, components: dict[str, Any]) -> Signals:
    return signals(bars, config_with({"signals.custom": components}))


def example(**entry: Any) -> dict[str, Any]:
    found = yaml.safe_load(custom.shown("yaml"))["signals"]["custom"]["strength"]
    return {"strength": {**found, "source": custom.shown("python"), **entry}}


def test_the_example_of_the_page_is_blended(bars: Bars) -> None:
    """Word for word: its column stands before the blend, which is the sum of all three."""
    plain, more = signals(bars, config_with()), known_with(bars, example())

    at = plain.reported.index("weighted_signal")
    assert more.reported == (*plain.reported[:at], "custom_strength", *plain.reported[at:])
    blend = plain["weighted_signal"] + 0.3 * more["custom_strength"]
    np.testing.assert_array_equal(more["weighted_signal"], blend)
    # Of four tickers the weakest of sixty days is at (0 + 0.5) / 4 - 0.5.
    order = (bars.close[-1] / bars.close[-61]).argsort().argsort()
    assert more["custom_strength"][-1, :3].tolist() == ((order + 0.5) / 4 - 0.5)[:3].tolist()
    assert np.isnan(more["custom_strength"][-1, 3])  # it has no 300 days of history yet


def test_without_a_weight_it_is_not_there(bars: Bars) -> None:
    """Not computed either: a function that fails is not called."""
    plain = signals(bars, config_with())
    more = known_with(bars, custom.of("raise ValueError", weight=None))

    assert more.reported == plain.reported


def test_columns_of_its_own_are_reported(bars: Bars) -> None:
    """Before the rank, under their names."""
    body = "return panel.high - panel.low, panel.close * 0.0"
    more = known_with(bars, custom.of(body, columns=["reach"]))

    at = more.reported.index("custom_mine")
    assert more.reported[at - 1] == "custom_mine_reach"
    reach = (bars.high - bars.low)[-1, :3]
    np.testing.assert_array_equal(more["custom_mine_reach"][-1, :3], reach)


def test_a_compiled_function_is_as_good(bars: Bars) -> None:
    """Numba's njit takes the panel as it is."""
    source = (
        f"from numba import njit\n{custom.HEAD}@njit\ndef _rank(panel, factor):\n"
        "    return np.tanh(panel.close / panel.open - 1.0) * factor\n\n\nmine = _rank\n"
    )
    entry = {"component": "own:mine", "source": source, "parameters": {"factor": 0.5}}
    more = known_with(bars, {"mine": entry})

    expected = np.tanh(bars.close / bars.open - 1.0) * 0.5
    np.testing.assert_allclose(more["custom_mine"][-50:, :3], expected[-50:, :3], rtol=1e-12)


def with_doubtful_days() -> dict[str, pd.DataFrame]:
    """A gap of a day and one at the end; a level that is believed three days late, and a wick."""
    frames = market(N_DAYS)
    prices = ["open", "high", "low", "close"]
    frames["BBB-USD"].loc[frames["BBB-USD"].index[330:], prices] *= 4.0
    frames["CCC-USD"].loc[frames["CCC-USD"].index[350], "high"] *= 30.0
    frames["AAA-USD"] = frames["AAA-USD"].drop(frames["AAA-USD"].index[[340, 361]])
    return frames


@pytest.mark.parametrize("n_seen", [*range(329, 338), 341, 351, 352, 362, 380])
def test_a_row_does_not_change_when_later_bars_arrive(n_seen: int) -> None:
    """Across tickers, too, where one has a gap that day or a bar that is believed only later."""
    frames = with_doubtful_days()
    config = config_with({"signals.custom": example()})
    whole = signals(lag_bars(frames, as_of=day(N_DAYS)), config)
    seen = signals(lag_bars(frames, as_of=day(n_seen)), config)

    assert len(whole.quarantined) >= 4
    for name in ("custom_strength", "final_signal"):
        np.testing.assert_array_equal(whole[name][:n_seen], seen[name])


@pytest.mark.parametrize("n_days", [3, 5])
def test_a_gap_is_flat_also_while_it_lasts(n_days: int) -> None:
    """What a ticker lacks yesterday is shown to all as it will be shown once it is past."""
    prices = ("open", "high", "low", "close")
    ended = frame_of({name: [10.0, 11.0, 12.0] for name in prices})
    other = frame_of({name: [5.0] * n_days for name in prices})
    bars = lag_bars({"AAA-USD": ended, "BBB-USD": other}, as_of=day(n_days))
    # Each column shows what the component sees of the ticker beside it.
    beside = "return [np.roll(each, 1, axis=1) * 0.01 for each in (panel.volume, panel.close)]"
    component = CustomSignal.model_validate(custom.of(beside, columns=["volume"])["mine"])
    volume, close = custom_layers(bars, (), "mine", component)

    assert close[1].tolist() == [0.1, 0.11, 0.12, 0.12, 0.12][:n_days]
    assert volume[1].tolist() == [0.01, 0.01, 0.01, 0.0, 0.0][:n_days]
    assert np.isnan(close[0, 3:]).all()


@pytest.mark.parametrize(
    ("body", "entry", "named"),
    [
        ("raise RuntimeError('odd')", {}, "failed in line 5: RuntimeError: odd"),
        ("return panel.close[1:]", {}, r"shape \(399, 4\) as the rank, expected \(400, 4\)"),
        ("return panel.close[:, 0]", {}, r"shape \(400,\)"),
        ("return None", {}, "failed|shape"),
        ("return panel.close", {}, "of AAA-USD after the candle of 2022-01-01; a rank lies"),
        ("return panel.close * np.inf", {}, "says inf of AAA-USD"),
        ("panel.close[:] = 0", {}, "failed in line 5: ValueError"),
        ("return panel.close", {"columns": ["one"]}, "returned 400 arrays, expected 2: one, the"),
        ("import sibling", {}, "ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_is_named(bars: Bars, body: str, entry: dict[str, Any], named: str) -> None:
    """With the component, its file and the line in it."""
    with pytest.raises(ParameterError, match=named) as found:
        known_with(bars, custom.of(body, **entry))

    assert str(found.value).startswith("signals.custom.mine: mine of own.py")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("1 / 0\ndef mine(panel): pass\n", "failed in line 1: ZeroDivisionError"),
        ("mine = 3\n", "is no function but int"),
        ("def mine(panel, window): pass\n", "takes .*window.* is given the panel"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(bars: Bars, source: str, named: str) -> None:
    """It fails when it is run, defines something else, or wants what it is not told."""
    with pytest.raises(ParameterError, match=named):
        known_with(bars, {"mine": {"component": "own:mine", "source": source}})


def test_one_that_never_says_anything_is_refused(bars: Bars) -> None:
    """NaN of everything would be a program that quietly does nothing."""
    config = config_with({"signals.custom": custom.of("return panel.close * np.nan")})
    known = signals(bars, config)
    with pytest.raises(ParameterError, match=r"mine of own\.py says NaN of every ticker"):
        check_custom(known, config, slice(300, 400))

    check_custom(known, config, slice(0, 10))  # nobody had enough history there


LEAKS = {
    "the day after": "return np.tanh(np.roll(panel.close, -1, axis=0) / panel.close - 1) / 2",
    "the whole sample": "return panel.close / np.fmax.reduce(panel.close) / 2",
    "how long it is": "return panel.close * 0 + len(panel.close) / 1e6",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_one_that_knows_the_future_is_caught(leak: str) -> None:
    """By the proof of signals, which names its column and none that is honest."""
    config = config_with({"signals.custom": custom.of(LEAKS[leak])})
    proof = prove_no_lookahead(market(N_DAYS), strategy_compute(config), every_days=40)

    assert not proof.passed
    assert "custom_mine" in proof.leaking_columns
    assert set(proof.leaking_columns).isdisjoint({"ma_rank", "donchian_rank", "atr"})


def test_an_honest_one_passes_both_proofs() -> None:
    """The example of the page, in signals and in the backtest."""
    candles, config = market(N_DAYS), config_with({"signals.custom": example()})

    assert prove_no_lookahead(candles, strategy_compute(config), every_days=40).passed
    assert prove_backtest(candles, config, every_days=40).passed
