"""
The ``pause`` and ``resume`` commands: no entries, additions or trims for as long as a person wants.

Stops, full exits and the guard go on. What a pause withholds is an impediment of each day on which
it holds (docs/execution.md section 9).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator

from tf_lib.app.connection import last_day_known
from tf_lib.app.launch.cover import opened
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.exchange.clock import wall_now
from tf_lib.safety.lock import sender_lock, state_lock, wait_for_guard
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.text.shown import printable

_GUARD_TAKES_SECONDS = 60.0


def pause_command(options: ProfileOptions, *, until: dt.date | None, why: str) -> int:
    """Let nothing be bought, added to or trimmed until a day, or until somebody resumes."""
    config = options.load()[1]
    with _ledger(options) as ledger:
        today = last_day_known(config, ledger.state.marks)
        if until is not None and until <= today:
            raise ParameterError(
                f"--until is the first day that trades again, so it must be after today, {today}; "
                f"got {until}. Nothing was changed."
            )
        ends = {} if until is None else {"until": until.isoformat()}
        ledger.append("paused", day=today.isoformat(), **ends, why=printable(why.strip()))
        pause = ledger.state.pause
    print(pause.in_words if pause is not None else "")
    print("no entries, additions or trims; stops, full exits and the guard go on")
    return EXIT_DONE


def resume_command(options: ProfileOptions) -> int:
    """End a pause; the next run buys, adds and trims again."""
    with _ledger(options) as ledger:
        was = [one.in_words for one in (ledger.state.pause, ledger.state.flatten) if one]
        if not was:
            print("nothing is paused")
            return EXIT_DONE
        ledger.append("resumed", was=was)
    print(f"resumed (it was {'; '.join(was)}); the next run may buy again")
    return EXIT_DONE


@contextlib.contextmanager
def _ledger(options: ProfileOptions) -> Iterator[Ledger]:
    """Yield a profile's ledger while nobody else writes it."""
    folder = opened(options)[2]
    with contextlib.ExitStack() as held:
        lock = state_lock(folder.state, kind="pause")
        held.callback(wait_for_guard(lock, seconds=_GUARD_TAKES_SECONDS).release)
        ledger = Ledger(folder.state / LEDGER_FILE, wall_now)
        uuid = ledger.state.portfolio_uuid
        if uuid:
            # A notebook may outlive its killed launcher for a moment, and writes the ledger.
            held.enter_context(sender_lock(uuid, folder.state))
            ledger.reread()
        held.callback(ledger.close)
        yield ledger
