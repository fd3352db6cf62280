"""
Execution: carrying out the day's plan so that no position stays unprotected.

    sender      one order: send, read back, look up, cancel
    reconciled  which holdings fit all else that is known
    cover       the stops of one product: place, raise, repair, emergency exit
    rebalance   sells and buys, product by product
"""
