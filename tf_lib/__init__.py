"""
A trend-following strategy on Coinbase spot, from research to live trading.

The stages, in the order in which data flows:

    candles -> lagged bars -> signals -> covariance -> sleeve budgets -> target weights
            -> desired trades -> orders -> fills -> stops -> artifacts

The packages, from the top to the ground; imports run down only:

    app         the daily run from gate to finish, and the command line
    execution   from a frozen plan to positions under their stops
    safety      who may send: arming, locks, the account's epoch
    notify      who is told, in which words
    store       files on disk: ledger, run folders, candles
    exchange    the port, and Coinbase behind it
    simulator   the exchange that stands in, behind the same wire
    research    backtests, sweeps and proofs about data
    pages       charts, tables and reports that a person reads
    core        decides; pure arithmetic on arrays and frozen values
    parameters  what a user may set, checked
    text        days, numbers, values and words as people write them
    project     where notebooks, parameters and runs lie
    errors      what can go wrong, by name and exit code
"""

__version__ = "0.2.0"
