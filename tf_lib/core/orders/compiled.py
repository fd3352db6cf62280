"""
The rules of `tf_lib.core.orders.lots_and_ticks` and `tf_lib.core.orders.fills`, compiled.

The same functions, not copies: numba compiles for the backtest what runs in plain Python for the
live day and the simulated exchange. Kept apart because importing numba costs more than a guard's
whole look at the exchange.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tf_lib.core.jit.arrays import kernel, leaf_kernel
from tf_lib.core.model.records import Product
from tf_lib.core.orders import fills, intraday_path, lots_and_ticks, stops

Records = NDArray[np.void]
_FIELDS = lots_and_ticks.Spec._fields
SPEC = np.dtype([(name, "f8" if name == "least_value" else "i8") for name in _FIELDS])


def spec_table(products: Iterable[Product]) -> Records:
    """Return the specifications of products, one record each, as kernels take them."""
    return np.array([tuple(lots_and_ticks.spec_of(product)) for product in products], dtype=SPEC)


for _rule in (*lots_and_ticks.KERNELS, *fills.KERNELS, *intraday_path.KERNELS):
    leaf_kernel(_rule)

whole_increments = kernel(lots_and_ticks.whole_increments)
units_of = kernel(lots_and_ticks.units_of)
price_of = kernel(lots_and_ticks.price_of)
lots_for = kernel(lots_and_ticks.lots_for)
ticks_below = kernel(lots_and_ticks.ticks_below)
limit_ticks = kernel(lots_and_ticks.limit_ticks)
resting_ticks = kernel(lots_and_ticks.resting_ticks)
is_below_least = kernel(lots_and_ticks.is_below_least)
stop_limit_ticks = kernel(lots_and_ticks.stop_limit_ticks)
is_dust = kernel(lots_and_ticks.is_dust)
is_protectable = kernel(lots_and_ticks.is_protectable)
can_stay = kernel(lots_and_ticks.can_stay)
is_small_rest = kernel(lots_and_ticks.is_small_rest)
slot_for_rest = kernel(lots_and_ticks.slot_for_rest)
raised_ticks = kernel(lots_and_ticks.raised_ticks)
lots_paid_for = kernel(lots_and_ticks.lots_paid_for)
pilot_lots = kernel(lots_and_ticks.pilot_lots)
market_price = kernel(fills.market_price)
stop_limit_day = kernel(fills.stop_limit_day)
stop_limit_path = kernel(intraday_path.stop_limit_path)
price_at_run = kernel(intraday_path.price_at_run)
level_today = kernel(stops.level_today)
