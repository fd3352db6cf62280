#!/usr/bin/env bash
# pandas 3.1.1: an EWM of span 3 weighs the first value after a hole by another rule than every other span.
#
# Documented for ignore_na=False, adjust=False: of x0, a hole, x2 the weights are (1 - alpha)
# squared and alpha, divided by their sum. At alpha = 0.5, which is span 3, and at no other tried,
# the sum is taken for 1 and the hole's share goes to the new value: of 1, hole, 4 the mean is
# 3.25, not 3. Seen for spans 2, 3, 4 and 9.
# Exit code 0 while it is so, 1 when it has changed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pandas==3.1.1
"$folder/env/bin/python" - <<'PYTHON'
import pandas as pd

seen = {}
for span in (2, 3, 4, 9):
    alpha = 2 / (span + 1)
    old = (1 - alpha) ** 2
    documented = (old * 1.0 + alpha * 4.0) / (old + alpha)
    got = pd.Series([1.0, float("nan"), 4.0]).ewm(span=span, adjust=False).mean().iloc[-1]
    seen[span] = abs(got - documented) < 1e-12
    print(f"span {span}: {got:.6f}, documented {documented:.6f}")
raise SystemExit(seen != {2: True, 3: False, 4: True, 9: True})
PYTHON
