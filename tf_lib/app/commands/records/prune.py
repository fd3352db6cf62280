"""The ``prune`` command: old days are packed; a replay of them works on."""

from __future__ import annotations

import datetime as dt
import re
import sys

from tf_lib.app.commands.records.days import guarded
from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.packed import is_packed, pack, to_pack
from tf_lib.errors import EXIT_DONE, EXIT_FAILED, ParameterError, StateError
from tf_lib.text.shown import shown

_DAYS = re.compile(r"(\d{1,5})d?")


def prune_command(options: ProfileOptions, keep: str) -> int:
    """Pack every day but the newest; exit 1 if one could not be packed."""
    found = _DAYS.fullmatch(keep)
    if found is None:
        raise ParameterError(f"--keep must be a number of days as 400d, got {shown(keep)}")
    name, _, folder = options.load()
    days = folder.days()
    if not days:
        print(f"profile {name}: never ran, nothing to pack")
        return EXIT_DONE
    first = dt.date.fromisoformat(days[-1].name) - dt.timedelta(days=int(found[1]))
    old = [path for path in days if path.name < first.isoformat()]
    n_packed, saved, code = 0, 0, EXIT_DONE
    with guarded(folder, kind="prune"):
        for path in old:
            if is_packed(path) and not to_pack(path):
                continue
            try:
                saved += pack(path)
                n_packed += 1
            except (StateError, OSError) as error:
                print(f"not packed: {error}", file=sys.stderr)
                code = EXIT_FAILED
    print(
        f"{n_packed} of {len(days)} days packed ({len(old)} are older than {found[1]} days), "
        f"{saved / 1e6:.1f} MB saved; tf replay and tf show read them as before"
    )
    return code
