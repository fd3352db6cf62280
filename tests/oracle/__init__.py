"""
The oracle: the decision arithmetic once more, plain and slow, from the written design alone.

It imports nothing of ``tf_lib`` and nothing of ``tf_lib`` imports it. Where the two differ, one of
them has misread the design. Parameters are the plain mapping that YAML gives.

    belief    candles of one ticker -> which of its bars count, and from when on
    signals   candles of one ticker -> its columns per day
    sizing    columns of the day and returns -> weights
    trades    weights and portfolio -> trades with their reasons
    decide    the three in a row: the mapping of a decision
    fills     one day's path and the orders that meet it
    markets   made-up candles to try it all on
"""
