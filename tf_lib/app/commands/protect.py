"""The ``protect`` command: everything that is held under its stop, and nothing else."""

from __future__ import annotations

from tf_lib.app.launch.cover import never_ran, opened, protect_profile
from tf_lib.app.options import ProfileOptions
from tf_lib.core.model.run_rows import failures
from tf_lib.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNPROTECTED
from tf_lib.exchange.clock import wall_now
from tf_lib.safety.ledger_rescue import unreadable
from tf_lib.safety.lock import state_lock
from tf_lib.store.files import append_json_line


def protect_command(options: ProfileOptions) -> int:
    """Cover everything that is held; exit 3 names what stays unprotected."""
    name, parameters, folder = opened(options)
    if never_ran(parameters, folder):
        print("0 held, 0 unprotected: this profile never ran")
        return EXIT_DONE
    with state_lock(folder.state, kind="protect"):
        rows = protect_profile(name, parameters, folder, kind="protect")
    n_held, n_failed = len(rows), len(failures(rows))
    line = {"at": wall_now().isoformat(), "event": "protect", "held": n_held, "bare": n_failed}
    append_json_line(folder.state / "heartbeat.jsonl", line)
    print(f"{n_held} held, {n_failed} unprotected")
    spoilt = unreadable(folder.state, wall_now)
    for problem in spoilt:
        print(f"ALARM {problem}")
    if n_failed:
        return EXIT_UNPROTECTED
    return EXIT_FAILED if spoilt else EXIT_DONE
