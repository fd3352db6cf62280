"""
Weeks of days in a row, judged by the exchange's own state.

Twice: on the made-up market that every newcomer gets, and on the real candles of the issue. In the
slow tests the latter is the whole span of the issue, 2023-11-01 to 2024-03-10.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal

import pandas as pd
import pytest

from tests.app.profile import PROJECT, Profile, real_parameters, write_parameters
from tests.app.span import COOLDOWN_DAYS, STARTING_CASH, Span, cooldown_starts, events, run_span
from tests.oracle.exchange_state import requests

CASH_BUFFER = Decimal("0.15")
MADE_UP_FROM = "2024-03-01"
REAL_SPANS = {"real": "2023-11-21", "whole": "2024-03-10"}


@pytest.fixture(
    scope="session", params=["made-up", "real", pytest.param("whole", marks=pytest.mark.slow)]
)
def span(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Span:
    """Run the days once for all tests here."""
    folder = tmp_path_factory.mktemp("span")
    if request.param == "made-up":
        profile = Profile(write_parameters(folder / "demo.yaml"), folder / "runs")
        return run_span(profile, MADE_UP_FROM, "2024-03-18")
    profile = Profile(real_parameters(folder / "real.yaml"), folder / "runs")
    return run_span(profile, "2023-11-01", REAL_SPANS[request.param])


def test_every_day_is_done_and_says_so(span: Span) -> None:
    """Exit 0, the three marks in their order, and an error log without errors."""
    for end in span.days:
        summary = span.summary(end)

        assert end.code == 0, end.said
        assert span.profile.marks(end.day) == ["claimed", "effects_complete", "done"]
        assert (summary["state"], summary["exit_code"], summary["attempt"]) == ("done", 0, 1)
        assert span.profile.lines(end.day, "errors") == []
        assert summary["errors"] == summary["problems"] == summary["rejects"] == []


def test_everything_held_is_under_open_stops_of_its_size(span: Span) -> None:
    """Nothing unprotected, nothing doubled, nothing stray, no order left but stops."""
    assert {str(end.day): end.wrong for end in span.days if end.wrong} == {}


def test_money_and_units_are_conserved_exactly(span: Span) -> None:
    """Starting cash and all fills and fees give the wallets, to the last digit."""
    for end in span.days:
        exchange = end.exchange

        assert exchange.cash == exchange.cash_by_fills(STARTING_CASH)
        for product in exchange.held_products:
            assert exchange.held(product) == exchange.held_by_fills(product)


def test_cash_is_never_negative_and_never_on_hold(span: Span) -> None:
    """After every single fill, in the order in which they happened."""
    exchange, cash = span.days[-1].exchange, STARTING_CASH
    for fill in sorted(exchange.fills, key=lambda one: one.at):
        cash += (fill.value if fill.side == "SELL" else -fill.value) - fill.fee

        assert cash >= 0
    assert all(end.exchange.wallet("USD").hold == 0 for end in span.days)


def test_buying_leaves_the_cash_buffer(span: Span) -> None:
    """A day's buys cost no more than the cash less its buffer, and the day's net sales."""
    for before, end in span.pairs():
        today = {o.order_id for o in end.orders if o.leg in ("en", "pi", "tr", "ex", "du")}
        fills = [fill for fill in end.exchange.fills if fill.order_id in today]
        spent = sum(f.value + f.fee for f in fills if f.side == "BUY")
        if not spent:
            continue
        gained = sum(f.value - f.fee for f in fills if f.side == "SELL")
        start = end.exchange.cash + spent - gained
        assert start >= before.exchange.cash  # a stop may have sold something in between

        # The rule counts slippage and fee side by side, the exchange one on top of the other.
        assert spent <= start * (1 - CASH_BUFFER) + gained + spent / 1000


def test_no_leverage_and_no_name_above_its_cap(span: Span) -> None:
    """Targets stay within the deployable equity and the cap of the day."""
    for end in span.days:
        portfolio = span.summary(end)["portfolio"]
        weights = [row["target_weight"] for row in span.summary(end)["tickers"].values()]

        assert sum(weights) <= 1 + 1e-12
        assert max(weights) <= (portfolio["cap_value"] or 0.0) + 1e-12
        assert portfolio["deployable"] == pytest.approx(0.85 * portfolio["equity"])


def lowest(prices: Iterable[Decimal | None]) -> Decimal:
    """Return the lowest of prices that stops must have."""
    found = list(prices)
    assert None not in found
    return min(price for price in found if price is not None)


def test_summary_tells_what_the_exchange_holds(span: Span) -> None:
    """Cash, units, stops and fills of the summary are those of the exchange."""
    for end in span.days:
        summary, exchange = span.summary(end), end.exchange
        assert summary["cash"] == pytest.approx(float(exchange.cash), abs=1e-6)
        assert tuple(sorted(summary["positions"])) == exchange.held_products
        worth = float(exchange.cash)
        for product, row in summary["positions"].items():
            wallet, stops = exchange.wallet(product.split("-")[0]), exchange.stops(product)
            worth += float(wallet.total) * row["price"]

            assert Decimal(row["available"]) == wallet.available
            assert Decimal(row["hold"]) == wallet.hold
            assert Decimal(row["stop"]) == lowest(stop.stop for stop in stops)
            assert Decimal(row["stop_limit"]) == lowest(stop.limit for stop in stops)
        assert summary["equity"] == pytest.approx(worth, abs=0.01)
        traded = [o for o in end.orders if o.leg in ("en", "pi", "tr", "ex", "du")]
        told = [name for row in summary["orders"] for name in row["client_ids"]]
        assert sorted(told) == sorted(order.client_id for order in traded)


def test_prices_are_those_of_the_day_and_bars_end_the_day_before(span: Span) -> None:
    """The row decided on ends with yesterday's bar; the price it trades at is today's."""
    for end in span.days[::9]:
        candles = pd.read_parquet(span.profile.day(end.day) / "inputs" / "candles.parquet")
        newest = candles.groupby("ticker")["date"].max()

        assert (newest == pd.Timestamp(end.day, tz="UTC") - pd.Timedelta(days=1)).all()
        closes = candles[candles["date"] == newest.iloc[0]].set_index("ticker")["close"]
        told = {t: row["close"] for t, row in span.summary(end)["tickers"].items()}
        assert told == closes.to_dict()


def test_everything_that_can_happen_happens(span: Span) -> None:
    """The span enters, adds, trims, exits, raises stops, is stopped out and cools down."""
    happened = events(span)
    reasons = {row["reason"] for end in span.days for row in span.summary(end)["tickers"].values()}

    # On the made-up market a signal hardly ever falls to nothing before its stop is hit.
    rare = {"exit"} if span.days[0].day.isoformat() == MADE_UP_FROM else set()
    assert {kind for kind, found in happened.items() if not found} <= rare
    wanted = {"cooldown_active", "below_threshold", "no_position"}
    assert wanted | (set() if rare else {"full_exit"}) <= reasons


def test_nothing_is_bought_in_a_cooldown(span: Span) -> None:
    """Seven days from the last fill of a stop, that day included."""
    exchange = span.days[-1].exchange
    starts = cooldown_starts(span)
    assert starts
    for product, start in starts:
        bought = [f.at for f in exchange.fills if f.product == product and f.side == "BUY"]
        later = [at for at in bought if at > start]
        too_early = [at for at in later if (at.date() - start.date()).days < COOLDOWN_DAYS]

        assert too_early == [], f"{product}, stopped out {start}"


def test_what_stops_sold_is_told_once(span: Span) -> None:
    """Each fill of a stop or an emergency exit is in the next summary, and in that one alone."""
    told: dict[str, Decimal] = {}
    for end in span.days:
        for row in span.summary(end)["taken"]:
            assert row["client_id"] not in told
            told[row["client_id"]] = Decimal(row["filled_size"])
        sold = {
            order.client_id: order.filled
            for order in end.exchange.orders
            if order.is_own and order.leg in ("sc", "sa", "em") and order.filled
        }
        assert told == sold
    assert told


def test_stops_are_never_lowered_while_held(span: Span) -> None:
    """From day to day the lowest stop of a holding stays or rises."""
    compared = 0
    for before, after in span.pairs():
        sold = {f.product for f in after.exchange.fills if f.at > before.exchange.now}
        for product in set(before.exchange.held_products) & set(after.exchange.held_products):
            is_same_holding = product not in sold
            if is_same_holding:
                old = lowest(stop.stop for stop in before.exchange.stops(product))
                new = lowest(stop.stop for stop in after.exchange.stops(product))
                compared += 1

                assert new >= old, f"{after.day} {product}"
    assert compared


def test_every_order_was_intended_before_it_was_made(span: Span) -> None:
    """The ledger's intent is older than the order, with the same product, side and size."""
    intents = {x["client_id"]: x for x in span.profile.ledger() if x["kind"] == "intent"}
    exchange = span.days[-1].exchange
    for order in exchange.orders:
        intent = intents[order.client_id]

        assert dt.datetime.fromisoformat(intent["at"]) <= order.created
        assert (intent["product"], intent["side"]) == (order.product, order.side)
        assert Decimal(intent["body"]["base_size"]) == order.size
    assert len(exchange.orders) == len(intents)


