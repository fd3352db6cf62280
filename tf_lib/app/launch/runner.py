"""
The runner: one call of the daily run, from gate to finish.

It owns what must be decided outside the process that trades:

    gate       whether today runs at all, which day it is, who answers for the exchange
    attempt    the day is claimed in the ledger and its folder is made, under the portfolio's lock
    steps      a notebook, or this process, decides, trades, protects (`tf_lib.app.daily.day`)
    rescue     what a run that did not end well may have left without its stop is covered
    finish     exit code, summary, page, mail, and the done mark last
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf_lib.app.connection import Connection, ExchangeEndpoint, open_endpoint
from tf_lib.app.launch.attempt import Attempt
from tf_lib.app.launch.cooldown_recovery import recall_cooldowns
from tf_lib.app.launch.finish import Finish, exit_code
from tf_lib.app.launch.gate import Gate, Verdict, check_date
from tf_lib.app.launch.notebook import MASTER, execute
from tf_lib.app.launch.rescue import Rescue
from tf_lib.app.options import RunOptions
from tf_lib.app.record.day_record import TRADES_COMPLETE
from tf_lib.errors import EXIT_DONE, EXIT_UNPROTECTED, PreflightRefused, UnreadableState
from tf_lib.notify.ping import Ping
from tf_lib.parameters import Config
from tf_lib.safety import epoch
from tf_lib.safety.arming import ArmedFor, issue
from tf_lib.safety.lock import portfolio_lock, state_lock, wait_for_guard
from tf_lib.safety.session_file import SESSION_FILE, config_sha256
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
    profile, config, folder = options.load(decides=True)
    check_date(options.date, config, profile)
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
    rescue: Rescue = field(init=False)
    ping: Ping = field(init=False)
    finish: Finish = field(init=False)

    def __post_init__(self) -> None:
        """Make what it works with."""
        self.heartbeat = Heartbeat(self.folder.state)
        self.gate = Gate(self.options, self.config, self.folder, self.heartbeat)
        self.rescue = Rescue(self.config, self.folder, self.heartbeat)
        pinged = None if self.options.dry_run else self.config.notifications.ping_url
        self.ping = Ping(pinged, self.heartbeat.notified)
        self.finish = Finish(self.profile, self.config, self.folder, self.heartbeat, self.ping)

    def start(self) -> int:
        """Ask the gate (step 0), then run the day, or end without a run."""
        try:
            verdict = self.gate.decide()
            if verdict.event:
                return self._skip(verdict)
            self._epoch()
        except UnreadableState as error:
            if self.options.dry_run:
                raise
            said, code = self.rescue.without_ledger(error)
            self.finish.tell_failed(said, code)
            return code
        try:
            return self._run_day(verdict.day)
        except PreflightRefused as error:
            self.heartbeat.beat("refused", reason=str(error))
            self.finish.tell_refused(verdict.day, error)
            raise

    def _skip(self, verdict: Verdict) -> int:
        """End without a run; what may be without its stop is covered first."""
        doubt = "" if self.options.dry_run else self.gate.in_doubt()
        alarms = self.rescue.before_skip(self.gate.ledger, doubt) if doubt else []
        self.heartbeat.beat(verdict.event, **verdict.facts)
        return EXIT_UNPROTECTED if alarms else EXIT_DONE

    def _run_day(self, day: dt.date) -> int:
        """Run a day at its exchange; a dry run in a folder and on copies of its own."""
        scratch = self.folder.open_dry(day) if self.options.dry_run else None
        copy_to = scratch / ".dry_state" if scratch is not None else None
        try:
            self.finish.warnings += self.gate.warnings(day)
            patience = self.gate.patience
            with open_endpoint(
                self.config, self.folder, day, copy_to=copy_to, patience=patience
            ) as endpoint:
                return self._at_endpoint(endpoint, day, scratch)
        finally:
            if copy_to is not None:
                shutil.rmtree(copy_to, ignore_errors=True)

    def _at_endpoint(self, endpoint: ExchangeEndpoint, day: dt.date, scratch: Path | None) -> int:
        connection = self.gate.reached(endpoint)
        portfolio_uuid = self.gate.checked(connection, endpoint)
        self.gate.check_day(connection, endpoint, day)
        ledger = self.gate.ledger
        ledger.now = connection.now
        if scratch is not None:
            ledger_uuid = ledger.state.portfolio_uuid
            if ledger_uuid and ledger_uuid != portfolio_uuid:
                ledger.pin(portfolio_uuid)
            dry = Attempt(day, scratch, ledger, portfolio_uuid, self._epoch(), is_dry=True)
            return self._run(connection, endpoint, dry)
        # A guard of another folder may be at work for the same portfolio.
        lock = wait_for_guard(
            portfolio_lock(portfolio_uuid, kind="run"), seconds=self.options.patience
        )
        try:
            ledger.pin(portfolio_uuid)
            set_aside(self.folder.state)
            return self._run(connection, endpoint, self._claim(ledger, day, portfolio_uuid))
        finally:
            lock.release()

    def _claim(self, ledger: Ledger, day: dt.date, portfolio_uuid: str) -> Attempt:
        """Claim a day in the ledger and make the folder of this try."""
        cooldown = self.config.execution_and_costs.cooldown_counter_threshold
        ledger.keep_checkpoint(day, days=KEPT_DAYS + cooldown)
        recalled = recall_cooldowns(self.folder, ledger, self.config, day)
        if recalled:
            self.heartbeat.beat("ledger_lost", day=day.isoformat(), cooldowns_from=recalled)
        number = ledger.state.attempts.get(day, 0) + 1
        is_forced = self.options.force_run and number > 1
        run_dir = self.folder.open_day(day, number)
        ledger.mark(day, "claimed", attempt=number, forced=is_forced, pid=os.getpid())
        is_traded = ledger.state.has_mark(day, "effects_complete")
        return Attempt(
            day,
            run_dir,
            ledger,
            portfolio_uuid,
            self._epoch(),
            number=number,
            protect_only=TRADES_COMPLETE if is_traded else "",
        )

    def _epoch(self) -> int:
        return epoch.current(self.folder.state)

    def _run(self, connection: Connection, endpoint: ExchangeEndpoint, attempt: Attempt) -> int:
        """Do the steps of an attempt, cover what it may have left, and make its record."""
        folder = RunFolder(attempt.run_dir, connection.now)
        folder.logs.touch_all()
        folder.write_json(SESSION_FILE, self._session(endpoint, attempt))
        day = attempt.day.isoformat()
        self.heartbeat.beat("run_start", day=day, run_dir=str(attempt.run_dir))
        self.ping.start()
        armed_for = ArmedFor(self.profile, day, config_sha256(self.config), attempt.portfolio_uuid)
        problem = self._do_steps(connection, attempt, issue(self.folder.state, armed_for))
        code = exit_code(folder, problem)
        if problem and not attempt.is_dry:
            is_covered = self.rescue.after_failure(connection, folder, attempt, armed_for)
            # Its own trouble outranks the run's.
            code = code if is_covered else EXIT_UNPROTECTED
        return self.finish.finish(folder, attempt, code, problem)

    def _session(self, endpoint: ExchangeEndpoint, attempt: Attempt) -> dict[str, Any]:
        """Return what the process that trades is told."""
        return {
            "profile": self.profile,
            "day": attempt.day.isoformat(),
            "run_id": attempt.run_id,
            "state": str(self.folder.state),
            "portfolio_uuid": attempt.portfolio_uuid,
            "is_dry": attempt.is_dry,
            "protect_only": attempt.protect_only,
            "epoch": attempt.epoch,
            "place": endpoint.to_mapping(),
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
