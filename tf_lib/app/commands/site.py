"""The ``site`` command: one page over all runs, and what of them could not be shown."""

from __future__ import annotations

import sys
from pathlib import Path

from tf_lib.app.record.packed import changed_record
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.pages.site import read_runs, write_site
from tf_lib.project import default_runs
from tf_lib.text.written import unreadable_words


def site_command(runs: Path | None) -> int:
    """Write the page; name every run that is not shown, and every record that was changed."""
    root = runs or default_runs()
    found = list(read_runs(root, changed_record))
    try:
        page = write_site(root, found)
    except OSError as error:
        why = unreadable_words(error)
        raise ParameterError(f"{root}: the index cannot be written there: {why}") from None
    for run in found:
        if run.problem:
            print(f"not shown: {run.folder}: {run.problem}", file=sys.stderr)
        for words in run.changed:
            print(f"RECORD CHANGED: {run.folder}: {words}", file=sys.stderr)
    print(page)
    return EXIT_DONE
