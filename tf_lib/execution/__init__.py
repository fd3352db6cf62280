"""
Execution: carrying out the day's plan so that no position stays unprotected.

    recovery        what earlier runs left open
    ownership, reconciliation  what is ours, and which holdings fit all else that is known
    order_sender, order_check  one order: send, read back, look up, cancel
    position        units, prices and stops of one product as they are read
    protection      its stops: place (stop_placement), raise, repair, sell (market_exit)
    rebalance       sells and buys, product by product
    protect_all     every position under its stop; unprotected_time: how long one was not
"""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(
    __name__,
    "order_check: PLAN_AGE_LIMIT",
    "order_sender: OrderSender PlanRef",
    "ownership: not_ours unexplained_cash wrong_currency",
    "protect_all: ProtectAll",
    "rebalance: Rebalance TradeResult",
    "reconciliation: Reconciled confirm",
    "recovery: read_open_orders",
)
