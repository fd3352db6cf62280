"""The decide command: files in, a decision out, and every bad file named."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.profile import MADE_UP_UNIVERSE
from tests.core.build import REAL_CANDLES, STRATEGY, day, market
from tests.research.test_backtest_parity import write_candles
from tf_lib.app.commands.research.decide import decide_command, read_portfolio
from tf_lib.errors import BarsError, ParameterError
from tf_lib.parameters import load_config

N_DAYS = 420
TODAY = day(N_DAYS)
FULL = {
    "cash": "15000.00",
    "positions": {"AAA-USD": "5.5"},
    "mid_prices": {"AAA-USD": "101.25"},
    "cooldowns": {"BBB-USD": "2023-02-20"},
    "open_stops": {"AAA-USD": "39"},
}


def write_config(folder: Path, **more: Any) -> Path:
    path = folder / "config.yaml"
    content = {"extends": str(STRATEGY), "universe": MADE_UP_UNIVERSE, **more}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a config, candles and a portfolio."""
    write_config(tmp_path)
    write_candles(tmp_path / "candles", market(N_DAYS))
    (tmp_path / "portfolio.json").write_text(json.dumps(FULL), encoding="utf-8")
    return tmp_path


def decided(desk: Path, as_of: dt.date = TODAY) -> dict[str, Any]:
    return decide_command(desk / "config.yaml", desk / "candles", as_of, desk / "portfolio.json")


def test_a_decision_from_files(desk: Path) -> None:
    mapping = decided(desk)

    assert mapping["as_of"] == TODAY.isoformat()
    assert mapping["portfolio"]["equity"] == pytest.approx(15_000 + 5.5 * 101.25)
    assert mapping["tickers"]["AAA-USD"]["current_notional"] == pytest.approx(5.5 * 101.25)
    assert json.loads(json.dumps(mapping, allow_nan=False)) == mapping


def test_twice_is_the_same(desk: Path) -> None:
    assert decided(desk) == decided(desk)


def test_bars_of_the_day_and_later_are_not_used(desk: Path) -> None:
    early = decided(desk, day(400))
    cut = {ticker: frame.loc[: str(day(399))] for ticker, frame in market(N_DAYS).items()}
    write_candles(desk / "candles", cut)

    assert decided(desk, day(400)) == early


def test_nothing_is_written(desk: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in desk.rglob("*"))
    decided(desk)

    assert sorted((p, p.stat().st_mtime_ns) for p in desk.rglob("*")) == before


def test_products_come_from_the_file_the_config_names(desk: Path) -> None:
    header = (
        "product_id,status,trading_disabled,is_disabled,cancel_only,limit_only,post_only,"
        "auction_mode,view_only,base_increment,quote_increment,price_increment,base_min_size,"
        "quote_min_size"
    )
    flags = "online,False,False,True,False,False,False,False,1,1,1,1,1"
    rows = [f"{ticker},{flags}" for ticker in MADE_UP_UNIVERSE["tickers"]]
    (desk / "products.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    write_config(desk, exchange={"products": "products.csv"})
    reasons = {row["reason"] for row in decided(desk)["tickers"].values()}

    assert not reasons & {"enter", "add"}


def test_an_empty_portfolio_is_no_money(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.json"
    path.write_text("{}", encoding="utf-8")
    portfolio = read_portfolio(path, load_config(write_config(tmp_path)))

    assert portfolio.cash == 0.0
    assert not portfolio.positions


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ("[]", "expected an object with cash"),
        ('{"cash": NaN}', "cash: expected a decimal in quotes"),
        ('{"cash": "1", "cash": "2"}', "cash: this key stands twice"),
        ('{"csah": "1"}', "unknown key 'csah'; known are cash, positions"),
        ('{"cash": 15000.5}', "cash: expected a decimal in quotes"),
        ('{"cash": "-1"}', "cash: expected a decimal in quotes of at least 0"),
        ('{"cash": "much"}', "cash: expected a decimal in quotes"),
        ('{"cash": "inf"}', "cash: expected a decimal in quotes"),
        ('{"cash": true}', "cash: expected a decimal in quotes"),
        ('{"positions": []}', "positions: expected an object of tickers"),
        ('{"positions": {"XRP-USD": "1"}}', "positions.XRP-USD: unknown ticker; the config has"),
        ('{"positions": {"AAA-USD": "-1"}}', "positions.AAA-USD: expected a decimal"),
        ('{"positions": {"AAA-USD": null}}', "positions.AAA-USD: expected a decimal"),
        ('{"mid_prices": {"AAA-USD": "0"}}', "mid_prices.AAA-USD: expected a price above 0"),
        ('{"open_stops": {"AAA-USD": "x"}}', "open_stops.AAA-USD: expected a decimal"),
        ('{"cooldowns": {"AAA-USD": "2024-13-01"}}', "cooldowns.AAA-USD: expected a day"),
        ('{"cooldowns": {"AAA-USD": 20240101}}', "cooldowns.AAA-USD: expected a day"),
    ],
)
def test_a_wrong_portfolio_is_refused_with_its_key(desk: Path, content: str, message: str) -> None:
    (desk / "portfolio.json").write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"portfolio\.json") as refused:
        decided(desk)

    assert message in str(refused.value)


