"""
The runner: lock, arming, one run of the steps, and protection when it did not end well.

It owns what must be decided outside the process that trades: who may send (`gate` says whether
today runs at all), whether the run was complete, and the exit code (`outcome` makes the record).
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf_lib.app.commands.upkeep import protect_profile
from tf_lib.app.connection import (
    Connection,
    Place,
    candles_stale,
    check_candles_reach,
    check_key_file,
    has_own_clock,
    open_place,
)
from tf_lib.app.daily.session import TRADES_COMPLETE
from tf_lib.app.launch.alarms import Alarm, AlarmBook, unprotected_alarms, unsettled_alarms
from tf_lib.app.launch.attempt import Attempt
from tf_lib.app.launch.cooldown_recovery import recall_cooldowns
from tf_lib.app.launch.finish import failures
from tf_lib.app.launch.gate import Gate, Verdict
from tf_lib.app.launch.notebook import MASTER, execute
from tf_lib.app.launch.outcome import Outcome, exit_code, note_unprotected
from tf_lib.app.options import RunOptions
from tf_lib.errors import (
    EXIT_DONE,
    EXIT_UNPROTECTED,
    LockHeld,
    ParameterError,
    PreflightRefused,
    TfError,
    UnreadableState,
)
from tf_lib.exchange.clock import wall_now
from tf_lib.notify.mail_file import mail_file_problems
from tf_lib.parameters import Config
from tf_lib.safety import epoch
from tf_lib.safety.arming import ArmedFor, issue
from tf_lib.safety.lock import portfolio_lock, state_lock, wait_for_guard
from tf_lib.safety.session_file import SESSION_FILE, arm_here, config_sha256
from tf_lib.store.disk_reserve import set_aside
from tf_lib.store.heartbeat import Heartbeat
from tf_lib.store.ledger import Ledger
from tf_lib.store.ledger_checkpoint import KEPT_DAYS
from tf_lib.store.run_folder import ProfileFolder, RunFolder


def run_daily(options: RunOptions) -> int:
    """
    Do the daily job once and return its exit code.

    Raises
    ------
    InputError, LockHeld, PreflightRefused
        Before anything was sent; the command line turns them into a message and a code.
    """
    options.check()
    profile, config = options.load()
    if options.date is not None and not has_own_clock(config):
        raise ParameterError(
            f"--date moves the embedded simulated exchange's clock; profile {profile} has "
            f"exchange.kind {config.exchange.kind}, whose day is not ours to choose"
        )
    if options.date is None:
        check_candles_reach(config, wall_now().date())
    folder = ProfileFolder(options.runs.resolve(), profile)
    folder.prepare()
    runner = Runner(options, profile, config, folder)
    if options.dry_run:
        return runner.start()
    lock = state_lock(folder.state, kind="run")
    wait_for_guard(lock, seconds=options.patience)
    try:
        return runner.start()
    finally:
        lock.release()


@dataclass
class Runner:
    """One call of the daily run."""

    options: RunOptions
    profile: str
    config: Config
    folder: ProfileFolder
    heartbeat: Heartbeat = field(init=False)
    gate: Gate = field(init=False)
    outcome: Outcome = field(init=False)

    def __post_init__(self) -> None:
        """Make what it works with."""
        self.heartbeat = Heartbeat(self.folder.state)
        self.gate = Gate(self.options, self.config, self.folder, self.heartbeat)
        self.outcome = Outcome(self.profile, self.config, self.folder, self.heartbeat)

    def start(self) -> int:
        """Step 0, then the run."""
        try:
            verdict = self.gate.decide()
            if verdict.event:
                return self._skip(verdict)
            self._epoch()
        except UnreadableState as error:
            if self.options.dry_run:
                raise
            return self._protect_unreadable(error)
        day = verdict.day
        scratch = self.folder.open_dry(day) if self.options.dry_run else None
        copy_to = scratch / ".dry_state" if scratch is not None else None
        try:
            self.outcome.warnings += [*self._stale_candles(day), *self._own_files()]
            patience = self.gate.patience
            with open_place(
                self.config, self.folder, day, copy_to=copy_to, patience=patience
            ) as place:
                return self._with_place(place, day, scratch)
        except PreflightRefused as error:
            self.heartbeat.beat("refused", reason=str(error))
            self.outcome.tell_refused(day, error)
            raise
        finally:
            if copy_to is not None:
                shutil.rmtree(copy_to, ignore_errors=True)

    def _protect_unreadable(self, error: UnreadableState) -> int:
        """Cover what is held from what the exchange shows: nothing can be traded, and say so."""
        self.heartbeat.beat("unreadable", reason=str(error))
        said = [str(error)]
        try:
            bare = failures(protect_profile(self.profile, self.config, self.folder, kind="run"))
            said += [f"not protected: {line}" for line in bare]
        except TfError as problem:
            bare = [str(problem)]
            said.append(f"protection failed: {problem}")
        code = EXIT_UNPROTECTED if bare else error.exit_code
        self.outcome.tell_failed(said, code)
        return code

    def _stale_candles(self, day: dt.date) -> list[str]:
        """Say at once, and in the day's record, that the candles end before the day."""
        found = candles_stale(self.config, day)
        if found is None:
            return []
        self.heartbeat.beat("candles_stale", last=found[0].isoformat(), day=day.isoformat())
        return [found[1]]

    def _own_files(self) -> list[str]:
        """Return what is wrong with files of the person who runs this; refuse an open live key."""
        problem = check_key_file(self.config, self.profile)
        mail = mail_file_problems(os.environ) if self.config.notifications.email else []
        return [problem, *mail] if problem else mail

    def _skip(self, verdict: Verdict) -> int:
        """End without a run; what may be without its stop is covered first."""
        doubt = "" if self.options.dry_run else self.gate.in_doubt()
        alarms = self._cover_first(doubt) if doubt else []
        self.heartbeat.beat(verdict.event, **verdict.facts)
        return EXIT_UNPROTECTED if alarms else EXIT_DONE

    def _cover_first(self, doubt: str) -> list[Alarm]:
        """Recover and cover what an earlier start may have left; return what stays unprotected."""
        alarms = []
        try:
            rows = protect_profile(self.profile, self.config, self.folder, kind="run")
            self.heartbeat.beat(
                "protected", holdings=len(rows), bare=len(failures(rows)), why=doubt
            )
            alarms = unprotected_alarms(rows)
        except LockHeld:
            raise
        except TfError as error:
            alarms = [Alarm("cannot_look", f"not known to be protected ({doubt}): {error}")]
        alarms += unsettled_alarms(self.gate.ledger.reread())
        for alarm in alarms:
            print(f"ALARM {alarm.text}", flush=True)
        if alarms:
            book = AlarmBook(self.profile, self.config, self.folder.state)
            # This look knows nothing of the guard's other alarms.
            book.tell(alarms, still_holds=lambda key: True)
        return alarms

    def _with_place(self, place: Place, day: dt.date, scratch: Path | None) -> int:
        connection = self.gate.reached(place)
        check = self.gate.checked(connection, place)
        self.gate.check_day(connection, place, day)
        ledger = self.gate.ledger
        ledger.now = connection.now
        if scratch is not None:
            ledger_uuid = ledger.state.portfolio_uuid
            if ledger_uuid and ledger_uuid != check:
                ledger.pin(check)
            dry = Attempt(day, scratch, ledger, check, self._epoch(), is_dry=True)
            return self._run(connection, place, dry)
        # A guard of another folder may be at work for the same portfolio.
        lock = wait_for_guard(portfolio_lock(check, kind="run"), seconds=self.options.patience)
        try:
            ledger.pin(check)
            set_aside(self.folder.state)
            attempt = self._claim(ledger, day, check)
            return self._run(connection, place, attempt)
        finally:
            lock.release()

    def _claim(self, ledger: Ledger, day: dt.date, portfolio_uuid: str) -> Attempt:
        cooldown = self.config.execution_and_costs.cooldown_counter_threshold
        ledger.keep_checkpoint(day, days=KEPT_DAYS + cooldown)
        recalled = recall_cooldowns(self.folder, ledger, self.config, day)
        if recalled:
            self.heartbeat.beat("ledger_lost", day=day.isoformat(), cooldowns_from=recalled)
        number = ledger.state.attempts.get(day, 0) + 1
        is_forced = self.options.force_run and number > 1
        run_dir = self.folder.open_day(day, number)
        ledger.mark(day, "claimed", attempt=number, forced=is_forced, pid=os.getpid())
        protect_only = ""
        if ledger.state.has_mark(day, "effects_complete"):
            protect_only = TRADES_COMPLETE
        return Attempt(
            day,
            run_dir,
            ledger,
            portfolio_uuid,
            self._epoch(),
            number=number,
            protect_only=protect_only,
        )

    def _epoch(self) -> int:
        return epoch.current(self.folder.state)

    def _run(self, connection: Connection, place: Place, attempt: Attempt) -> int:
        folder = RunFolder(attempt.run_dir, connection.now)
        folder.logs.touch_all()
        folder.write_json(SESSION_FILE, self._session(place, attempt))
        day = attempt.day.isoformat()
        self.heartbeat.beat("run_start", day=day, run_dir=str(attempt.run_dir))
        token = issue(self.folder.state, self._armed_for(attempt))
        problem = self._do_steps(connection, attempt, token)
        code = exit_code(folder, problem)
        if problem and not attempt.is_dry:
            code = self._protect_after(connection, folder, attempt, code)
        return self.outcome.finish(folder, attempt, code, problem)

    def _armed_for(self, attempt: Attempt) -> ArmedFor:
        return ArmedFor(
            self.profile,
            attempt.day.isoformat(),
            config_sha256(self.config),
            attempt.portfolio_uuid,
        )

    def _session(self, place: Place, attempt: Attempt) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "day": attempt.day.isoformat(),
            "run_id": attempt.run_id,
            "state": str(self.folder.state),
            "portfolio_uuid": attempt.portfolio_uuid,
            "is_dry": attempt.is_dry,
            "protect_only": attempt.protect_only,
            "epoch": attempt.epoch,
            "place": place.to_mapping(),
            "patience": self.gate.patience.to_mapping(),
            "config": self.config.to_mapping(),
        }

    def _do_steps(self, connection: Connection, attempt: Attempt, token: Mapping[str, str]) -> str:
        """Do steps 1 to 14 in a notebook or here; return what went wrong, or nothing."""
        if self.options.notebook:
            return execute(MASTER, attempt.run_dir, token)
        from tf_lib.app.daily.day import run_steps
        from tf_lib.app.daily.open_day import armed_day

        try:
            shared = (connection, attempt.ledger)
            day = armed_day(attempt.run_dir, {**os.environ, **token}, shared=shared)
            try:
                run_steps(day)
            finally:
                day.close()
        except KeyboardInterrupt:
            return "the run was interrupted"
        except Exception as error:  # a failed run is a record too; nothing is swallowed silently
            return f"{type(error).__name__}: {error}"
        return ""

    def _protect_after(
        self, connection: Connection, folder: RunFolder, attempt: Attempt, code: int
    ) -> int:
        """Cover what the failed run left unprotected; its own failure outranks the run's."""
        from tf_lib.app.commands.protect import protect_holdings

        try:
            armed_for = self._armed_for(attempt)
            arm_here(connection, self.folder.state, armed_for, started_under=attempt.epoch)
            rows = protect_holdings(
                connection, self.config, self.folder.state, folder.logs, attempt.day
            )
        except Exception as error:  # alarm and record; there is nothing below to catch it
            note_unprotected(folder, f"protection failed: {error}")
            return EXIT_UNPROTECTED
        bare = failures(rows)
        self.heartbeat.beat("protected", holdings=len(rows), bare=len(bare))
        for line in bare:
            note_unprotected(folder, f"not protected: {line}")
        return EXIT_UNPROTECTED if bare else code
