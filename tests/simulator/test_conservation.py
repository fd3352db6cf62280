"""
Money is conserved, whatever is ordered, cancelled, edited, delayed, dropped or restarted.

The same sequences every time; ``python -m tests.simulator.long_run`` makes new ones.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulator.conftest import BARS, PREFIX, at, bar_frame, order_body
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.dispatcher import LineError
from tf_lib.simulator.simulated_clock import DAY, micros

START = Decimal(15_000)
REWARD, REWARD_AT = Decimal("0.00000002"), 30_000_000
EVENTS = [
    {"kind": "reward", "currency": "ETH", "amount": str(REWARD), "daily_at": "00:00:30"},
    {"kind": "account", "currency": "EUR", "row": {"hold": None}, "at": "2024-03-01"},
    {
        "kind": "trade",
        "product": "BTC-USD",
        "side": "BUY",
        "order_configuration": {"market_market_ioc": {"quote_size": "100"}},
        "daily_at": "12:00",
    },
    {
        "kind": "flag",
        "product": "ETH-USD",
        "flag": "view_only",
        "value": False,
        "cancels": True,
        "daily_at": "18:00",
    },
]
TERMINAL = {"FILLED", "CANCELLED", "EXPIRED", "FAILED"}
PRODUCTS = st.sampled_from(["BTC-USD", "ETH-USD"])
DELAYS = ["hold_release", "cancel_ack", "edit_ack", "order_pending", "market_fill"]
SIDES = st.sampled_from(["BUY", "SELL"])
SIZES = st.sampled_from(["0.5", "1", "3.25", "20", "0.00000001", "1000", "0.123456789"])
SHARES = st.sampled_from(["0.60", "0.90", "0.97", "1.00", "1.03", "1.10", "1.40"])


class Exchange(RuleBasedStateMachine):
    """One exchange under every kind of request and every kind of mishap."""

    executed = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.client_ids: dict[str, str] = {}
        self.ended: dict[str, Any] = {}
        self.outside: dict[str, Decimal] = {"USD": START}

    @initialize()
    def open(self) -> None:
        self.exchange = self.opened()

    def opened(self) -> SimulatedExchange:
        easy = bar_frame(BARS)
        cheap = (easy / 10).round(2).assign(volume=5000.0)
        return SimulatedExchange(
            SimulatorSettings(
                candles={"BTC-USD": easy, "ETH-USD": cheap},
                as_of=dt.date(2024, 3, 1),
                state_file=Path(self.folder.name) / "state.sqlite",
                faults={"events": EVENTS},
            )
        )

    def teardown(self) -> None:
        self.exchange.stop()
        self.folder.cleanup()

    # -- what may happen ----------------------------------------------------------------------

    def call(self, path: str, body: Any) -> Any:
        try:
            status, payload = self.exchange.engine.handle("POST", PREFIX + path, None, body)
        except LineError:
            return None
        assert status < 500 or "scheduled fault" in payload
        return payload if status == 200 and isinstance(payload, dict) else None

    def price(self, product: str, share: str) -> str:
        last = self.exchange.engine.venue.matching.last_price(product)
        assert last is not None
        return f"{last * Decimal(share):.2f}"

    def create(self, product: str, side: str, configuration: Any, name: str, **more: Any) -> None:
        body = order_body(side, configuration, name, product_id=product, **more)
        reply = self.call("/orders", body)
        if reply and reply["success"]:
            order_id = reply["success_response"]["order_id"]
            assert self.client_ids.setdefault(name, order_id) == order_id

    @rule(product=PRODUCTS, side=SIDES, size=SIZES, quote=st.booleans(), n=st.integers(0, 15))
    def market(self, product: str, side: str, size: str, quote: bool, n: int) -> None:
        sizes = {"quote_size": "250.55"} if quote else {"base_size": size}
        self.create(product, side, {"market_market_ioc": sizes}, f"m{n}")

    @rule(
        product=PRODUCTS,
        side=SIDES,
        size=SIZES,
        share=SHARES,
        kind=st.sampled_from(["limit_limit_gtc", "sor_limit_ioc", "limit_limit_fok"]),
        n=st.integers(0, 25),
    )
    def limit(self, product: str, side: str, size: str, share: str, kind: str, n: int) -> None:
        configuration = {kind: {"base_size": size, "limit_price": self.price(product, share)}}
        self.create(product, side, configuration, f"l{n}")

    @rule(
        product=PRODUCTS, side=SIDES, size=SIZES, at=SHARES, beyond=SHARES, up=st.booleans(),
        n=st.integers(0, 25), hours=st.sampled_from([0, 5, 30]),
    )  # fmt: skip
    def stop(
        self, product: str, side: str, size: str, at: str, beyond: str, up: bool, n: int, hours: int
    ) -> None:
        fields = {
            "base_size": size,
            "stop_price": self.price(product, at),
            "limit_price": self.price(product, beyond),
            "stop_direction": f"STOP_DIRECTION_STOP_{'UP' if up else 'DOWN'}",
        }
        name = "stop_limit_stop_limit_gtc"
        if hours:
            name = "stop_limit_stop_limit_gtd"
            fields["end_time"] = (self.exchange.now() + dt.timedelta(hours=hours)).isoformat()
        self.create(product, side, {name: fields}, f"s{n}")

    @rule(product=PRODUCTS, side=SIDES, size=SIZES, n=st.integers(0, 25))
    def bracket(self, product: str, side: str, size: str, n: int) -> None:
        high, low = ("1.10", "0.90") if side == "SELL" else ("0.90", "1.10")
        fields = {
            "base_size": size,
            "limit_price": self.price(product, high),
            "stop_trigger_price": self.price(product, low),
        }
        self.create(product, side, {"trigger_bracket_gtc": fields}, f"b{n}")

    @rule(product=PRODUCTS, size=SIZES, share=SHARES, is_market=st.booleans(), n=st.integers(0, 15))
    def bracketed_buy(self, product: str, size: str, share: str, is_market: bool, n: int) -> None:
        high, low = self.price(product, "1.20"), self.price(product, "0.85")
        fields = {"limit_price": high, "stop_trigger_price": low}
        parent = {"limit_limit_gtc": {"base_size": size, "limit_price": self.price(product, share)}}
        if is_market:
            parent = {"market_market_ioc": {"base_size": size}}
        attached = {"trigger_bracket_gtc": fields}
        self.create(product, "BUY", parent, f"a{n}", attached_order_configuration=attached)

    @rule(which=st.integers(0, 10_000))
    @precondition(lambda self: self.client_ids)
    def cancel(self, which: int) -> None:
        ids = sorted(self.client_ids.values())
        self.call("/orders/batch_cancel", {"order_ids": [ids[which % len(ids)]]})

    @rule(which=st.integers(0, 10_000), size=SIZES, share=SHARES)
    @precondition(lambda self: self.client_ids)
    def edit(self, which: int, size: str, share: str) -> None:
        ids = sorted(self.client_ids.values())
        price = self.price("BTC-USD", share)
        self.call("/orders/edit", {"order_id": ids[which % len(ids)], "price": price, "size": size})

    @rule(minutes=st.sampled_from([1, 30, 300, 1440, 3000]))
    def time_passes(self, minutes: int) -> None:
        self.exchange.advance_to(self.exchange.now() + dt.timedelta(minutes=minutes))

    @rule(seconds=st.sampled_from([0, 3, 4000]), kind=st.sampled_from(DELAYS))
    def delay(self, seconds: int, kind: str) -> None:
        self.exchange.set_delays(**{f"{kind}_seconds": seconds})

    @rule(product=PRODUCTS, fraction=st.sampled_from(["0", "0.3", "0.999"]))
    def thin_book(self, product: str, fraction: str) -> None:
        self.exchange.thin_out({product: fraction})

    @rule(product=PRODUCTS)
    def failure(self, product: str) -> None:
        self.exchange.engine.venue.matching.world.failures[product] = "HOLD_FAILURE"

    @rule(taker=st.sampled_from(["0.002", "0.012", "0.03"]))
    def fees(self, taker: str) -> None:
        self.exchange.engine.happen("fees", {"maker": "0.001", "taker": taker})

    @rule(product=PRODUCTS, share=st.sampled_from(["0.5", "0.95", "1.05", "2"]))
    def jump(self, product: str, share: str) -> None:
        now = self.exchange.now()
        if (now + dt.timedelta(seconds=2)).date() == now.date():
            price = Decimal(self.price(product, share))
            self.exchange.plant_jump(product, now + dt.timedelta(seconds=1), price)

    @rule(currency=st.sampled_from(["USD", "BTC", "XYZ"]), amount=st.integers(1, 5000))
    def deposit(self, currency: str, amount: int) -> None:
        self.exchange.deposit(currency, Decimal(amount))
        self.outside[currency] = self.outside.get(currency, Decimal(0)) + amount

    @rule(kind=st.sampled_from(["drop_before", "drop_after", "truncated_json", "status"]))
    def fault(self, kind: str) -> None:
        self.exchange.add_fault(kind=kind, endpoint="POST /orders*", calls=[1])

    @rule(flag=st.sampled_from(["cancel_only", "limit_only"]), value=st.booleans())
    def flag(self, flag: str, value: bool) -> None:
        self.exchange.set_flag("BTC-USD", flag, value)

    @rule()
    def restart(self) -> None:
        before = self.truth()
        self.exchange.stop()
        self.exchange = self.opened()
        for now, then in zip(self.truth(), before, strict=True):
            assert now == then

    # -- what must hold -----------------------------------------------------------------------

    def truth(self) -> Any:
        matching = self.exchange.engine.venue.matching
        wallets = {w.currency: (w.available, w.hold) for w in matching.wallets}
        return matching.now, wallets, matching.orders, matching.fills, matching.by_client_id

    @invariant()
    def adds_up(self) -> None:
        Exchange.executed += 1
        matching = self.exchange.engine.venue.matching
        owned = dict(self.outside)
        days = (matching.now - REWARD_AT) // DAY - (micros(at("2024-03-01")) - REWARD_AT) // DAY - 1
        owned["ETH"] = owned.get("ETH", Decimal(0)) + days * REWARD
        for fill in matching.fills:
            base, quote = fill.product_id.split("-")
            sign = 1 if fill.side == "BUY" else -1
            value = (fill.price * fill.size).quantize(Decimal("1E-16"), "ROUND_DOWN")
            owned[base] = owned.get(base, Decimal(0)) + sign * fill.size
            owned[quote] -= sign * value + fill.commission
        held: dict[str, Decimal] = {}
        for order in matching.orders.values():
            name = order.terms.held_currency
            held[name] = held.get(name, Decimal(0)) + order.held
            assert order.held == 0 or order.is_live
        for event in matching.agenda.events:
            if event.kind == "release":
                held[event.data["currency"]] += Decimal(event.data["amount"])
        for wallet in matching.wallets:
            assert wallet.available >= 0
            assert wallet.hold >= 0
            assert wallet.total == owned.get(wallet.currency, 0), wallet
            assert wallet.hold == held.get(wallet.currency, 0), wallet

    @invariant()
    def ended_orders_stay(self) -> None:
        for order in self.exchange.engine.venue.matching.orders.values():
            shown = (order.status, order.filled_size, order.filled_value, order.fees, order.edits)
            if order.status in TERMINAL:
                assert self.ended.setdefault(order.order_id, shown) == shown
            else:
                assert order.order_id not in self.ended
            assert 0 <= order.filled_size <= order.size

    @invariant()
    def one_order_per_client_id(self) -> None:
        orders = self.exchange.engine.venue.matching.orders.values()
        assert len({order.client_order_id for order in orders}) == len(orders)


Exchange.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, derandomize=True
)
TestMoneyIsConserved = Exchange.TestCase
