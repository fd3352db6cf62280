"""
Faults by schedule: which call fails, how, and what the world does on its own.

A schedule is YAML or a mapping::

    seed: 5
    faults:
      - {kind: drop_after, endpoint: POST /orders, calls: [2, 5]}
      - {kind: status, endpoint: "GET /accounts", status: 503, body: html, probability: 0.1}
    world:
      hold_release_seconds: 5
      jumps: [{product: BTC-USD, at: "2024-03-01T04:00:00Z", price: "51000"}]
    events:
      - {kind: reward, currency: ETH, amount: "0.00000002", daily_at: "00:00:30"}

A rule counts the calls of its own endpoint. The n-th call fails if n is in ``calls`` (numbers or
"2-5"), or by a coin that depends on the seed, the rule and n alone; without either, every call.
Two runs of one schedule therefore fail in the same places. A rule with ``from`` and ``until``
(times of day at the exchange) or ``dates`` counts and strikes in that time alone: a storm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tf_lib.errors import ParameterError
from tf_lib.simulator.api.routes import PREFIX
from tf_lib.simulator.faults.account_events import AccountEvent, read_events
from tf_lib.simulator.faults.daytimes import WINDOW_KEYS, DaytimeWindow, read_window
from tf_lib.simulator.faults.effects import BODIES, KINDS, PRICES
from tf_lib.text.days import day_from
from tf_lib.text.shown import shown
from tf_lib.text.written import check_keys, read_yaml


@dataclass(frozen=True)
class FaultRule:
    """
    One line of a schedule.

    Attributes
    ----------
    kind : str
        A name in `KINDS`.
    method, path : str
        Which calls; the path is without the prefix and may hold ``*``.
    calls : frozenset of int
        Which calls of this endpoint, from 1; empty means all, or those the coin picks.
    probability : float or None
    contains : tuple of str
        Only calls whose path, query or body holds all of these texts count.
    window : Window or None
        The time of the day, and the dates, to which it is confined.
    options : mapping
        What the kind needs: ``status``, ``body``, ``field``, ``value``, ``seconds``.
    """

    kind: str
    method: str = "*"
    path: str = "*"
    calls: frozenset[int] = frozenset()
    probability: float | None = None
    contains: tuple[str, ...] = ()
    window: DaytimeWindow | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def concerns(self, method: str, path: str, text: str, *, now: int) -> bool:
        """Whether a call at a moment is one of those this rule counts."""
        return (
            (self.window is None or self.window.holds(now))
            and fnmatchcase(method, self.method)
            and fnmatchcase(path.removeprefix(PREFIX), self.path)
            and all(each in text for each in self.contains)
        )


@dataclass(frozen=True)
class FaultPlan:
    """A whole schedule: rules, the coin's seed, the world's own doings, and account events."""

    rules: tuple[FaultRule, ...] = ()
    seed: int = 0
    world: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[AccountEvent, ...] = ()


class Faults:
    """
    The schedule at work: counts calls and picks the rule that strikes.

    Parameters
    ----------
    plan : FaultPlan
    remembered : sequence of (text, int)
        What `memory` returned before; a rule goes on counting if it stands in the same place.
    """

    def __init__(self, plan: FaultPlan, remembered: Sequence[Sequence[Any]] = ()) -> None:
        self.plan = replace(plan, rules=())
        self.counts: list[int] = []
        self._names: list[str] = []
        for rule in plan.rules:
            self.add(rule)
        for index, (name, count) in enumerate(remembered[: len(self._names)]):
            if name == self._names[index]:
                self.counts[index] = count

    @property
    def memory(self) -> list[tuple[str, int]]:
        """Each rule's own name and how many calls it has counted."""
        return list(zip(self._names, self.counts, strict=True))

    def add(self, rule: FaultRule) -> None:
        """Let one more rule count from now on."""
        self.plan = replace(self.plan, rules=(*self.plan.rules, rule))
        self.counts.append(0)
        self._names.append(hashlib.sha256(repr(rule).encode()).hexdigest()[:16])

    def clear(self) -> None:
        """Forget every rule."""
        self.plan = replace(self.plan, rules=())
        self.counts.clear()
        self._names.clear()

    def strike(self, method: str, path: str, text: str, *, now: int) -> FaultRule | None:
        """Return the first rule that strikes this call, counting it for all it concerns."""
        struck = None
        for index, rule in enumerate(self.plan.rules):
            if not rule.concerns(method, path, text, now=now):
                continue
            self.counts[index] += 1
            if struck is None and self._falls(rule, index, self.counts[index]):
                struck = rule
        return struck

    def _falls(self, rule: FaultRule, index: int, number: int) -> bool:
        if rule.calls:
            return number in rule.calls
        if rule.probability is None:
            return True
        coin = hashlib.sha256(f"{self.plan.seed}|{index}|{number}".encode()).digest()
        return int.from_bytes(coin[:8], "big") / 2**64 < rule.probability


# -- reading a schedule ------------------------------------------------------------------------

_RULE_KEYS = ("kind", "endpoint", "calls", "probability", "contains", *WINDOW_KEYS)
_MOST_CALLS = 1_000_000
_LARGEST_FACTOR = 10**9
_OPTION_KEYS = ("status", "body", "seconds", "field", "value", "error", "preview", "message")


