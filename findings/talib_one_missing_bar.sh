#!/usr/bin/env bash
# TA-Lib 0.8.2: one missing bar ends a moving average for good, and a highest high does not see it.
#
# One NaN in the middle of 60 closes: SMA(5) is NaN from there to the end of the series, because
# it is summed on the go; MAX(5) answers a number on every row whose window holds the hole.
# pandas' rolling functions are undefined on exactly the five rows whose window holds it. Seen: 40
# + 4 undefined rows of SMA, 4 (warm-up only) of MAX.
# Exit code 0 while it is so, 1 when it has changed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check TA-Lib==0.8.2 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
import talib

close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, 60)))
close[20] = np.nan
average, highest = talib.SMA(close, 5), talib.MAX(close, 5)
print(f"SMA: {np.isnan(average).sum()} of 60 undefined, the last row too: {np.isnan(average[-1])}")
print(f"MAX: {np.isnan(highest).sum()} of 60 undefined")
raise SystemExit((np.isnan(average).sum(), np.isnan(highest).sum()) != (44, 4))
PYTHON
