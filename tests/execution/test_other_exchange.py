"""Execution on an exchange that is not Coinbase: the port is all that it knows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.profile import FEW_UNIVERSE, write_parameters
from tests.exchange.fake import UUID, FakeExchange
from tests.execution.desks import COIN, DAY, desk_on
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import MarketOrder, Protection, Side
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.protection import Cover, CoverResult, Foreign, Position
from tf_lib.parameters import load_config

LAST, ONE = Decimal(3000), Decimal(1)


@pytest.fixture
def exchange() -> FakeExchange:
    """Return an exchange in memory, at 00:01 UTC of the day."""
    at = dt.datetime.combine(DAY, dt.time(0, 1), dt.UTC)
    return FakeExchange(at, {COIN: LAST}, Decimal(15000))


@pytest.fixture
def desk(exchange: FakeExchange, tmp_path: Path) -> OrderSender:
    """Return a desk that speaks to it."""
    config = load_config(write_parameters(tmp_path / "few.yaml", universe=FEW_UNIVERSE))
    now, products = exchange.line.server_time, dict(exchange.rules)
    return desk_on(exchange, tmp_path, config, UUID, now=now, products=products)


def covered(desk: OrderSender, share: str) -> CoverResult:
    """Protect what is held at a share of the price."""
    level = LAST * Decimal(share)
    return Cover(Position(desk, COIN, foreign=Foreign()), Protection(level, None)).ensure()


@pytest.mark.parametrize("lost", [{}, {"send": True}, {"send": False}])
def test_a_position_is_bought_protected_raised_and_stopped_out(
    desk: OrderSender, exchange: FakeExchange, lost: dict[str, bool]
) -> None:
    """Whatever becomes of the answer to its first stop."""
    bought = desk.send(Leg.ENTRY, MarketOrder(COIN, Side.BUY, ONE))
    exchange.lost.update(lost)
    first, second = covered(desk, "0.8"), covered(desk, "0.9")
    exchange.set_price(COIN, LAST * Decimal("0.89"))
    stop = desk.refresh(desk.ledger.state.stops_of_holding(COIN)[-1].client_id)

    assert bought.stage is OrderStage.DONE
    assert [(one.status, one.covered) for one in (first, second)] == [("placed", ONE)] * 2
    assert (stop.stage, stop.filled_size) == (OrderStage.DONE, ONE)
    assert exchange.holdings()["ETH"].total == 0
    assert len([one for one in exchange.book.values() if one.kind == "stop_limit"]) == 2
