"""
The simulated exchange: Coinbase Advanced Trade standing in, over TLS or in this process.

Reading order: `settings`, `exchange` (the one object), `start_up`, `dispatcher` (one request),
`api/` (endpoints and the shapes of their answers), `matching/` (what is refused; orders, fills and
money in time), `prices/`, `storage/` (SQLite), `faults/` (what goes wrong), `wire/` (TLS, tokens).
It imports the core's types and its fill rule, and nothing else of the project.
"""

from tf_lib.simulator.exchange import Endpoint, SimulatedExchange
from tf_lib.simulator.settings import STRATEGY_TICKERS, SimulatorSettings

__all__ = ["STRATEGY_TICKERS", "Endpoint", "SimulatedExchange", "SimulatorSettings"]
