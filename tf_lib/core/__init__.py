"""
The core: decides, and touches nothing.

No clock, disk, network, logging or randomness; "now", seeds and ids are arguments. One set of
kernels serves the live day, the backtest, the simulator, replay and sweeps.

    records, account     values of one moment
    market, quarantine   candles to lagged bars, and which of them may be believed
    renames              histories of coins that changed their name
    windows, indicators  kernels on arrays
    signals, risk        what each row knows: direction, volatility, covariance
    sizing, trades       target weights, then desired trades through the gates
    decision             all of it for one day
    orders, stops        exact sizes, prices and levels
    fills                what a price path does to an order
    impediments          what kept a run from its decision; day_result: what the day came to
    order_life           the table of an order's life; client_ids names it
"""
