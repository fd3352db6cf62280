"""
The fill rule of `tf_lib.core.fills`, compiled for floats.

The same functions, not a copy: numba compiles what the simulated exchange runs on `Decimal`.
Kept apart because importing numba costs more than starting the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.extending import register_jitable

from tf_lib.core import fills

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


def _compiled(rule: Callable[..., Any]) -> Any:
    return njit(cache=True)(rule)


day_leg = _compiled(fills.day_leg)
price_at = _compiled(fills.price_at)
first_touch = _compiled(fills.first_touch)
market_price = _compiled(fills.market_price)
crossing_price = _compiled(fills.crossing_price)
stop_limit_day = _compiled(fills.stop_limit_day)
