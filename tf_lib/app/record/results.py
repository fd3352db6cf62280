"""What a run's folder says of its orders and stops, as far as it got."""

from __future__ import annotations

from typing import Any, cast

from tf_lib.core.model.run_rows import OrderRow, StopRow
from tf_lib.errors import StateError
from tf_lib.store.run_folder import RunFolder, RunLogs

FILLS_FILE = "fills.json"
PROTECTION_FILE = "protection.json"
SENDING_LOGS = ("order_submit", "dust_submit", "stop_updates")


def content_of(folder: RunFolder, name: str) -> dict[str, Any]:
    """Return a JSON file of a run; empty where the run never came to it."""
    try:
        content = folder.read_json(name)
    except StateError:
        return {}
    return content if isinstance(content, dict) else {}


def order_results(logs: RunLogs, *names: str) -> list[OrderRow]:
    """Return each order's end as the logs of these names tell it."""
    return cast(list[OrderRow], [row for name in names for row in _results(logs, name)])


def stop_results(logs: RunLogs) -> list[StopRow]:
    """Return what was done for each product's protection, in time."""
    return cast(list[StopRow], _results(logs, "stop_updates"))


def last_stops(logs: RunLogs) -> dict[str, StopRow]:
    """Return the last word on each product's protection, by product."""
    return {row["product"]: row for row in stop_results(logs)}


def _results(logs: RunLogs, name: str) -> list[dict[str, Any]]:
    return [without_action(row) for row in logs.read(name) if row.get("action") == "result"]


def without_action(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of a log without its ``action``."""
    return {key: value for key, value in line.items() if key != "action"}
