"""Memory: what was acknowledged outlives a stop, a SIGKILL and the next version's mistakes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.app.profile import command
from tests.simulator.conftest import Hands, Make, MakeHands, at, sdk_client
from tests.simulator.test_order_entry import limit
from tf_lib.errors import ParameterError, StateError
from tf_lib.simulator import Endpoint, SimulatedExchange, SimulatorSettings


def truth(exchange: SimulatedExchange) -> Any:
    matching = exchange.engine.venue.matching
    wallets = {w.currency: (w.available, w.hold) for w in matching.wallets}
    return exchange.now(), wallets, matching.orders, matching.fills, matching.agenda.events


def test_restart_goes_on_where_it_was(kept: SimulatorSettings, make_hands: MakeHands) -> None:
    hands = make_hands(kept)
    hands.buy("10")
    stop = hands.stop("5", "95", "93")
    first = hands.exchange
    first.set_delays(hold_release_seconds=3600)
    hands.cancel(hands.made("SELL", limit("5", "150")))
    first.plant_jump("BTC-USD", at("2024-03-01 00:10"), Decimal("94"))
    first.set_flag("ETH-USD", "cancel_only", True)
    first.deposit("ETH", Decimal("2.5"))
    endpoint = first.start()
    first.stop()
    hands = make_hands(kept)
    assert truth(hands.exchange) == truth(first)
    again = hands.exchange.start()
    assert again.portfolio_uuid == endpoint.portfolio_uuid
    assert again.key_file.read_text() == endpoint.key_file.read_text()
    assert hands.exchange.engine.venue.catalogue["ETH-USD"].cancel_only
    hands.until("2024-03-01 00:10")
    assert hands.show(stop)["average_filled_price"] == "93.906"
    hands.until("2024-03-01 01:02")
    assert hands.wallet("BTC") == (5, 0)


def test_numbers_go_on_after_a_restart(kept: SimulatorSettings, make_hands: MakeHands) -> None:
    """Events and orders of the second life must not overwrite those of the first."""
    ids = []
    for life in range(3):
        hands = make_hands(kept)
        hands.exchange.set_delays(hold_release_seconds=86_400)
        hands._count = life * 10
        ids.append(hands.made("BUY", limit("1", "50")))
        hands.cancel(ids[-1])
        assert len(hands.exchange.engine.venue.matching.agenda.events) == life + 1
        hands.exchange.stop()
    assert len(set(ids)) == 3


def test_a_state_of_something_else_is_refused(settings: SimulatorSettings, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    other.write_text("this is not a database, it is a text of some length")
    with pytest.raises(StateError, match=r"other\.sqlite"):
        SimulatedExchange(replace(settings, state_file=other))


def test_what_happens_by_itself_is_kept(kept: SimulatorSettings, make_hands: MakeHands) -> None:
    hands = make_hands(kept)
    hands.exchange.set_delays(order_pending_seconds=30, market_fill_seconds=60)
    hands.buy("1")
    resting = hands.made("BUY", limit("1", "95"))
    hands.until("2024-03-01 00:01:50")
    assert hands.show(resting)["status"] == "OPEN"
    first = hands.exchange
    first.stop()
    hands = make_hands(kept)
    assert truth(hands.exchange) == truth(first)
    hands.until("2024-03-01 06:00")
    assert hands.show(resting)["status"] == "FILLED"
    assert hands.wallet("BTC") == (2, 0)


def test_one_state_has_one_exchange(kept: SimulatorSettings, make_exchange: Make) -> None:
    first = make_exchange(kept)
    with pytest.raises(StateError, match="another simulated exchange"):
        make_exchange(kept)
    first.stop()
    assert make_exchange(kept).now() == first.now()


def test_other_products_than_before(kept: SimulatorSettings, make_exchange: Make) -> None:
    made_up = replace(kept, candles=None, tickers=("BTC-USD", "SOL-USD"))
    first = make_exchange(made_up)
    Hands(first).made("BUY", limit("1", "1"), "SOL-USD")
    first.stop()
    second = make_exchange(made_up, tickers=("BTC-USD",))
    assert len(Hands(second).get("/products")["products"]) == 2
    second.stop()
    with pytest.raises(StateError, match="SOL-USD"):
        make_exchange(kept)


def test_outsiders_can_read_the_tables(kept: SimulatorSettings, make_hands: MakeHands) -> None:
    hands = make_hands(kept)
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
    command += options
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        shown = json.loads(process.stdout.readline())
        assert set(shown) == {"base_url", "ca_file", "key_file", "portfolio_uuid"}
        ca, key = Path(shown["ca_file"]), Path(shown["key_file"])
        keys = key, shown["portfolio_uuid"], key.with_name("key_ed25519.json")
        endpoint = Endpoint(shown["base_url"], ca, *keys)
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
        with client.session:
            try:
                while True:
                    if len(acknowledged) == 11:
                        threading.Timer(0.05, process.kill).start()
                    name = f"c{len(acknowledged)}"
                    reply = client.limit_order_gtc_buy(name, "BTC-USD", "0.001", "10000")
                    acknowledged.append(reply["success_response"]["order_id"])
            except requests.RequestException:
                pass
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
