"""
Where each planted fault must be caught, by name.

A trial is what a fault is put through: cases of the crash matrix, a scenario, or a check of its
own. The same trial without the fault finds nothing; that is what the other proofs say.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.proofs.crash import Case, Play, Point, Scene, every_case, on_machine
from tests.proofs.fork_server import PROJECT
from tests.proofs.scenarios import tell
from tests.proofs.stage import Stage

MOST_CASES = 12
Trial = Callable[[Stage, Scene, str], Iterator[str]]


@dataclass(frozen=True)
class Outcome:
    """What became of one planted fault."""

    fault: str
    findings: tuple[str, ...]

    @property
    def by(self) -> str:
        """The finding of a kind that this fault causes; empty when there is none."""
        return next((f for f in self.findings if f.startswith(CHECKS[self.fault].kinds)), "")


@dataclass(frozen=True)
class Check:
    """Where a planted fault is looked for, and the kinds of findings that are its own."""

    trial: Trial
    kinds: tuple[str, ...]


def cases(
    *,
    what: str = "",
    moment: str = "after",
    world: str = "still",
    recovery: str = "",
    power: bool = False,
    before: str = "",
    machine: str = "",
) -> Trial:
    """
    Return a trial of crash cases; `before` names what the next point must be.

    With `machine` they are played by the wall clock of that machine.
    """

    def trial(stage: Stage, scene: Scene, fault: str) -> Iterator[str]:
        if machine:
            scene = on_machine(stage, scene, machine)
        points = scene.points["lag" if world == "lag" else "still"]
        following = {one.number: two.what for one, two in itertools.pairwise(points)}
        chosen = [
            case
            for case in every_case(scene)
            if what in case.point.what
            and before in following.get(case.point.number, "")
            and (case.moment, case.world, case.power) == (moment, world, power)
            and recovery in ("", case.recovery)
        ]
        for case in spread(chosen, MOST_CASES):
            yield from Play(stage, scene, case, planted=fault).go().findings

    return trial


def spread(chosen: list[Case], count: int) -> Iterable[Case]:
    """Return cases from everywhere in the day."""
    step = max(len(chosen) // count, 1)
    return chosen[::step][:count]


def story(*names: str) -> Trial:
    """Return a trial of scenarios."""

    def trial(stage: Stage, scene: Scene, fault: str) -> Iterator[str]:
        for name in names:
            yield from tell(stage, scene.eve, name, planted=fault).findings

    return trial


def two_at_once(stage: Stage, scene: Scene, fault: str) -> Iterator[str]:
    """Two runs start at the same instant: one does the day, the other exits 4."""
    stage.put_back(scene.eve)
    codes = stage.run_twice(planted=fault)
    if sorted(codes) != [0, 4]:
        yield f"lock: two runs at once ended with {codes}"


def a_sleeper(stage: Stage, scene: Scene, fault: str) -> Iterator[str]:
    """A run whose epoch is over wakes up: it sends nothing."""
    stage.put_back(scene.eve)
    sent = stage.count_changes()
    ended = stage.run(planted=fault, raise_epoch_at=40)
    if stage.count_changes() > sent:
        yield f"epoch: sent {stage.count_changes() - sent} requests after it ended ({ended.code})"


def a_token_twice(stage: Stage, scene: Scene, fault: str) -> Iterator[str]:
    """The same token is offered twice; the second time it must be worth nothing."""
    script = (
        "import sys, tempfile, pathlib\n"
        "from tests.proofs.planted import plant\n"
        "from tf_lib.safety.arming import ArmedFor, claim, issue\n"
        f"plant({fault!r}) if {fault!r} else None\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    what = ArmedFor('p', '2024-01-01', 'x', 'u')\n"
        "    token = issue(pathlib.Path(folder), what)\n"
        "    claim(token, what)\n"
        "    try:\n"
        "        claim(token, what)\n"
        "    except Exception:\n"
        "        sys.exit(0)\n"
        "sys.exit(7)\n"
    )
    code = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode
    if code:
        yield f"arming: a token was claimed twice ({code})"


CHECKS: dict[str, Check] = {
    "no_fsync": Check(
        cases(what="POST /orders", power=True, recovery="rerun"),
        ("stray", "overfilled", "lost_line"),
    ),
    "restore_only_in_finally": Check(cases(what="ledger move DONE", recovery="guard"), ("bare",)),
    "ordinal_always_1": Check(story("a_stop_that_vanished"), ("bare", "exit", "wrong_id")),
    "open_list_trusted": Check(story("an_answer_without_proof"), ("disagrees", "resent_buy")),
    "stale_zero_trusted": Check(story("stale_accounts_for_the_guard"), ("bare",)),
    "guard_raises": Check(cases(what="ledger mark done", recovery="guard"), ("bare", "not_quiet")),
    "size_in_the_id": Check(story("a_day_with_lags"), ("wrong_id",)),
    "unknown_buy_resent": Check(cases(what="ledger intent en", recovery="rerun"), ("resent_buy",)),
    "token_reusable": Check(a_token_twice, ("arming",)),
    "done_before_effects": Check(cases(what="ledger plan", recovery="next_day"), ("done_mark",)),
    "clamp_remembered": Check(story("level_above_the_market"), ("clamp", "lowered")),
    "hold_not_awaited": Check(story("a_day_with_lags"), ("bare", "exit")),
    "plan_age_ignored": Check(story("an_old_plan"), ("stale_plan",)),
    "plan_age_asked_once": Check(story("asleep_in_the_middle"), ("stale_plan",)),
    "foreign_stop_cancelled": Check(story("a_foreign_stop"), ("foreign",)),
    "undefined_signal_sold": Check(story("an_undefined_signal"), ("story",)),
    "cancel_before_look": Check(story("a_halted_product"), ("story", "bare")),
    "unknown_taken_for_refused": Check(story("an_answer_without_proof"), ("disagrees", "doubled")),
    "intent_after_the_answer": Check(cases(what="POST /orders", recovery="rerun"), ("stray",)),
    "no_lock": Check(two_at_once, ("lock",)),
    "epoch_ignored": Check(a_sleeper, ("epoch",)),
    "whole_size_again": Check(cases(what="ledger move DONE", recovery="rerun"), ("overfilled",)),
    "bare_since_now": Check(
        cases(what="POST /orders", before="ledger move ACKED", recovery="guard"), ("bare_time",)
    ),
    "torn_line_kept": Check(
        cases(what="ledger", moment="torn", recovery="rerun"), ("lost_line", "recovery")
    ),
    "done_not_flushed": Check(
        cases(what="ledger mark done", power=True, recovery="rerun"), ("done_mark",)
    ),
    "no_cooldown": Check(story("stopped_out_overnight"), ("cooldown", "story")),
    "funds_lead_to_exit": Check(story("a_day_with_lags"), ("bare", "exit")),
    "impediments_forgotten": Check(story("one_book_without_a_bid"), ("silent", "story")),
    "done_whatever_stood_in_the_way": Check(story("one_book_without_a_bid"), ("silent",)),
    "missed_exits_are_fine": Check(story("a_held_book_far_from_its_last_trade"), ("silent",)),
    "late_start_skips": Check(story("started_after_the_gate"), ("bare",)),
    "storm_not_waited": Check(story("a_storm_at_midnight"), ("story",)),
    "bad_row_stops_all": Check(story("every_stop_in_a_band"), ("story", "exit")),
    "bad_book_stops_all": Check(story("one_book_without_a_bid"), ("story",)),
    "nearer_limit_not_tried": Check(story("every_stop_in_a_band"), ("bare", "exit", "story")),
    "holds_not_waited_for": Check(story("holds_that_come_back_late"), ("bare",)),
    "crumbs_lock": Check(story("crumbs_from_nowhere"), ("story", "exit")),
    "first_holdings_are_ours": Check(story("what_was_there_before"), ("story",)),
    "exits_locked": Check(story("locked_products_still_leave"), ("story",)),
    "old_level_trusted": Check(story("an_old_backup_and_lost_stops"), ("story", "lowered")),
    "clock_goes_back": Check(
        cases(what="ledger move DONE", recovery="rerun", machine="0.2 s ahead"), ("clock",)
    ),
    "plan_orders_by_time": Check(
        cases(what="ledger move DONE", recovery="rerun", machine="0.2 s ahead"), ("overfilled",)
    ),
    "pause_ignored": Check(story("a_pause_over_a_busy_day"), ("paused",)),
    "theirs_is_sold": Check(story("out_of_everything_beside_coins_of_others"), ("story",)),
    "wrong_bars_believed": Check(story("a_high_that_never_was"), ("story",)),
}


def try_fault(stage: Stage, scene: Scene, fault: str, *, is_planted: bool = True) -> Outcome:
    """Put one fault through its trial, until something of its kind is found."""
    check, found = CHECKS[fault], []
    for finding in check.trial(stage, scene, fault if is_planted else ""):
        found.append(finding)
        if is_planted and finding.startswith(check.kinds):
            break
    return Outcome(fault, tuple(found))


__all__ = ["CHECKS", "Outcome", "Point", "try_fault"]
