"""
The core: decides, and touches nothing.

No clock, disk, network, logging or randomness; "now", seeds and ids are arguments. One set of
kernels serves the live day, the backtest, the simulator, replay and sweeps.

    records, account     values of one moment
    market               candles to lagged bars
    windows, indicators  kernels on arrays
    signals, risk        what each row knows: direction, volatility, covariance
    sizing, trades       target weights, then desired trades through the gates
    decision             all of it for one day
    orders, stops        exact sizes, prices and levels
    fills                what a price path does to an order
    order_life           the table of an order's life; client_ids names it
"""
