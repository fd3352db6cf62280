#!/usr/bin/env bash
# ta 0.11.0: the average true range of bars before the window is full is 0.0, not undefined.
#
# AverageTrueRange(window=14) of a frame of daily bars answers 0.0 for its first 13 rows (the
# Donchian channel of the same library answers NaN there). A stop at high - k * ATR then stands at
# the high itself, and a volatility-sized position divides by zero. TA-Lib 0.8.2 answers NaN for
# the same rows, and other values after them, as it leaves out the first range. Seen: 13 zeros
# against 14 NaN, first values 2.3450 and 2.3482.
# Exit code 0 while it is so, 1 when it has changed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check ta==0.11.0 TA-Lib==0.8.2 numpy==2.4.6 pandas==3.1.1
"$folder/env/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import pandas as pd
import ta
import talib

warnings.simplefilter("ignore")
close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, 60)))
high, low = close * 1.01, close * 0.99
of_ta = ta.volatility.AverageTrueRange(
    pd.Series(high), pd.Series(low), pd.Series(close), window=14
).average_true_range()
of_talib = talib.ATR(high, low, close, timeperiod=14)
zeros, holes = int((of_ta == 0.0).sum()), int(np.isnan(of_talib).sum())
print(f"ta: {zeros} zeros, then {of_ta[zeros]:.4f}; TA-Lib: {holes} NaN, then {of_talib[holes]:.4f}")
raise SystemExit((zeros, holes) != (13, 14))
PYTHON
