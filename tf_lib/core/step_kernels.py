"""
The rules on whole lots and ticks of `tf_lib.core.steps`, compiled.

The same functions, not a copy: numba compiles what runs in plain Python elsewhere. Kept apart
because importing numba costs more than a guard's whole look at the exchange.
"""

from __future__ import annotations

from numba.extending import register_jitable

from tf_lib.core import steps
from tf_lib.core.arrays import kernel

for _rule in steps.KERNELS:
    register_jitable(_rule)

whole_steps = kernel(steps.whole_steps)
units_of = kernel(steps.units_of)
price_of = kernel(steps.price_of)
lots_for = kernel(steps.lots_for)
ticks_below = kernel(steps.ticks_below)
limit_ticks = kernel(steps.limit_ticks)
limit_under = kernel(steps.limit_under)
resting_ticks = kernel(steps.resting_ticks)
is_clamped = kernel(steps.is_clamped)
stop_limit_ticks = kernel(steps.stop_limit_ticks)
is_worth_raising = kernel(steps.is_worth_raising)
is_dust_at = kernel(steps.is_dust_at)
is_below_least = kernel(steps.is_below_least)
least_protectable = kernel(steps.least_protectable)
