"""
Candle text: from the text of a candle file to a checked frame.

Stage 0 of the pipeline (*candles* -> bars -> signals). The format and its checks are those of
`tf_lib.core.candles.rows`.
"""

from __future__ import annotations

import pandas as pd

from tf_lib.core.candles.rows import FIELDS, HEADER, candle_rows, price_decimals

__all__ = ["FIELDS", "HEADER", "parse_candles", "price_decimals"]


def parse_candles(text: str, *, source: str) -> pd.DataFrame:
    """
    Read the text of one candle file.

    Parameters
    ----------
    text : str
        CSV with the header ``date,open,high,low,close,volume``, oldest day first.
    source : str
        The file's name, for messages.

    Returns
    -------
    DataFrame of shape (n_days, 5)
        Floats on a strictly rising UTC index named ``date``, the day each bar opens. Missing days
        are missing rows. Prices are positive, low <= open, close <= high.

    Raises
    ------
    BarsError
        Naming `source`, the line, what stands there and what was expected.
    """
    days, values = candle_rows(text, source=source)
    index = pd.DatetimeIndex(days.astype("datetime64[s]"), name="date").tz_localize("UTC")
    return pd.DataFrame({name: values[k] for k, name in enumerate(FIELDS)}, index=index)
