"""``python -m benchmarks [--json] [NAME ...]``."""

from __future__ import annotations

import importlib
import json
import sys

NAMES = ("backtest", "decide", "daily_run", "simulator", "sweep")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    words = sys.argv[1:]
    as_json = "--json" in words
    names = [word for word in words if not word.startswith("-")] or list(NAMES)
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SystemExit(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found: dict[str, float | None] = {}
    for name in names:
        found.update(importlib.import_module(f"benchmarks.{name}").measure())
    for key, value in found.items():
        print(f"{key:36} " + (f"{value:12.3f}" if value is not None else f"{'-':>12}"))
    if as_json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
