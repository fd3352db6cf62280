"""The simulated exchange: its start, its requests in this process and over TLS, time, memory."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from coinbase.jwt_generator import build_rest_jwt

from benchmarks.timing import median_ms, seconds
from tf_lib.project import ROOT
from tf_lib.simulator import STRATEGY_TICKERS, SimulatedExchange, SimulatorSettings
from tf_lib.simulator.prices.day_bars import DayBars, day_number

AS_OF = dt.date(2023, 1, 1)
PREFIX = "/api/v3/brokerage"
TLS_REQUESTS = 600
PRODUCTS, YEARS = 336, 10


def measure() -> dict[str, float]:
    """Return seconds, requests a second, milliseconds and megabytes."""
    return {
        "exchange_start_s": median_ms(_start, times=5) / 1000,
        **_in_process(),
        **_over_tls(),
        "exchange_year_s": _year(),
        "exchange_336_products_mb": _megabytes(),
    }


def _start() -> None:
    """Start it as a process of its own and take its first answer."""
    command = [sys.executable, "-m", "tf_lib", "simulator", "--candles", "synthetic"]
    command += ["--as-of", AS_OF.isoformat()]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        endpoint = json.loads(process.stdout.readline() if process.stdout else "")
        line = _line(endpoint["base_url"], Path(endpoint["ca_file"]))
        line.request("GET", f"{PREFIX}/time")
        if line.getresponse().status != 200:
            raise SystemExit("the simulated exchange did not answer")
    finally:
        process.terminate()
        process.communicate()


def _line(base_url: str, ca_file: Path) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(ca_file))
    return http.client.HTTPSConnection(base_url, context=context, timeout=10)


def _rate(call: Callable[[int], object], times: int) -> float:
    def run() -> None:
        for number in range(times):
            call(number)

    return times / seconds(run)


def _in_process() -> dict[str, float]:
    settings = SimulatorSettings(as_of=AS_OF, keeps_log=False, starting_cash=Decimal(10**9))
    end = int(dt.datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=dt.UTC).timestamp())
    with SimulatedExchange(settings) as exchange:

        def ask(path: str, query: str = "") -> None:
            if exchange.engine.handle("GET", PREFIX + path, query)[0] != 200:
                raise SystemExit(f"{path} was refused")

        def candles(number: int) -> None:
            """Ask for 300 days, of another product and other days each time."""
            ticker = STRATEGY_TICKERS[number % len(STRATEGY_TICKERS)]
            last = end - 86_400 * (number % 97)
            bounds = f"start={last - 299 * 86_400}&end={last}&granularity=ONE_DAY"
            ask(f"/products/{ticker}/candles", bounds)

        def order(number: int) -> None:
            terms = {"base_size": "0.001", "limit_price": f"{1000 + number % 900}"}
            _must_place(exchange, f"o{number}", "BTC-USD", "BUY", {"limit_limit_gtc": terms})

        return {
            "exchange_accounts_per_s": _rate(lambda _: ask("/accounts"), 2000),
            "exchange_product_per_s": _rate(lambda _: ask("/products/BTC-USD"), 2000),
            "exchange_candles_per_s": _rate(candles, 1000),
            "exchange_orders_per_s": _rate(order, 2000),
        }


def _must_place(
    exchange: SimulatedExchange, name: str, product: str, side: str, terms: dict[str, Any]
) -> None:
    body = {
        "client_order_id": name,
        "product_id": product,
        "side": side,
        "order_configuration": terms,
    }
    status, reply = exchange.engine.handle("POST", f"{PREFIX}/orders", None, body)
    if status != 200 or not reply["success"]:
        raise SystemExit(f"an order was refused: {reply}")


def _over_tls() -> dict[str, float]:
    """Ask over one line, a token each, from a client that is made ready before."""
    with SimulatedExchange(SimulatorSettings(as_of=AS_OF, keeps_log=False)) as exchange:
        endpoint = exchange.start()
        key = json.loads(endpoint.key_file.read_text())
        path = f"{PREFIX}/accounts"
        uri = f"GET {endpoint.base_url}{path}"
        tokens = [build_rest_jwt(uri, key["name"], key["privateKey"]) for _ in range(TLS_REQUESTS)]
        line = _line(endpoint.base_url, endpoint.ca_file)
        took = []
        began = time.perf_counter()
        for token in tokens:
            start = time.perf_counter()
            line.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            line.getresponse().read()
            took.append(time.perf_counter() - start)
        whole = time.perf_counter() - began
        line.close()
    return {
        "exchange_tls_per_s": TLS_REQUESTS / whole,
        "exchange_tls_p99_ms": 1000 * float(np.quantile(took, 0.99)),
    }


def _year() -> float:
    """
    Let a year pass with 14 products and 20 resting orders, some of which are met.

    Placing them counts, too: then the exchange looks ahead for the moment at which each is met.
    """
    settings = SimulatorSettings(as_of=AS_OF, keeps_log=False, starting_cash=Decimal(10**9))
    with SimulatedExchange(settings) as exchange:
        to = exchange.now() + dt.timedelta(days=365)
        began = time.perf_counter()
        for number in range(20):
            product = STRATEGY_TICKERS[number % len(STRATEGY_TICKERS)]
            step = exchange.engine.venue.catalogue[product].price_increment
            last = exchange.engine.venue.matching.last_price(product) or step
            price = last * (40 + 2 * number) / 100 // step * step
            size = 20_000 / price // 1
            terms = {"base_size": str(max(size, Decimal(1))), "limit_price": str(price)}
            _must_place(exchange, f"r{number}", product, "BUY", {"limit_limit_gtc": terms})
        exchange.advance_to(to)
        return time.perf_counter() - began


def _megabytes() -> float:
    """Return how much memory a fresh process with many long histories takes."""
    command = [sys.executable, "-c", "from benchmarks.simulator import hold; hold()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def hold() -> None:
    """Hold 336 products with ten years of candles, answer for each, print the memory in MB."""
    n_days = 365 * YEARS
    days = np.arange(n_days, dtype=np.int64) + day_number(AS_OF) - n_days
    candles = {}
    for number in range(PRODUCTS):
        prices = np.round(100 + 10 * np.sin(np.arange(n_days) / 50 + number), 2)
        candles[f"P{number:03d}-USD"] = DayBars(
            days.copy(), prices, prices + 1, prices - 1, prices.copy(), prices * 10
        )
    with SimulatedExchange(SimulatorSettings(candles=candles, as_of=AS_OF)) as exchange:
        del candles
        exchange.start()
        for name in exchange.engine.venue.catalogue:
            path = f"{PREFIX}/products/{name}/candles"
            exchange.engine.handle("GET", path, "granularity=ONE_DAY")
        print(psutil.Process(os.getpid()).memory_info().rss / 1e6)
