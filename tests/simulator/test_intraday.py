"""Shorter candles beside the daily ones: the path follows them, the daily candle stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.conftest import Make, MakeHands
from tf_lib.app.commands.simulator import _candles
from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.candles.rows import INTRADAY_HEADER
from tf_lib.errors import BarsError, InputError
from tf_lib.store.candle_csv import read_intraday

# 2024-03-01 runs 100, 104, 90, 102: here the low comes after the high, and 04:00 is missing.
SHORT = f"""{INTRADAY_HEADER}
2024-03-01T00:00:00Z,100,101,99,100.5,10
2024-03-01T01:00:00Z,100.5,104,100,103,20
2024-03-01T05:00:00Z,95,96,90,94,30
2024-03-01T06:00:00Z,94,102,94,102,40
"""


def hourly(text: str = SHORT) -> IntradayBars:
    return IntradayBars.from_text(text, granularity="ONE_HOUR", source="BTC-USD.ONE_HOUR.csv")


def test_the_path_and_the_candles_follow_the_file(make_hands: MakeHands) -> None:
    hands = make_hands(intraday={"BTC-USD": hourly()})
    hands.buy("1")
    stop = hands.stop("1", "97", "90")
    hands.until("2024-03-01 04:59")
    assert hands.show(stop)["trigger_status"] == "STOP_PENDING"  # the daily path fell to 95 by now
    assert hands.get("/products/BTC-USD")["price"] == "103"  # nothing traded since 02:00
    hands.until("2024-03-01 05:30")
    shown = hands.show(stop)
    assert (shown["status"], shown["average_filled_price"]) == ("FILLED", "94.905")  # gap to 95
    hands.until("2024-03-02 00:10")
    hours = hands.candles("2024-03-01 00:00", "2024-03-01 23:00", granularity="ONE_HOUR")[::-1]
    assert [(row["open"], row["low"], row["volume"]) for row in hours] == [
        ("100", "99", "10"),
        ("100.5", "100", "20"),
        ("95", "90", "30"),
        ("94", "94", "40"),
    ]
    (six, *_) = hands.candles("2024-03-01 00:00", "2024-03-01 06:00", granularity="SIX_HOUR")[::-1]
    assert (six["open"], six["high"], six["low"], six["close"], six["volume"]) == (
        "100", "104", "90", "94", "60",
    )  # fmt: skip
    (day,) = hands.candles("2024-03-01 00:00", "2024-03-01 00:00", granularity="ONE_DAY")[::-1]
    assert (day["low"], day["high"], day["volume"]) == ("90", "104", "1000")
    hour = ("2024-03-01 01:00", "2024-03-01 01:45")
    quarters = hands.candles(*hour, granularity="FIFTEEN_MINUTE")[::-1]
    assert max(float(row["high"]) for row in quarters) == 104.0
    other_day = hands.candles("2024-02-29 00:00", "2024-02-29 23:00", granularity="ONE_HOUR")[::-1]
    assert len(other_day) == 24  # a day without shorter candles runs as ever


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2024-03-01T00:30:00Z,100,101,99,100,1", "line 2: expected a time .* steps of 3600"),
        ("2024-03-01,100,101,99,100,1", "line 2: expected a time"),
        ("2024-03-01T00:00:00Z,100,101,99,98,1", "close 98.0 is outside low"),
        ("2024-03-01T00:00:00Z,100,101,99,1", "expected 6 fields"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(BarsError, match=message):
        hourly(f"{INTRADAY_HEADER}\n{line}\n")


def test_shorter_candles_lie_within_the_day(make_exchange: Make) -> None:
    high = hourly(f"{INTRADAY_HEADER}\n2024-03-01T08:00:00Z,100,105,99,100,1\n")
    with pytest.raises(BarsError, match=r"2024-03-01T08:00:00.* not within that day's candle"):
        make_exchange(intraday={"BTC-USD": high})
    with pytest.raises(InputError, match="XRP-USD: shorter candles need daily ones"):
        make_exchange(intraday={"XRP-USD": hourly()})


def test_a_folder_with_shorter_candles(tmp_path: Path) -> None:
    daily = "date,open,high,low,close,volume\n2024-03-01,100,104,90,102,1000\n"
    (tmp_path / "BTC-USD.csv").write_text(daily)
    (tmp_path / "BTC-USD.ONE_HOUR.csv").write_text(SHORT)
    candles = _candles(str(tmp_path))
    assert candles is not None
    assert list(candles) == ["BTC-USD"]
    assert candles["BTC-USD"].close.tolist() == [102.0]
    assert read_intraday(tmp_path)["BTC-USD"].step == 3600
    (tmp_path / "BTC-USD.ONE_YEAR.csv").write_text(SHORT)
    with pytest.raises(BarsError, match=r"unknown granularity 'ONE_YEAR'|two lengths"):
        read_intraday(tmp_path)


def test_a_candle_folder_needs_neither_pandas_nor_numba(tmp_path: Path) -> None:
    """They cost more than the whole start."""
    daily = "date,open,high,low,close,volume\n2024-03-01,100,104,90,102,1000\n"
    (tmp_path / "BTC-USD.csv").write_text(daily)
    code = (
        "import sys\n"
        "from tf_lib.app.commands.simulator import _candles\n"
        "from tf_lib.simulator import SimulatedExchange, SimulatorSettings\n"
        "with SimulatedExchange(SimulatorSettings(candles=_candles(sys.argv[1]))) as exchange:\n"
        "    exchange.start()\n"
        "print(sorted({'pandas', 'numba', 'scipy', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
