"""
A trend-following strategy on Coinbase spot, from research to live trading.

The stages, in the order in which data flows:

    candles -> lagged bars -> signals -> risk inputs -> sleeve budgets -> target weights
            -> desired trades -> orders -> fills -> stops -> artifacts

The packages, and who may import whom:

    core        decides; pure arithmetic on arrays and frozen values      imports nothing of these
    edge        acts; exchange, candles, ledger, files, mail: all that can fail           -> core
    simulator   stands in for the exchange, behind the same wire                          -> core
    research    backtests, sweeps, proofs about data                                      -> core
    pages       charts, tables and reports a person reads                                 -> core
    drivers     wire them together: the daily run, replay, the command line       -> all of these

`tf_lib.errors` and `tf_lib.parameters` belong to everybody.
"""

__version__ = "0.2.0"
