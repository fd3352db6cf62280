"""What of key, account and products could keep the daily run from doing its work."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tf_lib.app.commands.doctor.checks import Check, Found, Outcome, Warned
from tf_lib.app.connection import EXCHANGE_FILE, Connection, connect, is_embedded, open_endpoint
from tf_lib.core.model.records import closed_because
from tf_lib.errors import TfError
from tf_lib.exchange.clock import clock_offset, wall_now
from tf_lib.execution.ownership import not_ours
from tf_lib.parameters import Config
from tf_lib.safety.preflight import check_account
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.run_folder import ProfileFolder

_REQUESTS_OF_A_RUN = 120
"""About so many with fourteen tickers and everything traded."""
_SECONDS_OF_GATE = 240.0
_WORST_OFFSET, _LARGE_OFFSET = 5.0, 0.5


def account_findings(config: Config, folder: ProfileFolder) -> list[Found]:
    """Ask the exchange once, and return what each check came to; nothing is changed there."""
    if is_embedded(config) and not (folder.state / EXCHANGE_FILE).exists():
        said = "embedded simulated exchange, no key needed; its first run makes it"
        return [Found("exchange", Outcome.OK, said)]
    with tempfile.TemporaryDirectory() as there:
        # An exchange of our own is asked in a copy: neither its clock nor its log moves.
        copy_to = Path(there) if is_embedded(config) else None
        day = None if is_embedded(config) else wall_now().date()
        reached = Check("exchange", lambda: "")
        try:
            with open_endpoint(config, folder, day, copy_to=copy_to) as endpoint:
                connection = connect(endpoint)
                reached = Check("exchange", lambda: _exchange(connection, config))
                first = reached.found()
                if first.outcome is Outcome.FAIL:
                    return [first, *_unasked()]
                return [first, *(one.found() for one in _checks(connection, config, folder))]
        except (TfError, OSError) as error:
            return [Found(reached.name, Outcome.FAIL, str(error)), *_unasked()]


_ASKED = ("holdings", "products", "fees", "answers")


def _unasked() -> list[Found]:
    said = "not known: the exchange cannot be asked"
    return [Found(name, Outcome.WARN, said) for name in _ASKED]


def _checks(connection: Connection, config: Config, folder: ProfileFolder) -> list[Check]:
    looks: tuple[Callable[[], str], ...] = (
        lambda: _holdings(connection, config, folder),
        lambda: _products(connection, config),
        lambda: _fees(connection, config),
        lambda: _answers(connection),
    )
    return [Check(name, look) for name, look in zip(_ASKED, looks, strict=True)]


def _exchange(connection: Connection, config: Config) -> str:
    """Check key, portfolio and clock."""
    line = connection.client.line
    check = check_account(line, config.portfolio.name)
    where = f"{check.name} ({check.uuid}), key can view and trade, not transfer"
    if config.exchange.clock == "exchange" or is_embedded(config):
        return f"{where}, clock off by +0.00 s"
    offset = clock_offset(line)
    said = f"{where}, clock off by {offset:+.2f} s"
    if abs(offset) > _WORST_OFFSET:
        raise TfError(f"{said}: nothing is bought above 5 s; set the machine's clock (NTP)")
    if abs(offset) > _LARGE_OFFSET:
        raise Warned(f"{said}: set the machine's clock (NTP)")
    return said


def _holdings(connection: Connection, config: Config, folder: ProfileFolder) -> str:
    """Return what is held and not ours: locked, or found before the first run."""
    state = Ledger(folder.state / LEDGER_FILE, wall_now).state
    if state.marks:
        locked = [f"{name} locked: {why}" for name, why in sorted(state.locked.items())]
        if locked:
            raise Warned("; ".join([*locked, "tf release when it is as you want it"]))
        return "ours"
    found = not_ours(connection.client, config)
    if not found:
        return "nothing of the universe is held that no order of ours explains"
    raise Warned(
        f"{'; '.join(found)}: there before the first run, which will put it under stops and sell "
        "nothing of it until tf release"
    )


def _products(connection: Connection, config: Config) -> str:
    """Name the tickers that are not listed, take no orders, or have no last price."""
    tickers = config.universe.sorted_tickers
    listed = connection.client.products(tickers)
    wrong = [f"{ticker} is not listed" for ticker in tickers if ticker not in listed]
    for ticker, one in sorted(listed.items()):
        why = closed_because(vars(one.product))
        if why or one.last is None:
            wrong.append(f"{ticker} {why or 'has no last trade'}")
    if wrong:
        raise Warned(f"{'; '.join(wrong)}: it is left alone until then")
    steps = sorted({one.product.base_increment for one in listed.values()})
    return f"{len(listed)} tradable, sizes in steps from {steps[0]:f} to {steps[-1]:f}"


def _fees(connection: Connection, config: Config) -> str:
    """Hold the account's fee tier against what backtests reckon with."""
    tier, costs = connection.client.fee_rates(), config.execution_and_costs
    said = (
        f"your tier pays maker {tier.maker:.2%}, taker {tier.taker:.2%}; parameters reckon with "
        f"{costs.maker_fee:.2%} and {costs.taker_fee:.2%}"
    )
    if tier.taker > costs.taker_fee or tier.maker > costs.maker_fee:
        raise Warned(f"{said}: backtests flatter; set execution_and_costs.maker_fee and taker_fee")
    return said


def _answers(connection: Connection) -> str:
    """Measure how fast the exchange answers, against the time that the gate is open."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        connection.client.line.server_time()
        seconds.append(time.perf_counter() - began)
    each = statistics.median(seconds)
    whole = each * _REQUESTS_OF_A_RUN
    said = f"{1000 * each:.0f} ms an answer, about {whole:.0f} s for the requests of a busy day"
    if whole > _SECONDS_OF_GATE:
        raise Warned(f"{said}: longer than the gate is open; a nearer machine, or a better line")
    return said
