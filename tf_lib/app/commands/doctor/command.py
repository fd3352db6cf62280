"""The ``doctor`` command: one line a check, with what to do."""

from __future__ import annotations

import json

from tf_lib.app.commands.doctor.account import account_findings
from tf_lib.app.commands.doctor.checks import Outcome
from tf_lib.app.commands.doctor.machine import machine_checks
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE, EXIT_FAILED


def doctor_command(
    options: ProfileOptions, *, send_test: bool = False, as_json: bool = False
) -> int:
    """Print one line a check; exit 1 if any failed, a warning alone is exit 0."""
    name, config, folder = options.load(decides=True)
    found = [
        *(
            one.found()
            for one in machine_checks(name, config, folder, options, send_test=send_test)
        ),
        *account_findings(config, folder),
    ]
    if as_json:
        rows = [{"check": one.check, "level": str(one.outcome), "said": one.said} for one in found]
        print(json.dumps(rows, indent=2))
    else:
        for one in found:
            print(f"{one.outcome:5} {one.check:12} {one.said}")
    is_failed = any(one.outcome is Outcome.FAIL for one in found)
    return EXIT_FAILED if is_failed else EXIT_DONE
