"""
The mail settings' file, ``~/tf_email.env``: ``NAME=value`` lines, as a shell would read them.

`scripts/run_papermill.sh` sources it; commands that cron or a person starts without that script,
`guard` before all, read it here. A guard that cannot reach anybody is none.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path

NAMES = frozenset(
    {
        "TF_SMTP_HOST",
        "TF_SMTP_PORT",
        "TF_SMTP_USER",
        "TF_SMTP_PASS",
        "TF_EMAIL_FROM",
        "TF_EMAIL_TO",
        "TF_NOTIFY_URLS",
    }
)
"""What is taken from the file; it can set nothing else."""

NEEDED = ("TF_SMTP_HOST", "TF_EMAIL_FROM", "TF_EMAIL_TO")
"""Without these there is no mail."""

FILE_VARIABLE = "TF_EMAIL_FILE"
"""Names another file, or an empty text for none."""

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)="""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>[^"$`\\]*)"|(?P<bare>[^\s'"$`\\]*))\s*(?:\#.*)?""",
    re.ASCII,
)


def mail_file(environment: Mapping[str, str]) -> Path | None:
    """Return where the settings lie, or None where none are wanted or there is no home."""
    if FILE_VARIABLE in environment:
        named = environment[FILE_VARIABLE]
        return Path(named).expanduser() if named else None
    home = environment.get("HOME")
    return Path(home) / "tf_email.env" if home else None


def mail_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the settings of the file that it does not have already."""
    file = mail_file(environment)
    settings = read_mail_file(file)[0] if file is not None else {}
    return settings | dict(environment)


def read_mail_file(file: Path) -> tuple[dict[str, str], list[str]]:
    """
    Return the settings of a file, and what is wrong with it, without a value of it.

    A file that does not exist or cannot be read has none.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        is_open_to_others = file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{file} cannot be read: {type(error).__name__}"]
    settings: dict[str, str] = {}
    wrong = [f"{file}: others can read it; chmod 600"] if is_open_to_others else []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            wrong.append(f"{file}, line {number}: not NAME=value, with quotes around spaces and $")
        elif found["name"] in NAMES:
            settings[found["name"]] = found["single"] or found["double"] or found["bare"] or ""
    return settings, wrong
