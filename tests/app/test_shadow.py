"""Live days beside their backtests: no difference in itself, and each planted cause by its name."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.app.profile import FEW_UNIVERSE, Profile, new_profile
from tf_lib.app.commands.research.shadow import ShadowReport, shadow_profile
from tf_lib.app.record.run_inputs import candles_from
from tf_lib.errors import StateError
from tf_lib.research.attribution.shadow import CAUSES
from tf_lib.store.run_folder import RunFolder

# A day on which four tickers are bought, among them BTC, and the three that follow.
DAYS = [dt.date(2023, 7, 5) + dt.timedelta(days=k) for k in range(4)]
BOUGHT, NEXT = DAYS[0], DAYS[1]
CENT = 0.01


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    folder = tmp_path_factory.mktemp("shadow")
    return new_profile(folder / "few.yaml", *DAYS, universe=FEW_UNIVERSE)


@pytest.fixture
def record(ran: Profile, tmp_path: Path) -> Profile:
    """A copy of the record that a test may falsify."""
    return ran.copied(tmp_path / "runs")


def shadow(profile: Profile, **settings: Any) -> ShadowReport:
    return shadow_profile(profile.folder, **settings)


def only(report: ShadowReport, cause: str, amount: float | None = None) -> float:
    """All of the first day's difference lies in one bucket."""
    line = report.table.iloc[0]
    found = float(line[cause])
    for other in (*CAUSES, "unexplained"):
        assert other == cause or abs(line[other]) < CENT, f"{other}: {line[other]}"
    assert line["difference"] == pytest.approx(found, abs=CENT)
    assert abs(found) > 1.0
    if amount is not None:
        assert found == pytest.approx(amount, abs=CENT)
    return found


def change_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.chmod(0o600)
    path.write_text(json.dumps(content))


def move_wallet(profile: Profile, currency: str, amount: Decimal) -> None:
    """Put more into a wallet, or take out of it, before the next day is read."""

    def change(account: Any) -> None:
        wallet = account["wallets"][currency]
        total = Decimal(wallet["available"]) + Decimal(wallet["hold"]) + amount
        account["wallets"][currency] = {"available": str(total), "hold": "0"}

    change_json(profile.day(NEXT) / "inputs" / "account.json", change)


def fill_otherwise(profile: Profile, **factors: str) -> None:
    """Let BTC's purchase have filled with other size, price and fee_rate."""
    part, paid, rate = (Decimal(factors.get(name, 1)) for name in ("size", "price", "fee_rate"))
    cash, units = Decimal(0), Decimal(0)
    lines = profile.ledger()
    for line in _btc_fills(lines):
        before = {name: Decimal(line[name]) for name in ("filled_size", "filled_value", "fees")}
        after = {
            "filled_size": before["filled_size"] * part,
            "filled_value": before["filled_value"] * part * paid,
            "fees": before["fees"] * part * paid * rate,
        }
        line.update({name: str(value) for name, value in after.items()})
        units += after["filled_size"] - before["filled_size"]
        cash -= sum(after[name] - before[name] for name in ("filled_value", "fees"))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (profile.state / "ledger.jsonl").write_text(text)
    move_wallet(profile, "USD", cash)
    move_wallet(profile, "BTC", units)


