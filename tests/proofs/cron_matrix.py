"""
Cron matrix: every day of two years, every time zone with rules of its own, and what cron does.

The gate that judges is the runner's own; time, ledger and lock are stood in for. For each zone the
lines are those that ``tf cron`` prints for it, fired by a cron that knows local time only, of both
kinds: one that fires whenever the wall clock shows the minute, and one that makes up at once for a
minute that was skipped.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tf_lib.app.commands.schedule.crontab import crontab
from tf_lib.app.commands.schedule.jobs import jobs_of
from tf_lib.app.launch.gate import Gate as RunGate
from tf_lib.app.options import ProfileOptions, RunOptions
from tf_lib.errors import PreflightRefused
from tf_lib.parameters import load_config
from tf_lib.project import profile_file

FIRST, LAST = dt.date(2026, 1, 1), dt.date(2027, 12, 31)
WAYS = (
    "once", "two_triggers", "overlap", "late", "too_late", "missed", "set_back", "forced",
    "killed_first", "killed_last",
)  # fmt: skip
CASES_PER_ZONE = len(WAYS) * 2 * ((LAST - FIRST).days + 1)
_LINE = re.compile(r"^([\d,]+) (\d+) \* \* \* .*run_papermill")
_MINUTE = dt.timedelta(minutes=1)


@dataclass
class Book:
    """A ledger that only knows which days were begun, which are done, and how often."""

    effects: Counter[dt.date] = field(default_factory=Counter)
    marks: dict[dt.date, dict[str, Any]] = field(default_factory=dict)
    plans: dict[dt.date, dict[str, Any]] = field(default_factory=dict)

    def has_mark(self, day: dt.date, mark: str) -> bool:
        return mark in self.marks.get(day, {})

    def claim(self, now: dt.datetime) -> None:
        self.marks.setdefault(now.date(), {})["claimed"] = {"at": now.isoformat()}

    def finish(self, day: dt.date) -> None:
        self.marks[day]["done"] = {}
        self.effects[day] += 1


class Gate:
    """The runner's gate on a clock of our own."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.now = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.said: list[str] = []
        config = load_config(profile_file("live"))
        heartbeat = SimpleNamespace(beat=lambda event, **facts: self.said.append(event))
        self._gates = {}
        for forced in (False, True):
            options = RunOptions(force_run=forced)
            gate = RunGate(options, config, SimpleNamespace(state=Path()), heartbeat)  # type: ignore[arg-type]
            gate.outside_now = lambda: self.now  # type: ignore[method-assign]
            gate._ledger = SimpleNamespace(state=book)  # type: ignore[assignment]
            self._gates[forced] = gate

    def start(
        self,
        now: dt.datetime,
        *,
        forced: bool = False,
        is_locked: bool = False,
        is_killed: bool = False,
    ) -> bool:
        """Start a run; whether it has effects. One that is killed is begun and not done."""
        self.now = now
        if is_locked:
            return False
        try:
            verdict = self._gates[forced].decide()
        except PreflightRefused:
            self.said.append("refused")
            return False
        if verdict.event:
            self.said.append(verdict.event)
            return False
        self.book.claim(now)
        if not is_killed:
            self.book.finish(verdict.day)
        return not is_killed


def zones() -> dict[str, tuple[str, ...]]:
    """Return one zone for each distinct set of rules in the two years, with all that share it."""
    groups: dict[tuple[int, ...], list[str]] = {}
    begin = dt.datetime.combine(FIRST, dt.time(), dt.UTC)
    hours = [begin + dt.timedelta(hours=h) for h in range(0, ((LAST - FIRST).days + 1) * 24)]
    for name in sorted(zoneinfo.available_timezones()):
        zone = zoneinfo.ZoneInfo(name)
        rules = tuple(int(offset_at(zone, hour).total_seconds()) for hour in hours)
        groups.setdefault(rules, []).append(name)
    return {names[0]: tuple(names) for names in groups.values()}


def offset_at(zone: zoneinfo.ZoneInfo, moment: dt.datetime) -> dt.timedelta:
    found = moment.astimezone(zone).utcoffset()
    assert found is not None
    return found


