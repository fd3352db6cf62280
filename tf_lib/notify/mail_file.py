"""
The mail settings' file, ``~/tf_email.env``: ``NAME=value`` lines, as a shell would read them.

It is data: read here by every command that mails, and never run by a shell. A file that others can
write is not believed. A guard that cannot reach anybody is none.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from tf_lib.store.files import said_of_others
from tf_lib.text.written import unreadable_words

MAIL_VARIABLES = frozenset(
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

NEEDED_VARIABLES = ("TF_SMTP_HOST", "TF_EMAIL_FROM", "TF_EMAIL_TO")
"""Without these there is no mail."""

MAIL_FILE_VARIABLE = "TF_EMAIL_FILE"
"""Names another file, or an empty text for none."""

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)="""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>[^"$`\\]*)"|(?P<bare>[^\s'"$`\\]*))\s*(?:\#.*)?""",
    re.ASCII,
)


def mail_file(environment: Mapping[str, str]) -> Path | None:
    """Return where the settings lie, or None where none are wanted or there is no home."""
    if MAIL_FILE_VARIABLE in environment:
        named = environment[MAIL_FILE_VARIABLE]
        return Path(named).expanduser() if named else None
    home = environment.get("HOME")
    return Path(home) / "tf_email.env" if home else None


def mail_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the settings of the file that it does not have already."""
    file = mail_file(environment)
    settings = read_mail_file(file)[0] if file is not None else {}
    return settings | dict(environment)


def mail_file_problems(environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the file that is used, without a value of it."""
    file = mail_file(environment)
    return read_mail_file(file)[1] if file is not None else []


def read_mail_file(file: Path) -> tuple[dict[str, str], list[str]]:
    """
    Return the settings of a file, and what is wrong with it, without a value of it.

    A file that does not exist, cannot be read or can be written by others has none.
    """
    try:
        text, state = _content(file)
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{file} cannot be read: {unreadable_words(error)}"]
    writers = said_of_others(state, may=stat.S_IWOTH)
    if writers:
        why = "so it is not believed and no mail is sent"
        return {}, [f"{file}: {writers}, {why}; make it yours alone: chmod 600 {file}"]
    settings: dict[str, str] = {}
    readers = said_of_others(state, may=stat.S_IROTH)
    wrong = [f"{file}: {readers}; chmod 600"] if readers else []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            wrong.append(f"{file}, line {number}: not NAME=value, with quotes around spaces and $")
        elif found["name"] in MAIL_VARIABLES:
            settings[found["name"]] = found["single"] or found["double"] or found["bare"] or ""
    return settings, wrong


def _content(file: Path) -> tuple[str, os.stat_result]:
    """Return text and state of one and the same file; a pipe would keep us waiting for ever."""
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, encoding="utf-8-sig") as opened:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a file")
        return opened.read(), found
