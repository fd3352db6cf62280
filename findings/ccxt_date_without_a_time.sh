#!/usr/bin/env bash
# ccxt 4.5.90: a date without a time is read as nothing, in silence.
#
# parse8601('2024-01-01') and parse_date('2024-01-01') answer None, and fetch_ohlcv(since=None)
# then asks for the newest candles instead of those since that day. With a time of day and seconds
# the same date is read. The compact form 20240101 and a time without seconds are None as well.
# Seen: None three times, then 1704067200000.
# Exit code 0 while it is so, 1 when it has changed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check ccxt==4.5.90
"$folder/env/bin/python" - <<'PYTHON'
import ccxt

parse = ccxt.Exchange.parse8601
texts = ("2024-01-01", "20240101", "2024-01-01 00:00", "2024-01-01T00:00:00Z")
seen = [parse(text) for text in texts]
for text, moment in zip(texts, seen):
    print(f"{text:22} {moment}")
raise SystemExit(seen != [None, None, None, 1704067200000])
PYTHON
