"""``tf simulator``: the simulated exchange as a process of its own."""

from __future__ import annotations

import datetime as dt
import json
import signal
import threading
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

if TYPE_CHECKING:
    from tf_lib.simulator.prices.day_bars import DayBars


def simulator_command(
    candles: str = "synthetic",
    products: Path | None = None,
    as_of: dt.date | None = None,
    port: int = 0,
    state: Path | None = None,
    cash: str = "15000",
    portfolio_name: str = "Trend Following",
    faults: Path | None = None,
    log: Path | None = None,
    seed: int = 7,
) -> int:
    """
    Run a simulated exchange until SIGTERM or SIGINT.

    The first line on stdout is JSON: base_url, ca_file, key_file, portfolio_uuid.

    Parameters
    ----------
    candles : str
        ``synthetic`` or a candle folder.
    products : Path or None
        Products file; None: the built-in table.
    as_of : date or None
        Day at whose 00:01 UTC a new state begins; None: now.
    port : int
        0 takes a free one.
    state : Path or None
        SQLite file; None: memory only.

    Returns
    -------
    int
        Exit code.
    """
    from tf_lib.store.candle_csv import read_intraday, read_products_file

    settings = SimulatorSettings(
        candles=_candles(candles),
        intraday={} if candles == "synthetic" else read_intraday(Path(candles)),
        products=read_products_file(products) if products is not None else {},
        starting_cash=_money(cash),
        portfolio_name=portfolio_name,
        state_file=state,
        log_file=log,
        as_of=as_of,
        seed=seed,
        faults=faults,
        running=True,
        port=port,
        keeps_log=False,
    )
    wanted = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        wanted.set()

    before = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGINT)}
    exchange = SimulatedExchange(settings)
    del settings  # the candles; the exchange keeps arrays of its own
    try:
        print(json.dumps(exchange.start().to_mapping()), flush=True)
        wanted.wait()
    finally:
        exchange.stop()
        for each, handler in before.items():
            signal.signal(each, handler)
    return EXIT_DONE


def _candles(source: str) -> dict[str, DayBars] | None:
    if source == "synthetic":
        return None
    from tf_lib.simulator.prices.day_bars import DayBars
    from tf_lib.store.candle_csv import read_candle_texts

    texts = read_candle_texts(Path(source))
    return {name: DayBars.from_text(text, source=file) for name, (file, text) in texts.items()}


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ParameterError(f"--cash must be an amount of at least 0, got {text!r}")
    return amount
