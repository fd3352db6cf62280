"""Memory: what was acknowledged outlives a stop, a SIGKILL and the next version's mistakes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.app.profile import command
from tests.simulator.conftest import Hands, at, sdk_client
from tests.simulator.test_order_entry import limit
from tf_lib.errors import ParameterError, StateError
from tf_lib.simulator import Endpoint, SimulatedExchange, SimulatorSettings


@pytest.fixture
def kept(settings: SimulatorSettings, tmp_path: Path) -> SimulatorSettings:
    """Return settings with a state file."""
    return replace(settings, state_file=tmp_path / "state.sqlite")


def truth(exchange: SimulatedExchange) -> Any:
    matching = exchange.engine.venue.matching
    wallets = {w.currency: (w.available, w.hold) for w in matching.wallets}
    return exchange.now(), wallets, matching.orders, matching.fills, matching.agenda.events


def test_restart_goes_on_where_it_was(
    kept: SimulatorSettings, make_exchange: Callable[..., SimulatedExchange]
) -> None:
    first = make_exchange(kept)
    hands = Hands(first)
    hands.buy("10")
    stop = hands.stop("5", "95", "93")
    first.set_delays(hold_release_seconds=3600)
    gone = hands.made("SELL", limit("5", "150"))
    hands.post("/orders/batch_cancel", {"order_ids": [gone]})
    first.plant_jump("BTC-USD", at("2024-03-01 00:10"), Decimal("94"))
    first.set_flag("ETH-USD", "cancel_only", True)
    first.deposit("ETH", Decimal("2.5"))
    endpoint = first.start()
    first.stop()
    second = make_exchange(kept)
    assert truth(second) == truth(first)
    again = second.start()
    assert again.portfolio_uuid == endpoint.portfolio_uuid
    assert again.key_file.read_text() == endpoint.key_file.read_text()
    assert second.engine.venue.catalogue["ETH-USD"].cancel_only
    second.advance_to(at("2024-03-01 00:10"))
    assert Hands(second).show(stop)["average_filled_price"] == "93.906"
    second.advance_to(at("2024-03-01 01:02"))
    assert Hands(second).wallet("BTC") == (5, 0)


def test_numbers_go_on_after_a_restart(
    kept: SimulatorSettings, make_exchange: Callable[..., SimulatedExchange]
) -> None:
    """Events and orders of the second life must not overwrite those of the first."""
    ids = []
    for life in range(3):
        exchange = make_exchange(kept)
        exchange.set_delays(hold_release_seconds=86_400)
        hands = Hands(exchange)
        hands._count = life * 10
        order = hands.made("BUY", limit("1", "50"))
        hands.post("/orders/batch_cancel", {"order_ids": [order]})
        ids.append(order)
        assert len(exchange.engine.venue.matching.agenda.events) == life + 1
        exchange.stop()
    assert len(set(ids)) == 3


def test_a_state_of_something_else_is_refused(settings: SimulatorSettings, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    other.write_text("this is not a database, it is a text of some length")
    with pytest.raises(StateError, match=r"other\.sqlite"):
        SimulatedExchange(replace(settings, state_file=other))


def test_what_happens_on_its_own_is_remembered(
    kept: SimulatorSettings, make_exchange: Callable[..., SimulatedExchange]
) -> None:
    first = make_exchange(kept)
    hands = Hands(first)
    first.set_delays(order_pending_seconds=30, market_fill_seconds=60)
    hands.buy("1")
    resting = hands.made("BUY", limit("1", "95"))
    first.advance_to(at("2024-03-01 00:01:50"))
    assert hands.show(resting)["status"] == "OPEN"
    first.stop()
    second = make_exchange(kept)
    assert truth(second) == truth(first)
    second.advance_to(at("2024-03-01 06:00"))
    assert Hands(second).show(resting)["status"] == "FILLED"
    assert Hands(second).wallet("BTC") == (2, 0)


def test_one_state_has_one_exchange(
    kept: SimulatorSettings, make_exchange: Callable[..., SimulatedExchange]
) -> None:
    first = make_exchange(kept)
    with pytest.raises(StateError, match="another simulated exchange"):
        make_exchange(kept)
    first.stop()
    assert make_exchange(kept).now() == first.now()


def test_other_products_than_before(
    kept: SimulatorSettings, make_exchange: Callable[..., SimulatedExchange]
) -> None:
    made_up = replace(kept, candles=None, tickers=("BTC-USD", "SOL-USD"))
    first = make_exchange(made_up)
    Hands(first).made("BUY", limit("1", "1"), "SOL-USD")
    first.stop()
    second = make_exchange(replace(made_up, tickers=("BTC-USD",)))
    assert len(Hands(second).get("/products")["products"]) == 2
    second.stop()
    with pytest.raises(StateError, match="SOL-USD"):
        make_exchange(kept)


def test_outsiders_can_read_the_tables(
    kept: SimulatorSettings, make_exchange: Callable[..., SimulatedExchange]
) -> None:
    exchange = make_exchange(kept)
    hands = Hands(exchange)
    hands.buy("10")
    hands.stop("10", "95", "93")
    assert kept.state_file is not None
    with closing(sqlite3.connect(kept.state_file)) as database:
        rows = database.execute(
            "SELECT product_id, side, kind, status, is_triggered, pending_cancel, size, "
            "filled_size, stop_price, limit_price, client_order_id FROM orders ORDER BY number"
        ).fetchall()
        wallets = database.execute("SELECT currency, available, hold FROM wallets").fetchall()
    assert rows[1] == (
        "BTC-USD", "SELL", "STOP_LIMIT", "OPEN", 0, 0, "10", "0", "95", "93", "hand-2",
    )  # fmt: skip
    assert ("BTC", "0", "10") in wallets


# -- as a process of its own -------------------------------------------------------------------


@contextmanager
def standalone(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Endpoint]]:
    """Run the exchange in another process."""
    code = (
        "import datetime as dt, sys; from pathlib import Path; "
        "from tf_lib.app.commands.simulator import simulator_command as run; "
        "sys.exit(run('synthetic', as_of=dt.date(2024, 3, 1), state=Path(sys.argv[1]), "
        "log=Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(folder / "state.sqlite"), str(folder / "log.jsonl")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        shown = json.loads(process.stdout.readline())
        assert set(shown) == {"base_url", "ca_file", "key_file", "portfolio_uuid"}
        key = Path(shown["key_file"])
        endpoint = Endpoint(
            shown["base_url"],
            Path(shown["ca_file"]),
            key,
            shown["portfolio_uuid"],
            key.with_name("key_ed25519.json"),
        )
        yield process, endpoint
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_sigterm_is_a_clean_end(tmp_path: Path) -> None:
    with standalone(tmp_path) as (process, endpoint):
        client = sdk_client(endpoint)
        with client.session:
            assert client.market_order_buy("x", "BTC-USD", base_size="0.01")["success"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["changing"] for line in lines] == [True]
    assert lines[0]["exchange_time"].startswith("2024-03-01T00:01:")


def test_what_was_acknowledged_survives_a_sigkill(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with standalone(tmp_path) as (process, endpoint):
        client = sdk_client(endpoint)
        killer = threading.Timer(0.4, process.kill)
        killer.start()
        with client.session:
            try:
                while True:
                    name = f"c{len(acknowledged)}"
                    reply = client.limit_order_gtc_buy(name, "BTC-USD", "0.001", "10000")
                    acknowledged.append(reply["success_response"]["order_id"])
            except requests.RequestException:
                pass
        killer.cancel()
    with standalone(tmp_path) as (_, endpoint):
        client = sdk_client(endpoint)
        with client.session:
            listed = client.list_orders(limit=1000).orders
            held = client.get_accounts().accounts[0]["hold"]["value"]
    ids = [order["order_id"] for order in reversed(listed)]
    assert len(acknowledged) > 10
    assert ids[: len(acknowledged)] == acknowledged
    assert len(ids) - len(acknowledged) in (0, 1)
    assert Decimal(held) == len(ids) * Decimal("10") * Decimal("1.012")


def test_a_taken_port_and_bad_options_are_clear(exchange: SimulatedExchange) -> None:
    from tf_lib.app.commands.simulator import simulator_command

    port = int(exchange.start().base_url.split(":")[1])
    with pytest.raises(Exception, match=f"cannot listen on port {port}"):
        simulator_command(port=port)
    with pytest.raises(ParameterError, match="--cash"):
        simulator_command(cash="lots")
    code, said = command("simulator", "--candles", "synthetic", "--as-of", "yesterday")
    assert (code, "--as-of must be" in said) == (2, True)