def test_fills_never_exceed_the_plan(span: Span) -> None:
    """What was traded of a product and leg is what the frozen plan holds, never more."""
    plans = {x["day"]: x for x in span.profile.ledger() if x["kind"] == "plan"}
    for end in span.days:
        orders = plans[str(end.day)]["orders"]
        planned = {(row["product_id"], row["leg"]): Decimal(row["base_size"]) for row in orders}
        filled: dict[tuple[str, str], Decimal] = {}
        for order in end.orders:
            leg = "en" if order.leg == "pi" else order.leg
            if leg in ("en", "tr", "ex"):
                key = (order.product, leg)
                filled[key] = filled.get(key, Decimal(0)) + order.filled

        assert set(filled) <= set(planned)
        assert all(size <= planned[key] for key, size in filled.items())


def test_reported_unprotected_time_is_no_less_than_the_true_one(span: Span) -> None:
    """From the cancel of a stop, or the fill of an entry, to the next stop that is open."""
    for end in span.days:
        told = span.summary(end)["bare_seconds"]
        for product in end.exchange.held_products:
            made = [o for o in end.orders if o.product == product and o.kind == "STOP_LIMIT"]
            ended = [
                o.last_update
                for o in end.exchange.orders
                if o.product == product
                and (o.status == "CANCELLED" or o.leg in ("en", "pi"))
                and o.last_update.date() == end.day
            ]
            for stop in made:
                since = max((at for at in ended if at <= stop.created), default=stop.created)

                assert (stop.created - since).total_seconds() <= told.get(product, 0.0) + 1e-9


