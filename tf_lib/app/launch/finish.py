"""
The finish: what a run came to, once the process that traded is gone (step 15).

Exit code, summary, page, mail, and the done mark last.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tf_lib.app.launch.alarms import ToldAlarms, guard_silence, run_key, unsettled
from tf_lib.app.launch.attempt import Attempt
from tf_lib.app.record.day_record import DayRecord
from tf_lib.app.record.equity_record import SPOILT, keep_result, result_of
from tf_lib.app.record.impediment_rows import impediments_of, keep_impediments
from tf_lib.app.record.results import SENDING_LOGS, last_stops
from tf_lib.app.record.summary import (
    RunFacts,
    accounts_equity,
    bad_news,
    build_summary,
)
from tf_lib.core.model.day_result import result_in_lines
from tf_lib.core.model.impediments import Impediment, in_a_line, keeps_from_trading
from tf_lib.core.model.run_rows import DailySummary, failures, summary_file
from tf_lib.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    EXIT_UNPROTECTED,
    TfError,
)
from tf_lib.exchange.clock import wall_now
from tf_lib.notify.mail_file import mail_environment
from tf_lib.notify.ping import Ping
from tf_lib.parameters import Config
from tf_lib.store.files import write_whole
from tf_lib.store.heartbeat import Heartbeat
from tf_lib.store.ledger import Ledger
from tf_lib.store.run_folder import ProfileFolder, RunFolder


@dataclass
class Finish:
    """Makes the record of a run, and tells whoever wants to know."""

    profile: str
    config: Config
    folder: ProfileFolder
    heartbeat: Heartbeat
    ping: Ping
    warnings: list[str] = field(default_factory=list)

    def finish(self, folder: RunFolder, attempt: Attempt, code: int, problem: str) -> int:
        """Step 15: summary, page, mail, and the done mark last."""
        ledger = attempt.ledger.reread()
        for order in [] if attempt.is_dry else unsettled(ledger):
            note_unprotected(folder, f"own order unsettled: {order}")
            code = EXIT_UNPROTECTED
        is_done = not attempt.is_dry and _all_steps_ended(folder, problem)
        found, is_held_up = self._in_the_way(folder, attempt, code)
        code = EXIT_FAILED if is_held_up else code
        self.heartbeat.beat(
            "run_end", day=attempt.day.isoformat(), exit_code=code, problem=problem or None
        )
        silence = "" if attempt.is_dry else guard_silence(self.folder.state, wall_now())
        for said in [*self.warnings, *([silence] if silence else [])]:
            folder.logs.write("errors", severity="warning", message=said)
        for line in self.heartbeat.heard:
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
            found,
            is_held_up,
            self._result(folder, attempt, ledger),
        )
        _write_journal(folder, ledger, attempt.day)
        if (folder.path / "daily_run.ipynb").exists():
            self._report(folder, build_summary(folder, facts, ledger.state))
        summary = build_summary(folder, facts, ledger.state)
        folder.write_json(summary_file(attempt.day), summary)
        self._notify(summary, folder)
        if is_done:
            folder.write_json("done.json", {**_done(facts), "artifacts": folder.artifacts()})
            ledger.mark(attempt.day, "done", run_id=attempt.run_id, exit_code=code)
            folder.make_read_only()
        self.ping.end(code, f"{summary['state']} {attempt.day} exit {code}")
        self._say(summary, folder)
        return code

    def _in_the_way(
        self, folder: RunFolder, attempt: Attempt, code: int
    ) -> tuple[tuple[Impediment, ...], bool]:
        """Return what stood in the run's way, and whether it must not end as if all were well."""
        record = DayRecord.of(folder)
        found = impediments_of(record, self.folder.state, attempt.day)
        if not attempt.is_dry:
            keep_impediments(self.folder.state, attempt.day, found)
        is_kept = keeps_from_trading(found, is_anything_done=record.is_anything_done)
        return found, code == EXIT_DONE and is_kept

    def _result(self, folder: RunFolder, attempt: Attempt, ledger: Ledger) -> dict[str, Any]:
        """Return what the day did to the money, and keep it for the days that follow."""
        state, day = self.folder.state, attempt.day
        try:
            result = result_of(folder, state, ledger.state, day, accounts_equity(folder))
            if not attempt.is_dry:
                keep_result(state, folder, ledger.state, day, result)
        except SPOILT as error:
            # A record that somebody edited must not keep the day from being finished.
            folder.logs.write("errors", severity="warning", message=f"the day's result: {error!r}")
            return {}
        return result

    def _report(self, folder: RunFolder, summary: DailySummary) -> None:
        try:
            from tf_lib.pages.day.report import export_report

            notebook, page = folder.path / "daily_run.ipynb", folder.path / "report.html"
            export_report(notebook, page, summary=summary)
        except Exception as error:  # a page that cannot be drawn is no reason to lose the day
            folder.logs.write("errors", severity="warning", message=f"report.html: {error}")

    def _notify(self, summary: DailySummary, folder: RunFolder) -> None:
        settings = self.config.notifications
        is_good = summary["state"] == "done"
        if not settings.email or summary["state"] == "dry" or (is_good and not settings.on_success):
            return
        told = ToldAlarms(self.profile, self.config, self.folder.state)
        key = run_key(summary) if summary["exit_code"] != EXIT_DONE else ""
        if key and told.was_told(key):
            return
        try:
            from tf_lib.notify.send import send_summary

            results = send_summary(
                summary, mail_environment(os.environ), prefix=settings.subject_prefix
            )
        except Exception as error:  # never fatal: the day is recorded, the mail is a courtesy
            results = []
            folder.logs.write("errors", severity="warning", message=f"mail: {error!r}")
        for result in results:
            self.heartbeat.notified(result)
        if key and any(result["result"] == "sent" for result in results):
            told.note_told(key)

    def tell_failed(self, messages: Sequence[str], code: int) -> None:
        """Say and mail that a run could only protect, or not even that."""
        for message in messages:
            print(f"  error: {message}", flush=True)
        state = "unprotected" if code == EXIT_UNPROTECTED else "failed"
        self._tell(bad_news(wall_now().date(), self.profile, (state, code), messages))

    def tell_refused(self, day: dt.date, error: TfError) -> None:
        """Mail that a run was refused before anything was sent."""
        self._tell(bad_news(day, self.profile, ("refused", EXIT_REFUSED), [str(error)]))

    def _tell(self, summary: DailySummary) -> None:
        self._notify(summary, RunFolder(self.folder.state / "refused", wall_now))
        code = summary["exit_code"]
        self.ping.end(code, f"{summary['state']} {summary['date']} exit {code}")

    def _say(self, summary: DailySummary, folder: RunFolder) -> None:
        equity = summary["equity"]
        worth = f" equity {equity:,.2f}" if equity is not None else ""
        print(
            f"{summary['state']} {summary['date']} exit {summary['exit_code']}{worth} "
            f"orders {len(summary['orders'])} stops {len(summary['stops'])} -> {folder.path}",
            flush=True,
        )
        for said in result_in_lines(summary["result"], summary["result"].get("currency", "")):
            print(f"  {said}", flush=True)
        for one in summary["impediments"]:
            print(f"  {in_a_line(one)}", flush=True)
        for line in summary["errors"]:
            print(f"  {line.get('severity', 'error')}: {line.get('message')}", flush=True)


def note_unprotected(folder: RunFolder, message: str) -> None:
    """Write into a run's record that something is not protected, or may not be."""
    folder.logs.write("errors", severity="error", message=message, exit_code=EXIT_UNPROTECTED)


def exit_code(folder: RunFolder, problem: str) -> int:
    """Return what the record of the steps stands for."""
    lines = folder.logs.read("errors")
    codes = [int(line.get("exit_code", 0)) for line in lines if line.get("severity") == "error"]
    code = codes[-1] if codes else (EXIT_FAILED if problem else EXIT_DONE)
    if problem and code == EXIT_DONE:
        code = EXIT_FAILED
    if failures(last_stops(folder.logs).values()):
        return EXIT_UNPROTECTED
    if code in (EXIT_REFUSED, EXIT_BAD_INPUT) and _anything_sent(folder):
        return EXIT_FAILED
    return code


def _anything_sent(folder: RunFolder) -> bool:
    lines = [line for name in SENDING_LOGS for line in folder.logs.read(name)]
    return any(line.get("action") == "send" for line in lines)


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
