"""The ``config show`` command: every parameter, its value, and the file that sets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE
from tf_lib.parameters import config_with_sources
from tf_lib.project import profile_file
from tf_lib.text.shown import printable, shown

_LETS_IN = ("notifications.ping_url",)
"""Whoever knows such a value can use it."""


def config_show_command(options: ProfileOptions, *, as_json: bool) -> int:
    """Print the merged parameters of a profile, secrets masked."""
    options.load()
    path = options.config or profile_file(options.profile or "demo")
    found = {
        key: {"value": _masked(key, value), "from": source}
        for key, (value, source) in config_with_sources(Path(path))[1].items()
    }
    if as_json:
        print(json.dumps(found, indent=2))
        return EXIT_DONE
    width = max(map(len, found))
    for key, row in found.items():
        print(printable(f"{key:{width}}  {json.dumps(row['value'])}  ({row['from']})"))
    return EXIT_DONE


def _masked(key: str, value: Any) -> Any:
    if key in _LETS_IN and value is not None:
        return "(set, not shown)"
    if isinstance(value, str) and shown(value, most=10_000) != repr(value):
        return shown(value)
    return value
