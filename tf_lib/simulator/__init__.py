"""
The simulated exchange: Coinbase Advanced Trade standing in, over TLS or in this process.

Reading order: `settings`, `exchange` (the one object), `engine` (one request), `routes` and the
``*_api`` modules (endpoints), `order_entry` (what is refused), `matching` and `edits` (orders,
fills and money in time), `market`, `paths`, `intraday` and `synthetic` (prices), `state` (SQLite),
`faults` and `happenings` (what goes wrong), `server`, `tokens` and `credentials` (the wire).
It imports the core's types and its fill rule, and nothing else of the project.
"""

from tf_lib.simulator.exchange import Endpoint, SimulatedExchange
from tf_lib.simulator.settings import STRATEGY_TICKERS, SimulatorSettings

__all__ = ["STRATEGY_TICKERS", "Endpoint", "SimulatedExchange", "SimulatorSettings"]
