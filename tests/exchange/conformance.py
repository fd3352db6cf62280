"""
The conformance suite: what every adapter of `tf_lib.exchange.port.Exchange` must do.

A new adapter passes it by a class of its own in ``test_conformance.py`` that inherits
`Conformance` and has a fixture ``venue``; nothing here knows of any adapter.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

import pytest

from tf_lib.core.model.records import MarketOrder, Side, StopOrder
from tf_lib.errors import TfError
from tf_lib.exchange.clock import clock_offset
from tf_lib.exchange.port import (
    Accepted,
    Answer,
    CancelOutcome,
    Exchange,
    OrderState,
    OrderStatus,
    RefusalKind,
    Refused,
    Trigger,
    Unknown,
)

ENTRY, STOP, EXIT = (f"tf1-240301-{leg}1-0000000000000001" for leg in ("entry", "stop", "exit"))
COIN, OTHER, CASH = "BTC-USD", "ETH-USD", Decimal(15000)
DAY = dt.date(2024, 3, 1)
BUY = MarketOrder(COIN, Side.BUY, Decimal("0.05"))
SELL = MarketOrder(COIN, Side.SELL, BUY.base_size)
NOTHING = Decimal(0)


class Venue(Protocol):
    """An exchange to speak to at 00:01 UTC of `DAY`, with `CASH` dollars, and what moves it."""

    @property
    def exchange(self) -> Exchange:
        """The adapter."""
        ...

    def set_price(self, price: Decimal) -> None:
        """Let `COIN` trade at a price from now on, and time pass until its orders have met it."""
        ...

    def lose(self, action: str, *, is_taken: bool) -> None:
        """Give the next ``send`` or ``cancel`` no answer, whether it was taken or not."""
        ...


def stop_below(last: Decimal, share: str = "0.9", size: Decimal = BUY.base_size) -> StopOrder:
    """Return a stop at a share of the last trade, its limit 2 % below."""
    level = (last * Decimal(share)).quantize(Decimal("0.01"))
    return StopOrder(COIN, size, level, (level * Decimal("0.98")).quantize(Decimal("0.01")))


def taken(answer: Answer) -> str:
    """Return the id that the exchange gave an order."""
    assert isinstance(answer, Accepted), answer
    return answer.order_id


def shown(venue: Venue, order_id: str) -> OrderState:
    """Return an order that is there."""
    state = venue.exchange.order(order_id)
    assert state is not None
    return state


def protected(venue: Venue) -> tuple[str, StopOrder]:
    """Buy, and put all of it under a stop; return the stop."""
    taken(venue.exchange.send(ENTRY, BUY))
    stop = stop_below(venue.exchange.last_trade(COIN))
    return taken(venue.exchange.send(STOP, stop)), stop


class Conformance:
    """Inherited by the tests of each adapter."""

    # -- reads ---------------------------------------------------------------------------

    def test_the_line_says_whose_it_is(self, venue: Venue) -> None:
        """The key may trade and not take money out, in a portfolio that is there."""
        line = venue.exchange.line
        key = line.key_permissions()
        offset = clock_offset(line)

        assert (key.can_view, key.can_trade, key.can_transfer) == (True, True, False)
        assert key.portfolio_uuid in {one.uuid for one in line.portfolios() if not one.deleted}
        assert (line.server_time().date(), line.heard_time.is_known) == (DAY, True)
        assert (
            abs(dt.datetime.now(dt.UTC).timestamp() + offset - line.server_time().timestamp()) < 5
        )

    def test_a_market_has_rules_and_prices(self, venue: Venue) -> None:
        """What nobody lists is absent, never zero."""
        exchange = venue.exchange
        listed, books = exchange.products([COIN, OTHER]), exchange.quotes([COIN, OTHER])
        (bid, ask), last = books[COIN], listed[COIN].last

        assert set(listed) == set(books) == {COIN, OTHER}
        assert last is not None
        assert bid < last < ask
        assert exchange.last_trade(COIN) == last
        assert listed[COIN].product.accepts_market_orders
        assert (exchange.products([]), exchange.quotes([])) == ({}, {})
        assert exchange.products(["NO-USD"]) == {}

    def test_candles_are_whole_days(self, venue: Venue) -> None:
        """Five numbers a day, and the last day that was asked for is among them."""
        bars = venue.exchange.candle_page(COIN, DAY - dt.timedelta(days=5), DAY)
        opened, high, low, close, volume = bars[DAY - dt.timedelta(days=1)]

        assert set(bars) >= {DAY - dt.timedelta(days=n) for n in range(1, 6)}
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume >= 0

    def test_an_untouched_account_has_its_cash(self, venue: Venue) -> None:
        """No orders, no fills, fees that are fractions."""
        exchange = venue.exchange
        fees = exchange.fee_rates()

        assert exchange.holdings()["USD"].total == CASH
        assert (exchange.orders(), exchange.orders(is_open=True)) == ([], [])
        assert exchange.fills([]) == []
        assert 0 <= fees.maker <= fees.taker < 0.1
        assert exchange.order("00000000-0000-4000-8000-000000000000") is None
        assert not exchange.left_out

    # -- the life of an order ------------------------------------------------------------

    def test_a_market_order_fills_and_its_fills_add_up(self, venue: Venue) -> None:
        """To the unit, and the fees to what the order says."""
        exchange = venue.exchange
        order_id = taken(exchange.send(ENTRY, BUY))
        order, fills = shown(venue, order_id), exchange.fills([order_id])

        assert (order.client_order_id, order.kind, order.side) == (ENTRY, "market", Side.BUY)
        assert (order.status, order.remaining) == (OrderStatus.FILLED, NOTHING)
        assert sum(one.base_size for one in fills) == order.filled_size == BUY.base_size
        assert sum(one.commission for one in fills) == order.total_fees > 0
        assert exchange.holdings()["BTC"].available == BUY.base_size
        spent = order.filled_value + order.total_fees
        assert abs(exchange.holdings()["USD"].total + spent - CASH) < Decimal("1E-9")

    def test_a_stop_rests_and_holds_its_units(self, venue: Venue) -> None:
        """Read back as it was sent, and listed among the open ones."""
        exchange = venue.exchange
        order_id, stop = protected(venue)
        order, wallet = shown(venue, order_id), exchange.holdings()["BTC"]

        assert order.is_live_stop
        assert (order.base_size, order.stop_price, order.limit_price) == (
            stop.base_size,
            stop.stop_price,
            stop.limit_price,
        )
        assert (wallet.available, wallet.hold) == (NOTHING, BUY.base_size)
        assert [one.order_id for one in exchange.orders([COIN], is_open=True)] == [order_id]
        assert exchange.orders([OTHER]) == []
        assert len(exchange.orders(start=order.created_time - dt.timedelta(days=1))) == 2

    def test_a_stop_sells_when_price_falls_to_it(self, venue: Venue) -> None:
        """Not below its limit."""
        order_id, stop = protected(venue)
        venue.set_price((stop.stop_price + stop.limit_price) / 2)
        order = shown(venue, order_id)

        assert (order.status, order.filled_size) == (OrderStatus.FILLED, BUY.base_size)
        assert order.filled_value / order.filled_size >= stop.limit_price
        assert venue.exchange.holdings()["BTC"].total == NOTHING

    def test_a_stop_that_price_gaps_over_is_triggered_and_protects_nothing(
        self, venue: Venue
    ) -> None:
        """It rests below its limit: no live stop, and not over."""
        order_id, stop = protected(venue)
        venue.set_price(stop.limit_price / 2)
        order = shown(venue, order_id)

        assert (order.status, order.trigger) == (OrderStatus.OPEN, Trigger.TRIGGERED)
        assert (order.is_live_stop, order.is_terminal) == (False, False)

    def test_a_cancel_frees_what_was_held(self, venue: Venue) -> None:
        """Once; a second one is refused, and so is one of an order that never was."""
        exchange = venue.exchange
        order_id, _ = protected(venue)
        first = exchange.cancel([order_id, order_id])
        again, stranger = exchange.cancel([order_id]), exchange.cancel(["no-such-order"])
        order = shown(venue, order_id)

        assert [one.outcome for one in first.values()] == [CancelOutcome.ACCEPTED]
        assert again[order_id].outcome is CancelOutcome.REFUSED
        assert stranger["no-such-order"].outcome is CancelOutcome.REFUSED
        assert (order.status, order.remaining) == (OrderStatus.CANCELLED, NOTHING)
        assert exchange.holdings()["BTC"].available == BUY.base_size
        assert exchange.cancel([]) == {}

    def test_a_cancel_that_loses_the_race_to_a_fill_is_refused(self, venue: Venue) -> None:
        """What was sold stays sold."""
        order_id, stop = protected(venue)
        venue.set_price(stop.stop_price)
        answer = venue.exchange.cancel([order_id])[order_id]

        assert answer.outcome is CancelOutcome.REFUSED
        assert shown(venue, order_id).filled_size == BUY.base_size

    # -- refusals and previews -----------------------------------------------------------

    @pytest.mark.parametrize(
        ("order", "kind"),
        [
            (replace(BUY, base_size=Decimal(5)), RefusalKind.FUNDS),
            (replace(SELL, base_size=Decimal(5)), RefusalKind.FUNDS),
            (replace(BUY, base_size=Decimal("0.0123456789")), RefusalKind.PRECISION),
            (replace(BUY, base_size=Decimal("0.00000001")), RefusalKind.PRECISION),
            (replace(BUY, product_id="NO-USD"), RefusalKind.IDENTITY),
        ],
    )
    def test_a_refusal_says_what_it_is_about(
        self, venue: Venue, order: MarketOrder, kind: RefusalKind
    ) -> None:
        """Alike in the preview, which sends nothing; and no order is there afterwards."""
        previewed = venue.exchange.preview(order)
        answer = venue.exchange.send(ENTRY, order)

        assert isinstance(answer, Refused)
        assert answer.kind is kind
        assert kind in [one.kind for one in previewed]
        assert not answer.exists
        assert venue.exchange.orders(is_open=True) == []
        assert venue.exchange.holdings()["USD"].total == CASH

    @pytest.mark.parametrize("share", ["1.1", "2"])
    def test_stop_above_the_market_is_a_matter_of_geometry(self, venue: Venue, share: str) -> None:
        """Not of funds, and not unknown."""
        taken(venue.exchange.send(ENTRY, BUY))
        answer = venue.exchange.send(STOP, stop_below(venue.exchange.last_trade(COIN), share))

        assert isinstance(answer, Refused)
        assert answer.kind is RefusalKind.GEOMETRY

    def test_a_preview_knows_what_is_held(self, venue: Venue) -> None:
        """The same stop passes before, and lacks its base after."""
        exchange = venue.exchange
        taken(exchange.send(ENTRY, BUY))
        stop = stop_below(exchange.last_trade(COIN))
        before = exchange.preview(stop)
        taken(exchange.send(STOP, stop))

        assert before == []
        assert [one.kind for one in exchange.preview(stop)] == [RefusalKind.FUNDS]
        assert len(exchange.orders()) == 2

    # -- ids and answers that do not come ------------------------------------------------

    def test_an_id_is_one_order(self, venue: Venue) -> None:
        """Sent again it is the same order, or refused for being there."""
        first = taken(venue.exchange.send(ENTRY, BUY))
        again = venue.exchange.send(ENTRY, BUY)

        assert again == Accepted(first) or (isinstance(again, Refused) and again.exists)
        assert len(venue.exchange.orders()) == 1
        with pytest.raises(TfError, match="client order id"):
            venue.exchange.send("", BUY)

    @pytest.mark.parametrize("is_taken", [True, False])
    def test_a_send_without_an_answer_is_unknown(self, venue: Venue, is_taken: bool) -> None:
        """Sent once; the list tells by our id whether it exists."""
        venue.lose("send", is_taken=is_taken)
        answer = venue.exchange.send(ENTRY, BUY)
        found = [one.client_order_id for one in venue.exchange.orders([COIN])]

        assert isinstance(answer, Unknown)
        assert found == [ENTRY] * is_taken

    @pytest.mark.parametrize("is_taken", [True, False])
    def test_a_cancel_without_an_answer_is_unknown(self, venue: Venue, is_taken: bool) -> None:
        """The order tells what became of it."""
        order_id, _ = protected(venue)
        venue.lose("cancel", is_taken=is_taken)
        answer = venue.exchange.cancel([order_id])[order_id]

        assert answer.outcome is CancelOutcome.UNKNOWN
        assert shown(venue, order_id).is_live_stop is not is_taken

    def test_nothing_is_sent_against_the_will_of_the_hook(self, venue: Venue) -> None:
        """It hears the action and the id; what it raises comes out as it is."""
        heard: list[tuple[str, str]] = []
        order_id, _ = protected(venue)
        venue.exchange.line.before_send = lambda action, subject: heard.append((action, subject))
        venue.exchange.send(EXIT, SELL)
        venue.exchange.cancel([order_id])

        def disarmed(action: str, subject: str) -> None:
            raise TfError("disarmed")

        venue.exchange.line.before_send = disarmed
        with pytest.raises(TfError, match="disarmed"):
            venue.exchange.send(ENTRY.replace("1-0", "2-0"), BUY)

        assert heard == [("create_market", EXIT), ("cancel", order_id)]
        assert len(venue.exchange.orders()) == 2
