"""
What a fault does to a call: instead of an answer, or to the answer that was already made.

`BEFORE` strike before the exchange sees the request; `AFTER` strike when it has done its work.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tf_lib.simulator.replies import UNKNOWN, Cut, RefusedError, Response, unauthorized

BODIES = {
    "json": '{"error":"INTERNAL","error_details":"scheduled fault","message":"scheduled fault"}',
    "empty": "",
    "html": "<html><head><title>Error</title></head><body><h1>Just a moment</h1></body></html>",
    "text": "upstream connect error or disconnect/reset before headers",
}
_TYPES = {"json": "application/json", "html": "text/html; charset=UTF-8"}
_RATE_LIMITED = '{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'
PRICES = ("open", "high", "low", "close")
Options = Mapping[str, Any]
Effect = Callable[[Options, Response], Response]


def _no_answer(options: Options, reply: Response) -> Response:
    return Response(0, cut=Cut.CLOSE, wait_seconds=float(options.get("seconds", 0)))


def _reset(options: Options, reply: Response) -> Response:
    return Response(0, cut=Cut.RESET)


def _status(options: Options, reply: Response) -> Response:
    status, body = int(options.get("status", 503)), str(options.get("body", "json"))
    if status == 401:
        return unauthorized()
    text = _RATE_LIMITED if status == 429 and body == "json" else BODIES[body]
    return Response(status, text=text, content_type=_TYPES.get(body, "text/plain; charset=utf-8"))


def _unauthorized(options: Options, reply: Response) -> Response:
    return unauthorized()


def _refuse(options: Options, reply: Response) -> Response:
    """Refuse an order as the exchange refuses one: inside an HTTP 200."""
    named = str(options.get("error", UNKNOWN)), str(options.get("preview", ""))
    refusal = RefusedError(*named, str(options.get("message", "")))
    body = options.get("request")
    configuration = body.get("order_configuration") if isinstance(body, Mapping) else None
    return Response(200, refusal.body(configuration))


def _truncated(options: Options, reply: Response) -> Response:
    text = json.dumps(reply.payload)
    return Response(200, text=text[: max(1, len(text) // 2)])


def _cut_in_reply(options: Options, reply: Response) -> Response:
    return replace(reply, cut=Cut.TRUNCATE)


def _slow(options: Options, reply: Response) -> Response:
    return replace(reply, wait_seconds=float(options.get("seconds", 1)))


def _on_field(*, put: bool) -> Effect:
    def effect(options: Options, reply: Response) -> Response:
        payload = _copy(reply)
        _walk(payload, str(options["field"]).split("."), options.get("value"), put=put)
        return replace(reply, payload=payload)

    return effect


def _loop_cursor(options: Options, reply: Response) -> Response:
    payload = dict(reply.payload) if isinstance(reply.payload, dict) else {}
    more = {"has_next": True} if "has_next" in payload else {}
    return Response(200, payload | more | {"cursor": "MA=="})


def _walk(node: Any, keys: list[str], value: Any, *, put: bool) -> None:
    """Set or remove a field; ``*`` is every item of a list, ``side=BUY`` those that have it so."""
    key, rest = keys[0], keys[1:]
    if isinstance(node, list):
        for item in _chosen(node, key):
            if rest:
                _walk(item, rest, value, put=put)
    elif isinstance(node, dict):
        if rest:
            _walk(node.get(key), rest, value, put=put)
        elif put:
            node[key] = value
        else:
            node.pop(key, None)


def _chosen(items: list[Any], key: str) -> list[Any]:
    if key == "*":
        return items
    if key.isdigit():
        return items[int(key) : int(key) + 1]
    name, is_named, value = key.partition("=")
    dicts = (item for item in items if isinstance(item, dict))
    return [item for item in dicts if is_named and str(item.get(name)) == value]


def _copy(reply: Response) -> Any:
    return json.loads(json.dumps(reply.payload))


def _on_candles(change: Callable[[list[Any], Any], list[Any]]) -> Effect:
    def effect(options: Options, reply: Response) -> Response:
        payload = _copy(reply)
        if isinstance(payload, dict) and isinstance(payload.get("candles"), list):
            payload["candles"] = change(payload["candles"], options.get("value") or [])
        return replace(reply, payload=payload)

    return effect


def _without(rows: list[Any], which: Any) -> list[Any]:
    return [row for number, row in enumerate(rows) if number not in which]


def _doubled(rows: list[Any], which: Any) -> list[Any]:
    return [row for n, row in enumerate(rows) for _ in range(2 if n in which else 1)]


def _revised(rows: list[Any], changes: Any) -> list[Any]:
    revised = {int(number): fields for number, fields in dict(changes).items()}
    return [{**row, **revised.get(number, {})} for number, row in enumerate(rows)]


def _scaled(rows: list[Any], changes: Any) -> list[Any]:
    """Multiply fields of the candles of some dates."""
    return [_scaled_row(row, changes.get(_date_of(row), {})) for row in rows]


def _date_of(row: Mapping[str, Any]) -> str:
    return str(dt.datetime.fromtimestamp(int(row["start"]), dt.UTC).date())


def _scaled_row(row: Mapping[str, Any], factors: Mapping[str, Any]) -> dict[str, Any]:
    named = factors if "all" not in factors else dict.fromkeys(PRICES, factors["all"])
    changed = {key: Decimal(row[key]) * Decimal(str(by)) for key, by in named.items()}
    return {**row, **{key: format(value.normalize(), "f") for key, value in changed.items()}}


def _skewed(options: Options, reply: Response) -> Response:
    payload = _copy(reply)
    if not isinstance(payload, dict) or "iso" not in payload:
        return reply
    moved = dt.datetime.fromisoformat(payload["iso"]) + dt.timedelta(
        seconds=float(options.get("seconds", 0))
    )
    since = moved.timestamp()
    shown = {
        "iso": f"{moved.replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
        "epochSeconds": str(int(since)),
        "epochMillis": str(int(since * 1000)),
    }
    return replace(reply, payload={**payload, **shown})


BEFORE: Mapping[str, Effect] = {
    "drop_before": _no_answer,
    "reset_before": _reset,
    "status": _status,
    "unauthorized": _unauthorized,
    "refuse": _refuse,
}
AFTER: Mapping[str, Effect] = {
    "drop_after": _no_answer,
    "reset_after": _reset,
    "reset_in_reply": _cut_in_reply,
    "status_after": _status,
    "truncated_json": _truncated,
    "slow": _slow,
    "put_field": _on_field(put=True),
    "remove_field": _on_field(put=False),
    "loop_cursor": _loop_cursor,
    "candles_missing": _on_candles(_without),
    "candles_doubled": _on_candles(_doubled),
    "candles_scaled": _on_candles(_scaled),
    "candles_revised": _on_candles(_revised),
    "clock_skew": _skewed,
}
KINDS = (*BEFORE, *AFTER)