def test_missing_files_are_named(desk: Path) -> None:
    with pytest.raises(ParameterError, match="no such portfolio file"):
        decide_command(desk / "config.yaml", desk / "candles", day(N_DAYS), desk / "x.json")
    with pytest.raises(BarsError, match="no such candle folder"):
        decide_command(desk / "config.yaml", desk / "x", day(N_DAYS), desk / "portfolio.json")
    with pytest.raises(ParameterError, match="no such parameter file"):
        decide_command(desk / "x.yaml", desk / "candles", day(N_DAYS), desk / "portfolio.json")


@pytest.mark.parametrize(
    ("as_of", "message"),
    [(day(0), "no usable bar before"), (day(299), "too little history before")],
)
def test_a_day_too_early_is_refused(desk: Path, as_of: dt.date, message: str) -> None:
    with pytest.raises(BarsError, match=message):
        decided(desk, as_of)


def test_a_bad_candle_is_refused_with_file_and_line(desk: Path) -> None:
    path = desk / "candles" / "BBB-USD.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[7] = lines[7].replace(",", ",-", 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    with pytest.raises(BarsError, match=r"BBB-USD\.csv line 8: open must be above 0"):
        decided(desk)


def test_a_year_of_real_candles_is_decided_within_the_promises(tmp_path: Path) -> None:
    if not any(REAL_CANDLES.glob("*.csv")):
        pytest.skip("no real candles stand beside the project (../shared/candles)")
    sleeves: dict[str, Any] = {
        "Core": {"weight": 0.6, "tickers": ["BTC-USD", "ETH-USD", "SOL-USD"]},
        "Alt": {"weight": 0.4, "tickers": ["ADA-USD", "AVAX-USD", "DOGE-USD", "LTC-USD"]},
    }
    tickers = [ticker for sleeve in sleeves.values() for ticker in sleeve["tickers"]]
    config = write_config(tmp_path, universe={"tickers": tickers, "sleeves": sleeves})
    (tmp_path / "portfolio.json").write_text('{"cash": "15000"}', encoding="utf-8")
    entered = 0
    for number in range(0, 366, 15):
        as_of = dt.date(2023, 11, 1) + dt.timedelta(days=number)
        mapping = decide_command(config, REAL_CANDLES, as_of, tmp_path / "portfolio.json")
        weights = [row["target_weight"] for row in mapping["tickers"].values()]
        entered += sum(row["reason"] == "enter" for row in mapping["tickers"].values())

        assert sum(weights) <= 1 + 1e-12
        for sleeve in mapping["sleeves"].values():
            assert sleeve["risk_share"] == pytest.approx(sleeve["budget"], abs=1e-10)
    assert entered > 0
