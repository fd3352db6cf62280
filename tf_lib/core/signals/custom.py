"""
Custom components: what a user's own function is shown, and what its answer has to be.

Part of stage 2 (bars -> *signals* -> risk). The function sees candles of all tickers through the
day before, as they are believed, and answers with a rank per day and ticker. What it answers for a
day may depend on no later one: that is not seen here but by ``tf lookahead``.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tf_lib.core.candles.bars import Bars
from tf_lib.core.candles.quarantine import Earlier
from tf_lib.core.candles.rows import FIELDS
from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.errors import ParameterError
from tf_lib.parameters.custom_signals import CustomSignal
from tf_lib.parameters.user_code import failed_in

HIGHEST_RANK = 0.5
_ROUNDING = 1e-9


class Panel(NamedTuple):
    """
    Candles of all tickers, oldest first, as a custom component sees them; they cannot be written.

    Attributes
    ----------
    open, high, low, close, volume : float array of shape (n_days, n_tickers)
        NaN before a ticker's first candle. A day without a candle, or with one that is not
        believed, is flat at the close before, with volume 0.
    days : int array of shape (n_days,)
        Days since 1970 of the candles. A rank in row t is used on the day after.
    tickers : tuple of str
        By name.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    days: IntArray
    tickers: tuple[str, ...]


def custom_layers(
    bars: Bars, earlier: Sequence[Earlier], name: str, component: CustomSignal
) -> FloatArray:
    """
    Return what a custom component says of believed bars.

    Parameters
    ----------
    bars : Bars
        Lagged and believed; a column per ticker, then one per earlier view.
    earlier : sequence of Earlier
        Which rows belong to an earlier view. Each row is computed from the bars as its own day saw
        them, of all tickers.
    name : str
        What it is called in the parameters, for messages.
    component : CustomSignal

    Returns
    -------
    float array of shape (n_layers, n_columns, n_rows)
        Its own columns, the rank last. **Row D knows the bars through D - 1.** NaN outside of a
        column's bars, and where the component says so.

    Raises
    ------
    ParameterError
        If it fails, or answers with something else than ranks of that shape.
    """
    n_rows, n_columns = bars.close.shape
    layers = np.full((len(component.columns) + 1, n_columns, n_rows), np.nan)
    first = int(bars.first_row[bars.bar_counts > 0].min())
    for begin, end, columns in _views(earlier, n_columns - len(earlier), n_rows):
        if end <= first:
            continue
        panel = _panel(bars, columns, first, end)
        answer = _answer(panel, name, component)
        rows = slice(max(begin, first), end)
        layers[:, columns, rows] = answer[:, rows.start - first :].transpose(0, 2, 1)
    for j in range(n_columns):
        layers[:, j, : bars.first_row[j]] = np.nan
        layers[:, j, bars.end_row[j] :] = np.nan
    return layers


def _views(
    earlier: Sequence[Earlier], n_tickers: int, n_rows: int
) -> Iterator[tuple[int, int, IntArray]]:
    """Yield rows [begin, end) that see the same bars, and the column of each ticker there."""
    bounds = sorted({0, n_rows, *(one.end for one in earlier)})
    for begin, end in itertools.pairwise(bounds):
        columns = np.arange(n_tickers)
        for one in earlier:
            if one.begin <= begin and end <= one.end:
                columns[one.ticker] = one.column
        yield begin, end, columns


def _panel(bars: Bars, columns: IntArray, first: int, end: int) -> Panel:
    """Return some columns' candles; a gap at the end is as flat as it will be once it is past."""
    fields = {name: getattr(bars, name)[first:end, columns].copy() for name in FIELDS}
    for k, column in enumerate(columns):
        stop = int(bars.end_row[column]) - first
        if 0 < stop < end - first:
            for name in ("open", "high", "low", "close"):
                fields[name][stop:, k] = fields["close"][stop - 1, k]
            fields["volume"][stop:, k] = 0.0
    days = bars.days[first:end].as_unit("s").asi8 // 86_400 - 1
    grids = {name: np.ascontiguousarray(grid) for name, grid in fields.items()}
    for grid in (*grids.values(), days):
        grid.flags.writeable = False
    return Panel(**grids, days=days, tickers=bars.tickers[: len(columns)])


def _answer(panel: Panel, name: str, component: CustomSignal) -> FloatArray:
    """Return a component's answer, (n_layers, n_days, n_tickers), checked."""
    where = f"signals.custom.{name}: {component.function_name} of {component.file}"
    try:
        # As in all arithmetic here: what is divided by zero is infinite or NaN, and seen below.
        with np.errstate(all="ignore"):
            said = component.answer(panel, where)
        several = tuple(said) if component.columns else (said,)
        layers = [np.asarray(one, dtype=np.float64) for one in several]
    except ParameterError:
        raise
    # Whatever a user's own code does wrong is wrong input, with the line it came up in.
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ParameterError(f"{where} failed{failed_in(error)}: {what}") from error
    _check_shapes([one.shape for one in layers], panel, component, where)
    answer = np.stack(layers)
    _check_ranks(answer[-1], panel, where)
    return answer


def _check_shapes(
    shapes: Sequence[tuple[int, ...]], panel: Panel, component: CustomSignal, where: str
) -> None:
    wanted = panel.close.shape
    names = [*component.columns, "the rank"]
    if len(shapes) != len(names):
        raise ParameterError(
            f"{where} returned {len(shapes)} arrays, expected {len(names)}: {', '.join(names)}"
        )
    for what, shape in zip(names, shapes, strict=True):
        if shape != wanted:
            raise ParameterError(
                f"{where} returned an array of shape {shape} as {what}, expected {wanted}: a row "
                "per day and a column per ticker"
            )


def _check_ranks(rank: FloatArray, panel: Panel, where: str) -> None:
    wrong = np.argwhere(np.abs(rank) > HIGHEST_RANK + _ROUNDING)
    if len(wrong):
        t, j = wrong[0]
        day = dt.date(1970, 1, 1) + dt.timedelta(days=int(panel.days[t]))
        raise ParameterError(
            f"{where} says {rank[t, j]:g} of {panel.tickers[j]} after the candle of {day}; a rank "
            f"lies from -{HIGHEST_RANK} to {HIGHEST_RANK}, and is NaN where it is not known"
        )
