"""
The notebook run: papermill executes the master notebook, and we judge how it went.

Papermill's own metadata calls cells completed that never ran, and exits 0 after ``sys.exit(0)``
(so nothing here trusts it): a run is complete only if every code cell has an execution count
and none an error. The output is written beside and renamed, also when the run failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tf_lib.errors import StateError
from tf_lib.notify.mail_file import MAIL_VARIABLES
from tf_lib.project import NOTEBOOKS

MASTER = NOTEBOOKS / "daily_run.ipynb"
OUTPUT_NAME = "daily_run.ipynb"
_CELL_SECONDS = 1800
_SHUTDOWN_SECONDS = 1.0


def execute(master: Path, run_dir: Path, environment: Mapping[str, str]) -> str:
    """
    Execute the master notebook for a run folder; return what went wrong, or nothing.

    Parameters
    ----------
    environment : mapping
        Handed to the kernel and taken back right after it has started: holds the arming token.
    """
    if not master.is_file():
        raise StateError(f"{master}: the master notebook is missing")
    # Papermill warns about a name that does not end like a notebook.
    part = run_dir / f".part.{OUTPUT_NAME}"
    problem = ""
    with _jupyter_settings() as settings, _offered(environment):
        problem = _papermill(master, part, run_dir, settings)
    _end_children()
    if part.exists():
        target = run_dir / OUTPUT_NAME
        part.replace(target)
        problem = problem or incomplete(target)
    return problem or ("" if (run_dir / OUTPUT_NAME).exists() else "no notebook was written")


def _papermill(master: Path, part: Path, run_dir: Path, settings: Any) -> str:
    import papermill
    from papermill.exceptions import PapermillException

    try:
        papermill.execute_notebook(
            str(master),
            str(part),
            parameters={"run_dir": str(run_dir)},
            kernel_name="python3",
            # Not where it was started: the kernel's launcher takes the folder it is in from the
            # import path, and under the daily script that would be this project.
            cwd=str(run_dir),
            progress_bar=False,
            log_output=False,
            execution_timeout=_CELL_SECONDS,
            config=settings,
        )
    except KeyboardInterrupt:
        return "the run was interrupted"
    except PapermillException as error:
        return f"{type(error).__name__}: {_last_line(error)}"
    except Exception as error:  # whatever ends a kernel: the record is judged, not the exception
        return f"{type(error).__name__}: {_last_line(error)}"
    return ""


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else ""


def incomplete(path: Path) -> str:
    """Return why an executed notebook is not a complete run, or nothing."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        return f"the executed notebook cannot be read: {error!r}"
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code" or not "".join(cell["source"]).strip():
            continue
        if cell.get("execution_count") is None:
            return f"cell {number} never ran"
        failed = [o for o in cell.get("outputs", []) if o.get("output_type") == "error"]
        if failed:
            return f"cell {number}: {failed[0].get('ename')}: {failed[0].get('evalue')}"
    return ""


@contextlib.contextmanager
def _offered(environment: Mapping[str, str]) -> Iterator[None]:
    """
    Put variables into the environment that the kernel inherits, and take them back.

    The kernel sends no mail: what mail needs, a password among it, is kept from it.
    """
    kept = {name: os.environ.pop(name) for name in MAIL_VARIABLES if name in os.environ}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name in environment:
            os.environ.pop(name, None)
        os.environ.update(kept)


@contextlib.contextmanager
def _jupyter_settings() -> Iterator[Any]:
    """Speak to the kernel through files of ours, and bound how long its end may take."""
    from traitlets.config import Config

    with tempfile.TemporaryDirectory(prefix="tf-", dir=_short_temporary()) as folder:
        settings = Config()
        settings.KernelManager.shutdown_wait_time = _SHUTDOWN_SECONDS
        settings.KernelManager.transport = "ipc"
        # Without a folder the sockets lie in the working folder, where two runs that start at the
        # same instant take the same ones.
        settings.KernelManager.ip = f"{folder}/kernel"
        # A person's own start-up files have no business in a run that trades.
        ours = {"JUPYTER_RUNTIME_DIR": folder, "IPYTHONDIR": folder}
        theirs = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield settings
        finally:
            for name, value in theirs.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _short_temporary() -> str:
    """Return a folder whose name is short: a socket's path must fit into about 100 letters."""
    return "/tmp" if os.path.isdir("/tmp") and os.access("/tmp", os.W_OK) else tempfile.gettempdir()


def _end_children() -> None:
    """Make sure that no kernel of ours lives on; only then may anybody else act."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.terminate()
    _, alive = psutil.wait_procs(children, timeout=3)
    for child in alive:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(alive, timeout=5)
