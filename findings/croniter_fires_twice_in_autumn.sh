#!/usr/bin/env bash
# croniter 7.0.0: a job at 01:30 local time comes twice in the night when clocks go back.
#
# cron on Debian runs a job with a fixed hour once in that night; croniter, which schedulers and
# monitors of cron jobs are built on, gives 01:30 before and 01:30 after the change, an hour
# apart. Who checks by it whether the daily run came will miss one, and who starts by it will
# start twice. Seen: 05:30 and 06:30 UTC on 2026-11-01.
# Exit code 0 while it is so, 1 when it has changed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check croniter==7.0.0 tzdata==2026.1
"$folder/env/bin/python" - <<'PYTHON'
import datetime as dt
from zoneinfo import ZoneInfo

from croniter import croniter

evening = dt.datetime(2026, 10, 31, 22, tzinfo=ZoneInfo("America/New_York"))
times = croniter("30 1 * * *", evening)
seen = [times.get_next(dt.datetime).astimezone(dt.UTC) for _ in range(2)]
print("30 1 * * * in New York:", ", ".join(f"{at:%Y-%m-%d %H:%M} UTC" for at in seen))
raise SystemExit(seen[1] - seen[0] != dt.timedelta(hours=1))
PYTHON
