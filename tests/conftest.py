"""What all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tf_lib.notify.mail_file import MAIL_FILE_VARIABLE, MAIL_VARIABLES

# No test sends mail for the person who runs it, nor does a process that a test starts.
os.environ[MAIL_FILE_VARIABLE] = ""
for name in MAIL_VARIABLES:
    os.environ.pop(name, None)

# A shell starts what goes on in the background deaf to Ctrl-C, nohup deaf to SIGHUP, and what the
# tests start would inherit it: bash cannot trap a signal that it was started deaf to.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder that holds pyproject.toml."""
    return Path(__file__).resolve().parent.parent