def test_record_of_every_day_is_whole(span: Span) -> None:
    """Every artifact of the design is there, and the done mark holds its sha256."""
    logs = "heartbeat desired_trades order_build order_submit dust_build dust_submit"
    wanted = {f"logs/{name}.jsonl" for name in (*logs.split(), "stop_updates", "errors")}
    wanted |= {f"snapshots/{name}.parquet" for name in ("post_desired_trades", "final")}
    wanted |= {"snapshots/post_refresh_positions.parquet", "inputs/candles.parquet"}
    wanted |= {"inputs/account.json", "config.yaml", "plan.json", "signals.parquet"}
    wanted |= {"covariance.parquet", "journal.jsonl"}
    for end in span.days:
        done = span.profile.json(end.day, "done.json")
        listed = {row["path"]: row["sha256"] for row in done["artifacts"]}

        assert wanted | {f"daily_summary_{end.day}.json"} <= set(listed)
        for name, digest in listed.items():
            content = (span.profile.day(end.day) / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, name


def test_snapshots_have_a_row_per_ticker(span: Span) -> None:
    """With the columns of the runbook and of the decision."""
    columns = {"stop_loss", "cooldown_counter", "event", "data_ok", "available", "hold"}
    columns |= {"current_notional", "target_notional", "new_trade_notional", "reason"}
    columns |= {"final_signal", "atr", "chandelier_stop", "target_weight", "sleeve"}
    end = span.days[len(span.days) // 2]
    tickers = sorted(span.summary(end)["tickers"])
    for name in ("post_desired_trades", "post_refresh_positions", "final"):
        table = pd.read_parquet(span.profile.day(end.day) / "snapshots" / f"{name}.parquet")

        assert list(table.index) == tickers
        assert columns <= set(table.columns)


def test_journal_is_the_ledgers_extract_of_the_day(span: Span) -> None:
    """Every line of the day, in order, but the done mark that comes after."""
    for end in span.days[::5]:
        text = (span.profile.day(end.day) / "journal.jsonl").read_text(encoding="utf-8")
        journal = [json.loads(line) for line in text.splitlines()]
        ledger = [x for x in span.profile.ledger() if x["at"][:10] == str(end.day)]

        assert journal == ledger[:-1]
        assert ledger[-1]["kind"] == "mark"


def test_a_normal_day_asks_once_for_each_tickers_candles(span: Span) -> None:
    """The first day reads history; every later one makes one request a ticker."""
    asked: dict[str, dict[str, int]] = {}
    for line in requests(span.profile.request_log):
        if line["path"].endswith("/candles"):
            product = line["path"].split("/")[-2]
            day = asked.setdefault(line["exchange_time"][:10], {})
            day[product] = day.get(product, 0) + 1
    days = list(asked.values())

    assert max(days[0].values()) > 1
    assert all(set(count.values()) == {1} for count in days[1:])


def test_no_secret_is_written_anywhere(span: Span) -> None:
    """The key is in its own file and in no other."""
    keys = span.profile.state / "exchange_keys"
    secret = json.loads((keys / "key.json").read_text(encoding="utf-8"))["privateKey"]
    lines = [line for line in secret.splitlines() if len(line) > 20]
    assert lines
    for path in span.profile.folder.rglob("*"):
        if path.is_file() and keys not in path.parents:
            content = path.read_bytes()

            assert not any(line.encode() in content for line in lines), path
    assert str(PROJECT) not in (span.profile.day(span.days[0].day) / "plan.json").read_text()
