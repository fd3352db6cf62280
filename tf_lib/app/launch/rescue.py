"""
The rescue: what may be without its stop is covered where the day's steps did not do it.

Before a start that has nothing to run, where the ledger cannot be read, and after a run that
failed. It protects only (`tf_lib.app.launch.cover`), and says what stays unprotected.
"""

from __future__ import annotations

from dataclasses import dataclass

from tf_lib.app.connection import Connection
from tf_lib.app.launch.alarms import Alarm, ToldAlarms, unprotected_alarms, unsettled_alarms
from tf_lib.app.launch.attempt import Attempt
from tf_lib.app.launch.cover import protect_holdings, protect_profile
from tf_lib.app.launch.finish import note_unprotected
from tf_lib.core.model.run_rows import StopRow, failures
from tf_lib.errors import EXIT_UNPROTECTED, LockHeld, TfError, UnreadableState
from tf_lib.parameters import Config
from tf_lib.safety.arming import ArmedFor
from tf_lib.safety.session_file import arm_here
from tf_lib.store.heartbeat import Heartbeat
from tf_lib.store.ledger import Ledger
from tf_lib.store.run_folder import ProfileFolder, RunFolder


@dataclass
class Rescue:
    """Covers what is held, for the launcher."""

    config: Config
    folder: ProfileFolder
    heartbeat: Heartbeat

    def before_skip(self, ledger: Ledger, doubt: str) -> list[Alarm]:
        """Recover and cover what an earlier start may have left; return what stays unprotected."""
        try:
            alarms = unprotected_alarms(self._protect_all(why=doubt))
        except LockHeld:
            raise
        except TfError as error:
            alarms = [Alarm("cannot_look", f"not known to be protected ({doubt}): {error}")]
        alarms += unsettled_alarms(ledger.reread())
        for alarm in alarms:
            print(f"ALARM {alarm.text}", flush=True)
        if alarms:
            told = ToldAlarms(self.folder.profile, self.config, self.folder.state)
            # This look knows nothing of the guard's other alarms.
            told.tell(alarms, still_holds=lambda key: True)
        return alarms

    def without_ledger(self, error: UnreadableState) -> tuple[list[str], int]:
        """Cover what is held from what the exchange shows; return what to say and the exit code."""
        self.heartbeat.beat("unreadable", reason=str(error))
        try:
            found = [f"not protected: {line}" for line in failures(self._protect_profile())]
        except TfError as problem:
            found = [f"protection failed: {problem}"]
        return [str(error), *found], EXIT_UNPROTECTED if found else error.exit_code

    def after_failure(
        self, connection: Connection, folder: RunFolder, attempt: Attempt, armed_for: ArmedFor
    ) -> bool:
        """Cover what a failed run may have left unprotected; whether everything is covered."""
        state = self.folder.state
        try:
            arm_here(connection.client.line, state, armed_for, started_under=attempt.epoch)
            rows = protect_holdings(connection, self.config, state, folder.logs, attempt.day)
        except Exception as error:  # alarm and record; there is nothing below to catch it
            note_unprotected(folder, f"protection failed: {error}")
            return False
        unprotected = failures(rows)
        self.heartbeat.beat("protected", holdings=len(rows), bare=len(unprotected))
        for line in unprotected:
            note_unprotected(folder, f"not protected: {line}")
        return not unprotected

    def _protect_all(self, *, why: str) -> list[StopRow]:
        rows = self._protect_profile()
        self.heartbeat.beat("protected", holdings=len(rows), bare=len(failures(rows)), why=why)
        return rows

    def _protect_profile(self) -> list[StopRow]:
        return protect_profile(self.folder.profile, self.config, self.folder, kind="run")
