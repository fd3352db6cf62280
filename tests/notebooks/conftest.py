"""One armed run of the demo through papermill, shared by all tests of the notebooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.run import run_demo


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the reference day, executed as cron would."""
    return run_demo(tmp_path_factory.mktemp("notebooks"))
