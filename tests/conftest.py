"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tf_lib.edge.mail_file import FILE_VARIABLE, NAMES

# No test sends mail for the person who runs it, nor does a process that a test starts.
os.environ[FILE_VARIABLE] = ""
for name in NAMES:
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder that holds pyproject.toml."""
    return Path(__file__).resolve().parent.parent
