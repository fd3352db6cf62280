"""
The runner: gate, lock, arming, one run of the steps, and what it came to.

It owns everything that must be decided outside the process that trades (steps 0 and 15): whether
today runs at all, who may send, whether the run was complete, protection when it was not, the
summary, the mail, the done mark and the exit code.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf_lib.drivers.finish import RunFacts, build_summary, failures, guard_silence, unsettled
from tf_lib.drivers.handover import SESSION_FILE, arm_here, config_sha256
from tf_lib.drivers.memory import recall_cooldowns
from tf_lib.drivers.notebook import MASTER, execute
from tf_lib.drivers.place import Connection, Place, connect, has_own_clock, open_place
from tf_lib.drivers.preflight import check_account
from tf_lib.edge import epoch
from tf_lib.edge.arming import ArmedFor, issue
from tf_lib.edge.clock import wall_now
from tf_lib.edge.files import append_json_line, write_whole
from tf_lib.edge.ledger import FILE_NAME, Ledger
from tf_lib.edge.ledger_checkpoint import KEPT_DAYS
from tf_lib.edge.lock import portfolio_lock, state_lock, wait_for_guard
from tf_lib.edge.mail_file import mail_environment
from tf_lib.edge.reserve import set_aside
from tf_lib.edge.run_store import ProfileFolder, RunFolder
from tf_lib.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    EXIT_UNPROTECTED,
    ExchangeError,
    ParameterError,
    PreflightRefused,
    TfError,
)
from tf_lib.parameters import Config, load_config, profile_file

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunOptions:
    """What the command line asked for."""

    profile: str | None = None
    config: Path | None = None
    runs: Path = PROJECT_ROOT / "runs"
    date: dt.date | None = None
    dry_run: bool = False
    force_run: bool = False
    run_at_utc_hour: int = 0
    gate_minutes: int = 5
    notebook: bool = True

    @property
    def patience(self) -> float:
        """Seconds that a run waits for a guard: as long as its gate is open."""
        return 60.0 * max(self.gate_minutes, 1)

    def load(self) -> tuple[str, Config]:
        """
        Return the profile's name and its checked parameters.

        Raises
        ------
        ParameterError
            If both ways to name parameters are used, or a file is wrong.
        """
        if self.profile is not None and self.config is not None:
            raise ParameterError("give --profile or --config, not both")
        if self.config is not None:
            return self.config.stem, load_config(self.config)
        name = self.profile or "demo"
        return name, load_config(profile_file(PROJECT_ROOT, name))


def run_daily(options: RunOptions) -> int:
    """
    Do the daily job once and return its exit code.

    Raises
    ------
    InputError, LockHeld, PreflightRefused
        Before anything was sent; the command line turns them into a message and a code.
    """
    if not (0 <= options.run_at_utc_hour <= 23 and 0 <= options.gate_minutes <= 59):
        raise ParameterError(
            f"--run-at-utc-hour must be 0 to 23 and --gate-minutes 0 to 59, got "
            f"{options.run_at_utc_hour} and {options.gate_minutes}"
        )
    profile, config = options.load()
    if options.date is not None and not has_own_clock(config):
        raise ParameterError(
            f"--date moves the embedded simulated exchange's clock; profile {profile} has "
            f"exchange.kind {config.exchange.kind}, whose day is not ours to choose"
        )
    folder = ProfileFolder(options.runs.resolve(), profile)
    folder.prepare()
    runner = _Runner(options, profile, config, folder)
    if options.dry_run:
        return runner.start()
    lock = state_lock(folder.state, kind="run")
    wait_for_guard(lock, seconds=options.patience)
    try:
        return runner.start()
    finally:
        lock.release()


@dataclass
class _Runner:
    options: RunOptions
    profile: str
    config: Config
    folder: ProfileFolder
    _heard: list[dict[str, Any]] = field(default_factory=list)
    _ledger: Ledger | None = None
    _known: tuple[Place, Connection] | None = None

    # -- gate ----------------------------------------------------------------------------

    def start(self) -> int:
        """Step 0, then the run."""
        day = self._gate()
        if day is None:
            return EXIT_DONE
        scratch = self.folder.open_dry(day) if self.options.dry_run else None
        copy_to = scratch / ".dry_state" if scratch is not None else None
        try:
            with open_place(self.config, self.folder, day, copy_to=copy_to) as place:
                return self._with_place(place, day, scratch)
        except PreflightRefused as error:
            self._heartbeat("refused", reason=str(error))
            self._tell_refused(day, error)
            raise
        finally:
            if copy_to is not None:
                shutil.rmtree(copy_to, ignore_errors=True)

    def _gate(self) -> dt.date | None:
        """Return the day to run, or None when this call has nothing to do."""
        if has_own_clock(self.config):
            day = self.options.date or wall_now().date()
        else:
            now = self._outside_now()
            day = now.date()
            late = now.hour != self.options.run_at_utc_hour
            late = late or now.minute > self.options.gate_minutes
            if late and not self.options.force_run:
                window = f"{self.options.run_at_utc_hour:02d}:00-{self.options.gate_minutes:02d}"
                self._heartbeat("gate_skip", now=now.isoformat(timespec="seconds"), window=window)
                return None
        if self._is_done(day) and not self.options.force_run:
            self._heartbeat("already_ran", day=day.isoformat())
            return None
        newest = max(self.ledger.state.marks, default=day)
        if newest > day and not has_own_clock(self.config):
            raise PreflightRefused(
                f"today is {day}, and {newest} has run already: the clock was set back. Nothing "
                "was sent; resting stops stay at the exchange. Set the clock (NTP) and run again."
            )
        return day

    def _outside_now(self) -> dt.datetime:
        """Return the time of an exchange that is found by its address."""
        if self.config.exchange.clock == "wall":
            return wall_now()
        if self.config.exchange.kind == "paper":
            from tf_lib.drivers.paper import paper_now

            return paper_now(self.config)
        with open_place(self.config, self.folder, dt.date.min) as place:
            try:
                return self._reached(place).now()
            except ExchangeError as error:
                raise _unreachable(place, error) from error

    @property
    def ledger(self) -> Ledger:
        """The profile's ledger, read once: nobody else writes it under the state lock."""
        if self._ledger is None:
            self._ledger = Ledger(self.folder.state / FILE_NAME, wall_now)
        return self._ledger

    def _is_done(self, day: dt.date) -> bool:
        return self.ledger.state.has_mark(day, "done")

    def _heartbeat(self, event: str, **fields: Any) -> None:
        """Print an event and keep it among those that outlive a day."""
        line = {"at": wall_now().isoformat(timespec="seconds"), "event": event, **fields}
        self._heard.append(line)
        append_json_line(self.folder.state / "heartbeat.jsonl", line)
        rest = " ".join(f"{key}={value}" for key, value in fields.items())
        print(f"{event} {rest}".rstrip(), flush=True)

    # -- the run -------------------------------------------------------------------------

    def _with_place(self, place: Place, day: dt.date, scratch: Path | None) -> int:
        connection = self._reached(place)
        check = _checked(connection, place, self.config)
        self._check_day(connection, place, day)
        ledger = self.ledger
        ledger.now = connection.now
        if scratch is not None:
            ledger_uuid = ledger.state.portfolio_uuid
            if ledger_uuid and ledger_uuid != check:
                ledger.pin(check)
            dry = _Attempt(day, scratch, ledger, check, self._epoch(), is_dry=True)
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

    def _reached(self, place: Place) -> Connection:
        """Return the connection to a place; the gate may have made it already."""
        if self._known is None or self._known[0] != place:
            try:
                self._known = (place, connect(place))
            except ExchangeError as error:
                raise _unreachable(place, error) from error
        return self._known[1]

    def _check_day(self, connection: Connection, place: Place, day: dt.date) -> None:
        """Refuse a day that the exchange does not have: the machine's clock is wrong."""
        if place.clock != "wall":
            return
        try:
            theirs = connection.client.server_time()
        except ExchangeError as error:
            raise _unreachable(place, error) from error
        if theirs.date() != day:
            raise PreflightRefused(
                f"this machine's clock says {wall_now():%Y-%m-%d %H:%M:%S} UTC, the exchange's "
                f"{theirs:%Y-%m-%d %H:%M:%S}: {day} is not its day. Nothing was sent; resting "
                "stops stay at the exchange. Set the clock (NTP) and run again."
            )

    def _claim(self, ledger: Ledger, day: dt.date, portfolio_uuid: str) -> _Attempt:
        cooldown = self.config.execution_and_costs.cooldown_counter_threshold
        ledger.keep_checkpoint(day, days=KEPT_DAYS + cooldown)
        recalled = recall_cooldowns(self.folder, ledger, self.config, day)
        if recalled:
            self._heartbeat("ledger_lost", day=day.isoformat(), cooldowns_from=recalled)
        number = ledger.state.attempts.get(day, 0) + 1
        is_forced = self.options.force_run and number > 1
        run_dir = self.folder.open_day(day, number)
        ledger.mark(day, "claimed", attempt=number, forced=is_forced, pid=os.getpid())
        protect_only = ""
        if ledger.state.has_mark(day, "effects_complete"):
            protect_only = "this day's trades are complete; only its record was not finished"
        return _Attempt(
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

    def _run(self, connection: Connection, place: Place, attempt: _Attempt) -> int:
        folder = RunFolder(attempt.run_dir, connection.now)
        folder.logs.touch_all()
        folder.write_json(SESSION_FILE, self._session(place, attempt))
        self._heartbeat("run_start", day=attempt.day.isoformat(), run_dir=str(attempt.run_dir))
        token = issue(self.folder.state, self._armed_for(attempt))
        problem = self._do_steps(connection, attempt, token)
        code = _exit_code(folder, problem)
        if problem and not attempt.is_dry:
            code = self._protect_after(connection, folder, attempt, code)
        return self._finish(folder, attempt, code, problem)

    def _armed_for(self, attempt: _Attempt) -> ArmedFor:
        return ArmedFor(
            self.profile,
            attempt.day.isoformat(),
            config_sha256(self.config),
            attempt.portfolio_uuid,
        )

    def _session(self, place: Place, attempt: _Attempt) -> dict[str, Any]:
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
            "config": self.config.to_mapping(),
        }

    def _do_steps(self, connection: Connection, attempt: _Attempt, token: Mapping[str, str]) -> str:
        """Do steps 1 to 14 in a notebook or here; return what went wrong, or nothing."""
        if self.options.notebook:
            return execute(MASTER, attempt.run_dir, token)
        from tf_lib.drivers.day import run_steps
        from tf_lib.drivers.open_day import armed_day

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
        self, connection: Connection, folder: RunFolder, attempt: _Attempt, code: int
    ) -> int:
        """Cover what the failed run may have left bare; its own trouble outranks the run's."""
        from tf_lib.drivers.protect import protect_holdings

        try:
            armed_for = self._armed_for(attempt)
            arm_here(connection, self.folder.state, armed_for, started_under=attempt.epoch)
            rows = protect_holdings(
                connection, self.config, self.folder.state, folder.logs, attempt.day
            )
        except Exception as error:  # alarm and record; there is nothing below to catch it
            self._note(folder, f"protection failed: {error}")
            return EXIT_UNPROTECTED
        bare = failures(rows)
        self._heartbeat("protected", holdings=len(rows), bare=len(bare))
        for line in bare:
            self._note(folder, f"not protected: {line}")
        return EXIT_UNPROTECTED if bare else code

    def _note(self, folder: RunFolder, message: str) -> None:
        folder.logs.write("errors", severity="error", message=message, exit_code=EXIT_UNPROTECTED)

    # -- finish --------------------------------------------------------------------------

    def _finish(self, folder: RunFolder, attempt: _Attempt, code: int, problem: str) -> int:
        """Step 15: summary, page, mail, and the done mark last."""
        ledger = attempt.ledger.reread()
        for order in [] if attempt.is_dry else unsettled(ledger):
            self._note(folder, f"own order unsettled: {order}")
            code = EXIT_UNPROTECTED
        is_done = not attempt.is_dry and _all_steps_ended(folder, problem)
        self._heartbeat(
            "run_end", day=attempt.day.isoformat(), exit_code=code, problem=problem or None
        )
        silence = "" if attempt.is_dry else guard_silence(self.folder.state, wall_now())
        if silence:
            folder.logs.write("errors", severity="warning", message=silence)
        for line in self._heard:
            folder.logs.write("heartbeat", **{k: v for k, v in line.items() if k != "at"})
        facts = RunFacts(
            attempt.day,
            self.profile,
            attempt.run_id,
            attempt.number,
            attempt.is_dry,
            code,
            self.config.execution_and_costs.cooldown_counter_threshold,
            [problem] if problem else [],
        )
        _write_journal(folder, ledger, attempt.day)
        if (folder.path / "daily_run.ipynb").exists():
            self._report(folder, build_summary(folder, facts, ledger.state))
        summary = build_summary(folder, facts, ledger.state)
        folder.write_json(f"daily_summary_{attempt.day.isoformat()}.json", summary)
        self._notify(summary, folder)
        if is_done:
            folder.write_json("done.json", {**_done(facts), "artifacts": folder.artifacts()})
            ledger.mark(attempt.day, "done", run_id=attempt.run_id, exit_code=code)
        self._say(summary, folder)
        return code

    def _report(self, folder: RunFolder, summary: Mapping[str, Any]) -> None:
        try:
            from tf_lib.pages.report import export_report

            notebook, page = folder.path / "daily_run.ipynb", folder.path / "report.html"
            export_report(notebook, page, summary=summary)
        except Exception as error:  # a page that cannot be drawn is no reason to lose the day
            folder.logs.write("errors", severity="warning", message=f"report.html: {error}")

    def _notify(self, summary: Mapping[str, Any], folder: RunFolder) -> None:
        settings = self.config.notifications
        is_good = summary["exit_code"] == EXIT_DONE
        if not settings.email or summary["state"] == "dry" or (is_good and not settings.on_success):
            return
        try:
            from tf_lib.edge.notify import send_summary

            results = send_summary(
                summary, mail_environment(os.environ), prefix=settings.subject_prefix
            )
        except Exception as error:  # never fatal: the day is recorded, the mail is a courtesy
            results = []
            folder.logs.write("errors", severity="warning", message=f"mail: {error!r}")
        for result in results:
            self._heartbeat("notified", **result)

    def _tell_refused(self, day: dt.date, error: TfError) -> None:
        summary = {
            "date": day.isoformat(),
            "profile": self.profile,
            "state": "refused",
            "exit_code": EXIT_REFUSED,
            "errors": [{"severity": "error", "message": str(error)}],
        }
        self._notify(summary, RunFolder(self.folder.state / "refused", wall_now))

    def _say(self, summary: Mapping[str, Any], folder: RunFolder) -> None:
        equity = summary["equity"]
        worth = f" equity {equity:,.2f}" if equity is not None else ""
        print(
            f"{summary['state']} {summary['date']} exit {summary['exit_code']}{worth} "
            f"orders {len(summary['orders'])} stops {len(summary['stops'])} -> {folder.path}",
            flush=True,
        )
        for line in summary["errors"]:
            print(f"  {line.get('severity', 'error')}: {line.get('message')}", flush=True)