def read_faults(source: FaultPlan | Mapping[str, Any] | Path | str | None) -> FaultPlan:
    """
    Read a schedule from a file, or take one that is already a mapping.

    Raises
    ------
    ParameterError
        An unknown kind, key or body, naming what is known.
    """
    if source is None or isinstance(source, FaultPlan):
        return source or FaultPlan()
    if isinstance(source, Mapping):
        return _plan(source, "faults")
    path = Path(source)
    return _plan(read_yaml(path, "fault schedule"), str(path))


def _plan(mapping: Mapping[str, Any], source: str) -> FaultPlan:
    check_keys(mapping, ("seed", "faults", "world", "events"), source)
    rules = mapping.get("faults") or []
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        raise ParameterError(f"{source}: faults must be a list, got {shown(rules)}")
    parsed = tuple(fault_rule(rule, f"{source}: fault {n}") for n, rule in enumerate(rules, 1))
    world = mapping.get("world") or {}
    if not isinstance(world, Mapping):
        raise ParameterError(f"{source}: world must be a mapping, got {shown(world)}")
    seed = mapping.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ParameterError(f"{source}: seed must be a whole number, got {shown(seed)}")
    return FaultPlan(parsed, seed, world, read_events(mapping.get("events") or [], source))


def fault_rule(mapping: Mapping[str, Any], source: str = "fault") -> FaultRule:
    """Read one rule."""
    if not isinstance(mapping, Mapping) or mapping.get("kind") not in KINDS:
        got = mapping.get("kind") if isinstance(mapping, Mapping) else mapping
        raise ParameterError(f"{source}: unknown kind {shown(got)}; known are {', '.join(KINDS)}")
    check_keys(mapping, (*_RULE_KEYS, *_OPTION_KEYS), source)
    if str(mapping.get("body", "json")) not in BODIES:
        known = ", ".join(BODIES)
        raise ParameterError(f"{source}: body must be one of {known}, got {mapping['body']!r}")
    is_field = isinstance(mapping.get("field", ""), str)
    needs_field = mapping["kind"] in ("put_field", "remove_field")
    if not is_field or (needs_field and "field" not in mapping):
        raise ParameterError(f"{source}: {mapping['kind']} needs field, as in orders.*.status")
    _check_options(mapping, source)
    method, _, path = str(mapping.get("endpoint", "* *")).partition(" ")
    probability = mapping.get("probability")
    return FaultRule(
        kind=mapping["kind"],
        method=method,
        path=path or "*",
        calls=_calls(mapping.get("calls"), source),
        probability=None if probability is None else float(probability),
        contains=_contains(mapping.get("contains")),
        window=read_window(mapping, source),
        options={key: mapping[key] for key in _OPTION_KEYS if key in mapping},
    )


def _check_options(mapping: Mapping[str, Any], source: str) -> None:
    """Refuse what the kind could not work with, before the exchange starts."""
    for name, least, most in (("probability", 0, 1), ("seconds", -1e9, 1e9), ("status", 100, 599)):
        value = mapping.get(name, least)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most or (name == "status" and value % 1):
            raise ParameterError(f"{source}: {name} must be {least:g} to {most:g}, got {value!r}")
    value, kind = mapping.get("value"), mapping["kind"]
    if kind in ("candles_missing", "candles_doubled") and not _are_rows(value):
        raise ParameterError(f"{source}: {kind} needs value, a list of row numbers, got {value!r}")
    if kind == "candles_scaled":
        _check_factors(value, source)
    if kind == "candles_revised" and not (
        isinstance(value, Mapping)
        and _are_rows([int(key) if str(key).isdecimal() else key for key in value])
        and all(isinstance(fields, Mapping) for fields in value.values())
    ):
        raise ParameterError(
            f"{source}: {kind} needs value, as in {{0: {{close: '1'}}}}, got {value!r}"
        )


def _check_factors(value: Any, source: str) -> None:
    """Refuse anything but factors of prices by date."""
    try:
        for day, factors in value.items():
            day_from(day)
            for name, factor in factors.items():
                if name not in (*PRICES, "all") or not 0 < Decimal(str(factor)) < _LARGEST_FACTOR:
                    raise ValueError
    except (AttributeError, ValueError, InvalidOperation):
        raise ParameterError(
            f"{source}: candles_scaled needs value, as in {{2024-03-01: {{high: 1.9}}}} or "
            f"{{2024-03-01: {{all: 0.5}}}}, got {shown(value)}"
        ) from None


def _contains(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(each) for each in (value if isinstance(value, list) else [value]))


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, int) for each in value)


def _calls(value: Any, source: str) -> frozenset[int]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    numbers: set[int] = set()
    for item in items:
        first, _, last = str(item).partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ParameterError(f'{source}: calls are numbers or "2-5", got {item!r}')
        if int(last or first) - int(first) > _MOST_CALLS:
            raise ParameterError(f"{source}: more than {_MOST_CALLS} calls, got {item!r}")
        numbers |= set(range(int(first), int(last or first) + 1))
    return frozenset(numbers)
