"""
The fill rule of `tf_lib.core.orders.fills`, compiled for floats.

The same functions, not a copy: numba compiles what the simulated exchange runs on `Decimal`.
Kept apart because importing numba costs more than starting the exchange.
"""

from __future__ import annotations

from numba.extending import register_jitable

from tf_lib.core.jit.arrays import kernel
from tf_lib.core.orders import fills

# A line between two equal prices is never divided by their difference.
for _part in (
    fills.day_leg,
    fills.on_line,
    fills.line_reaches,
    fills.is_reached,
    fills.price_at,
    fills.first_touch,
    fills.market_price,
    fills.crossing_price,
    fills.stop_limit_day,
):
    register_jitable(_part)

day_leg = kernel(fills.day_leg)
price_at = kernel(fills.price_at)
first_touch = kernel(fills.first_touch)
market_price = kernel(fills.market_price)
crossing_price = kernel(fills.crossing_price)
stop_limit_day = kernel(fills.stop_limit_day)