@dataclass(frozen=True)
class _Attempt:
    """One try at a day."""

    day: dt.date
    run_dir: Path
    ledger: Ledger
    portfolio_uuid: str
    epoch: int
    number: int = 1
    protect_only: str = ""
    is_dry: bool = False

    @property
    def run_id(self) -> str:
        """The run's name, unique within the profile."""
        return self.run_dir.name if self.is_dry else f"{self.day.isoformat()}-{self.number}"


def _unreachable(place: Place, error: ExchangeError) -> PreflightRefused:
    where = place.base_url or "the real exchange"
    return PreflightRefused(
        f"the exchange at {where} cannot be reached: {error}. Nothing was sent; resting stops stay "
        "at the exchange. Check the network and run again within the gate, or with --force-run."
    )


def _checked(connection: Connection, place: Place, config: Config) -> str:
    """Return the portfolio's uuid once key and portfolio are right."""
    try:
        return check_account(connection.client, config.portfolio.name).portfolio_uuid
    except ExchangeError as error:
        raise _unreachable(place, error) from error


def _exit_code(folder: RunFolder, problem: str) -> int:
    """Return what the record of the steps stands for."""
    lines = folder.logs.read("errors")
    codes = [int(line.get("exit_code", 0)) for line in lines if line.get("severity") == "error"]
    code = codes[-1] if codes else (EXIT_FAILED if problem else EXIT_DONE)
    if problem and code == EXIT_DONE:
        code = EXIT_FAILED
    last = {
        r["product"]: r for r in folder.logs.read("stop_updates") if r.get("action") == "result"
    }
    if any(row["status"] == "failed" for row in last.values()):
        return EXIT_UNPROTECTED
    if code in (EXIT_REFUSED, EXIT_BAD_INPUT) and _anything_sent(folder):
        return EXIT_FAILED
    return code


def _anything_sent(folder: RunFolder) -> bool:
    names = ("order_submit", "dust_submit", "stop_updates")
    return any(line.get("action") == "send" for name in names for line in folder.logs.read(name))


def _all_steps_ended(folder: RunFolder, problem: str) -> bool:
    events = {line.get("event") for line in folder.logs.read("heartbeat")}
    return not problem and "effects_complete" in events


def _done(facts: RunFacts) -> dict[str, Any]:
    return {
        "date": facts.day.isoformat(),
        "run_id": facts.run_id,
        "state": facts.state,
        "exit_code": facts.exit_code,
        "finished_at": wall_now().isoformat(timespec="seconds"),
    }


def _write_journal(folder: RunFolder, ledger: Ledger, day: dt.date) -> None:
    lines = "".join(json.dumps(line, default=str) + "\n" for line in ledger.extract(day))
    write_whole(folder.path / "journal.jsonl", lines)