def lines_of(zone: zoneinfo.ZoneInfo) -> list[tuple[int, int]]:
    """Return (hour, minute) of the daily lines that are printed for a zone."""
    begin = dt.datetime.combine(FIRST, dt.time(), dt.UTC)
    moments = [begin + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    offsets = sorted({int(offset_at(zone, m).total_seconds()) // 60 for m in moments})
    text = crontab(jobs_of(ProfileOptions("live")), offsets=tuple(offsets))
    found = [_LINE.match(line) for line in text.splitlines()]
    matches = [match for match in found if match is not None]
    return [(int(match[2]), int(minute)) for match in matches for minute in match[1].split(",")]


def fired(
    zone: zoneinfo.ZoneInfo, lines: list[tuple[int, int]], day: dt.date, *, makes_up: bool
) -> Iterator[dt.datetime]:
    """Yield the UTC moments of one UTC day at which cron fires, in order."""
    begin = dt.datetime.combine(day, dt.time(), dt.UTC)
    offsets = {offset_at(zone, begin + dt.timedelta(hours=h)) for h in range(-1, 26)}
    moments = set()
    for hour, minute in lines:
        wall = dt.timedelta(hours=hour, minutes=minute)
        for days in (-1, 0, 1):
            for offset in offsets:
                moment = begin + dt.timedelta(days=days) + wall - offset
                local = moment.astimezone(zone)
                if (local.hour, local.minute) == (hour, minute):
                    moments.add(moment)
                elif makes_up and len(offsets) > 1:
                    # The minute does not exist today: made up for right after the jump.
                    jump = _jump(zone, begin)
                    if jump is not None and _is_skipped(zone, jump, hour, minute):
                        moments.add(jump)
    return iter(sorted(m for m in moments if begin <= m < begin + dt.timedelta(days=1)))


def _jump(zone: zoneinfo.ZoneInfo, begin: dt.datetime) -> dt.datetime | None:
    """Return the minute of the day at which the zone's offset grows, if it does."""
    step = dt.timedelta(minutes=15)
    for number in range(24 * 4):
        moment = begin + number * step
        if offset_at(zone, moment) > offset_at(zone, moment - step):
            return moment
    return None


def _is_skipped(zone: zoneinfo.ZoneInfo, jump: dt.datetime, hour: int, minute: int) -> bool:
    before = (jump - _MINUTE).astimezone(zone).replace(tzinfo=None)
    after = jump.astimezone(zone).replace(tzinfo=None)
    wall = before.replace(hour=hour, minute=minute)
    return before < wall < after


def _last_of_gate(day: dt.date, moments: list[dt.datetime]) -> dt.datetime:
    closing = dt.datetime.combine(day, dt.time(0, 6), dt.UTC)
    return max(moment for moment in moments if moment < closing)


# -- what cron does ---------------------------------------------------------------------------


def run_zone(name: str) -> list[str]:
    """Return what is wrong with a zone: a day without its effects, or with more than one set."""
    zone, found = zoneinfo.ZoneInfo(name), []
    lines = lines_of(zone)
    for way in WAYS:
        for makes_up in (False, True):
            book = Book()
            gate = Gate(book)
            for day in days():
                moments = list(fired(zone, lines, day, makes_up=makes_up))
                found += [f"{day} {way}: {w}" for w in do_day(gate, way, day, moments)]
    return found


def days() -> Iterator[dt.date]:
    for number in range((LAST - FIRST).days + 1):
        yield FIRST + dt.timedelta(days=number)


def do_day(gate: Gate, way: str, day: dt.date, moments: list[dt.datetime]) -> Iterator[str]:
    """Do one day in one way, and say what should not have been."""
    wanted = 1
    if way == "once":
        for moment in moments:
            gate.start(moment)
    elif way == "two_triggers":
        for moment in moments:
            gate.start(moment)
            gate.start(moment + dt.timedelta(seconds=20))
    elif way == "overlap":
        for moment in moments:
            has_effects = gate.start(moment)
            gate.start(moment + dt.timedelta(seconds=1), is_locked=has_effects)
            gate.start(moment + dt.timedelta(seconds=150))
    elif way == "late":
        for moment in moments:
            gate.start(moment + dt.timedelta(minutes=4, seconds=30))
    elif way == "too_late":
        wanted = 0
        for moment in moments:
            gate.start(moment + dt.timedelta(minutes=7))
    elif way == "missed":
        wanted = day.toordinal() % 3 != 0
        for moment in moments if wanted else ():
            gate.start(moment)
    elif way == "set_back":
        for moment in moments:
            gate.start(moment)
        for back in (dt.timedelta(minutes=30), dt.timedelta(hours=1), dt.timedelta(days=1)):
            for moment in moments:
                gate.start(moment - back)
    elif way == "killed_first":
        for number, moment in enumerate(moments):
            gate.start(moment, is_killed=number < 2)
    elif way == "killed_last":
        for moment in moments:
            gate.start(moment, is_killed=True)
        wanted = day.toordinal() % 2
        last = _last_of_gate(day, moments)
        gate.start(last + dt.timedelta(minutes=4 if wanted else 10))
    else:
        for moment in moments:
            gate.start(moment)
        wanted = 2
        gate.start(moments[0] + dt.timedelta(hours=5), forced=True)
        gate.start(moments[0] + dt.timedelta(hours=6))
    if gate.book.effects[day] != wanted:
        yield f"{gate.book.effects[day]} sets of effects, wanted {int(wanted)}"
    if way == "set_back" and gate.book.effects.get(day - dt.timedelta(days=1), 1) > 1:
        yield "a second set for the day before"
