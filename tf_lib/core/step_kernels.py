"""
The rules on whole lots and ticks of `tf_lib.core.steps`, compiled.

The same functions, not a copy: numba compiles what runs in plain Python elsewhere. Kept apart
because importing numba costs more than a guard's whole look at the exchange.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from tf_lib.core import steps
from tf_lib.core.arrays import kernel
from tf_lib.core.records import Product

Records = NDArray[np.void]
STEPS = np.dtype(
    [
        ("lot_numerator", np.int64),
        ("lot_denominator", np.int64),
        ("tick_numerator", np.int64),
        ("tick_denominator", np.int64),
        ("least_lots", np.int64),
        ("least_value", np.float64),
    ]
)


def steps_table(products: Iterable[Product]) -> Records:
    """Return the steps of products, one record each, as kernels take them."""
    return np.array([tuple(steps.steps_of(product)) for product in products], dtype=STEPS)


for _rule in steps.KERNELS:
    register_jitable(_rule)

whole_steps = kernel(steps.whole_steps)
units_of = kernel(steps.units_of)
price_of = kernel(steps.price_of)
lots_for = kernel(steps.lots_for)
ticks_below = kernel(steps.ticks_below)
limit_ticks = kernel(steps.limit_ticks)
resting_ticks = kernel(steps.resting_ticks)
is_clamped = kernel(steps.is_clamped)
is_below_least = kernel(steps.is_below_least)
stop_limit_ticks = kernel(steps.stop_limit_ticks)
is_worth_raising = kernel(steps.is_worth_raising)
is_dust = kernel(steps.is_dust)
is_protectable = kernel(steps.is_protectable)
least_protectable = kernel(steps.least_protectable)
