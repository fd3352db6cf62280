"""What the kernel of a run is given."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from tf_lib.app.launch.notebook import execute

CODE = "import json, os\nprint(json.dumps(sorted(n for n in os.environ if n.startswith('TF_'))))"


def master_of(folder: Path, code: str) -> Path:
    """Write a notebook of parameters and one cell."""
    parameters = nbformat.v4.new_code_cell('run_dir = ""', metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell(code)]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(made, folder / "master.ipynb")
    return folder / "master.ipynb"


def test_the_kernel_has_its_token_and_nothing_of_the_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cell prints of its environment cannot be the password of the mail server."""
    master = master_of(tmp_path, CODE)
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    monkeypatch.setenv("TF_SMTP_PASS", "secret")
    monkeypatch.delenv("TF_EMAIL_FILE")

    assert execute(master, run_dir, {"TF_ARMED": "x"}) == ""
    cell = json.loads((run_dir / "daily_run.ipynb").read_text())["cells"][-1]
    names = json.loads(cell["outputs"][0]["text"][0])
    assert "TF_ARMED" in names
    assert "TF_SMTP_PASS" not in names
    assert "TF_EMAIL_FILE" not in names


def test_two_kernels_of_one_working_folder_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cron starts two profiles at the same instant: each kernel has sockets of its own."""
    master = master_of(
        tmp_path, "from IPython import get_ipython\nprint(get_ipython().kernel.parent.ip)"
    )
    monkeypatch.chdir(tmp_path)
    sockets = []
    for name in ("paper", "live"):
        (tmp_path / name).mkdir()
        assert execute(master, tmp_path / name, {}) == ""
        cell = json.loads((tmp_path / name / "daily_run.ipynb").read_text())["cells"][-1]
        sockets.append(Path(cell["outputs"][0]["text"][0].strip()))

    assert sockets[0] != sockets[1]
    assert all(path.is_absolute() and not path.parent.exists() for path in sockets)
    assert not list(tmp_path.glob("kernel*"))


def test_the_kernel_imports_what_its_starter_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started in the project's own folder, as the daily script does, with the safe import path."""
    master, run_dir = master_of(tmp_path, "import only_here"), tmp_path / "run"
    (tmp_path / "only_here.py").touch()
    run_dir.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")

    assert execute(master, run_dir, {}) == ""