def _btc_fills(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of a ledger that say how BTC's purchase filled."""
    ids = {
        line["client_id"]
        for line in lines
        if line["kind"] == "intent" and line["product"] == "BTC-USD" and line["day"] == str(BOUGHT)
    }
    return [
        line
        for line in lines
        if line.get("client_id") in ids
        and "-en1-" in line["client_id"]
        and line.get("detail") == "FILLED"
    ]


def filled(profile: Profile, name: str) -> float:
    """Return what BTC's purchase came to, by the ledger: its size or its fees."""
    return sum(float(line.get(name, 0)) for line in _btc_fills(profile.ledger()))


def btc_order(profile: Profile) -> dict[str, Any]:
    orders: list[dict[str, Any]] = profile.json(BOUGHT, "plan.json")["orders"]
    return next(order for order in orders if order["product_id"] == "BTC-USD")


def end_price(profile: Profile, ticker: str) -> float:
    quote = profile.json(NEXT, "inputs/account.json")["quotes"][ticker]
    return (float(quote["bid"]) + float(quote["ask"])) / 2


def test_days_that_went_as_planned_have_no_difference(ran: Profile) -> None:
    """Purchases, sales and stops of live days equal those of their backtests within a cent."""
    report = shadow(ran)

    assert [one.day for one in report.days] == DAYS[:-1]
    assert report.left_out == {DAYS[-1]: "the next day has not been run yet"}
    assert report.table["live_change"].abs().max() > 10.0
    assert report.table[["difference", *CAUSES, "unexplained"]].abs().to_numpy().max() < CENT


def test_nothing_is_written(ran: Profile) -> None:
    """A shadow only looks."""
    before = {path: path.stat().st_mtime_ns for path in ran.runs.rglob("*")}
    shadow(ran)

    assert {path: path.stat().st_mtime_ns for path in ran.runs.rglob("*")} == before


def test_another_fee(record: Profile) -> None:
    """Half the fee on BTC's purchase."""
    fee = filled(record, "fees")
    fill_otherwise(record, fee_rate="0.5")

    only(shadow(record), "fees", fee / 2)


def test_a_worse_price(record: Profile) -> None:
    """Filled half a percent higher, with the fee on it."""
    fill_otherwise(record, price="1.005")

    assert only(shadow(record), "slippage") < 0


def test_a_partial_fill(record: Profile) -> None:
    """Half of the order."""
    fill_otherwise(record, size="0.5")

    only(shadow(record), "missed_fills")


def test_a_late_order(record: Profile) -> None:
    """The price was two percent up when the account was read; the same size was bought there."""
    size, factor = float(btc_order(record)["base_size"]), 1.02
    reference: list[float] = []

    def later(account: Any) -> None:
        quote = account["quotes"]["BTC-USD"]
        quote.update({name: str(Decimal(quote[name]) * Decimal("1.02")) for name in quote})
        reference.append((float(quote["bid"]) + float(quote["ask"])) / 2)

    def decided(plan: Any) -> None:
        plan["decision"]["tickers"]["BTC-USD"]["trade_notional"] = size * reference[0]

    change_json(record.day(BOUGHT) / "inputs" / "account.json", later)
    change_json(record.day(BOUGHT) / "plan.json", decided)
    fill_otherwise(record, price=str(factor))
    line = shadow(record).table.iloc[0]

    # The pilot, a dollar's worth, filled at the old price: a few cents of slippage.
    assert line["timing"] < -10.0
    assert abs(line["slippage"]) < 0.1
    assert abs(line["difference"] - line["timing"]) < 0.1


def test_a_size_rounded_down(record: Profile) -> None:
    """Ordered and filled a tenth less than the decision wanted."""
    size = float(btc_order(record)["base_size"])
    pilot = size - filled(record, "filled_size")
    kept = (size * 0.9 - pilot) / (size - pilot)

    def ordered(plan: Any) -> None:
        next(o for o in plan["orders"] if o["product_id"] == "BTC-USD")["base_size"] = str(
            size * 0.9
        )

    change_json(record.day(BOUGHT) / "plan.json", ordered)
    fill_otherwise(record, size=str(kept))

    only(shadow(record), "rounding")


def test_something_sold_by_hand(record: Profile) -> None:
    """A hundredth of a BTC, five percent above the day's last price."""
    price = end_price(record, "BTC-USD") * 1.05
    move_wallet(record, "BTC", Decimal("-0.01"))
    move_wallet(record, "USD", Decimal(str(price)) / 100)

    only(shadow(record), "manual_trades", 0.01 * price - 0.01 * end_price(record, "BTC-USD"))


def test_a_deposit_is_unexplained(record: Profile) -> None:
    """No bucket takes what no trade explains."""
    move_wallet(record, "USD", Decimal(250))

    only(shadow(record), "unexplained", 250.0)


def test_candles_that_were_revised(record: Profile) -> None:
    """BTC's bar of the day before, as known now, has another close and high."""
    known = candles_from(RunFolder(record.day(DAYS[-1]), now=lambda: dt.datetime.now(dt.UTC)))
    before = pd.Timestamp(BOUGHT - dt.timedelta(days=1), tz="UTC")
    revised = known["BTC-USD"].copy()
    revised.loc[before, ["close", "low"]] *= 0.85

    only(shadow(record, candles={**known, "BTC-USD": revised}), "data_revision")


def test_a_missing_day_is_left_out_and_said(record: Profile) -> None:
    """A shadow lives one day, not two."""
    import shutil

    shutil.rmtree(record.day(NEXT))
    report = shadow(record)

    assert [one.day for one in report.days] == DAYS[2:3]
    assert report.left_out[BOUGHT] == f"the next run is of {DAYS[2]}: a shadow lives one day"


def test_a_folder_without_runs_is_said(tmp_path: Path) -> None:
    """Nothing to shadow."""
    with pytest.raises(StateError, match="no day with inputs/account"):
        shadow_profile(tmp_path / "live")
