"""Records after their day: opened by hand, changed by mistake, moved aside, spoilt by anything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.app.profile import (
    FEW_UNIVERSE,
    PROJECT,
    MakeProfile,
    Profile,
    command,
    must_end,
    new_profile,
    tree,
)
from tf_lib.app.daily import open_day as opening
from tf_lib.errors import ParameterError, StateError

DAYS = ("2024-03-08", "2024-03-11")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder with two days of the demo in it."""
    folder = tmp_path_factory.mktemp("project")
    new_profile(folder / "demo.yaml", *DAYS, universe=FEW_UNIVERSE)
    return folder


@pytest.fixture
def demo(kept: Path, tmp_path: Path) -> Profile:
    """Return a copy of it, to spoil."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return Profile(tmp_path / "demo.yaml", tmp_path / "runs")


# -- opened by hand --------------------------------------------------------------------------------


def test_the_newest_run_is_opened(demo: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the demo, where no folder is named; what has no inputs is passed over."""
    monkeypatch.setattr(opening, "default_runs", lambda: demo.runs)
    monkeypatch.delenv("TF_RUN_DIR", raising=False)
    (demo.runs / "demo" / "2024-03-12").mkdir()
    (demo.runs / "demo" / "2024-03-11-old" / "inputs").mkdir(parents=True)

    day = opening.open_day()

    assert day.day.isoformat() == DAYS[1]
    assert day.session.mode == "recorded"


def test_without_a_run_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to make one."""
    monkeypatch.setattr(opening, "default_runs", lambda: tmp_path)
    monkeypatch.delenv("TF_RUN_DIR", raising=False)
    with pytest.raises(StateError, match=r"no run under .*demo yet"):
        opening.open_day()


@pytest.mark.parametrize("notebook", ["explore_run", "daily_run"])
def test_the_notebooks_by_hand(
    demo: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notebook: str
) -> None:
    """Run All, with nothing set, in a project whose newest run is two folders down."""
    import nbclient
    import nbformat

    (tmp_path / "sitecustomize.py").write_text(
        "from pathlib import Path\nimport tf_lib.app.daily.open_day as opening\n"
        f"opening.default_runs = lambda: Path({str(demo.runs)!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{PROJECT}")
    monkeypatch.delenv("TF_RUN_DIR", raising=False)
    read = nbformat.read(PROJECT / "notebooks" / f"{notebook}.ipynb", as_version=4)
    first = [cell for cell in read.cells if cell.cell_type == "code"][:2]
    read.cells = [*first, nbformat.v4.new_code_cell("print(day.folder.path.name)")]

    done = nbclient.NotebookClient(read, timeout=120, kernel_name="python3").execute()

    assert done.cells[-1].outputs[0].text.strip() == DAYS[1]


@pytest.mark.parametrize(
    ("ticker", "hint"), [("btc", "did you mean 'BTC-USD'"), ("BTC-USDT", "did you mean"), ("?", "")]
)
def test_a_ticker_that_the_run_does_not_have(demo: Profile, ticker: str, hint: str) -> None:
    """Before the work, with those it has."""
    universe = opening.open_day(str(demo.runs / "demo" / DAYS[0])).config.universe
    with pytest.raises(ParameterError, match="is not in this universe") as found:
        universe.named(ticker)

    assert hint in str(found.value)
    assert "ADA-USD, BTC-USD" in str(found.value)
    assert (universe.named("BTC-USD"), universe.named("")) == ("BTC-USD", "")


# -- changed ---------------------------------------------------------------------------------------


def test_a_record_is_read_only(demo: Profile) -> None:
    """Every file of a finished day, so that Ctrl+S in a notebook says no."""
    files = [path for path in (demo.runs / "demo" / DAYS[1]).rglob("*") if path.is_file()]

    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}


@pytest.mark.parametrize("harm", ["changed", "lost", "mark"])
def test_a_changed_record_is_named(demo: Profile, harm: str) -> None:
    """By status for the newest day, by site for all of them; untouched ones are not."""
    folder = demo.runs / "demo" / DAYS[1]
    shown = demo.call("status")[1] + command("site", "--runs", str(demo.runs))[1]
    assert "RECORD CHANGED" not in shown
    file = folder / ("done.json" if harm == "mark" else "plan.json")
    file.chmod(0o600)
    if harm == "lost":
        file.unlink()
    else:
        file.write_text("{}" if harm == "mark" else file.read_text() + " ", encoding="utf-8")
    name = "done.json cannot be read" if harm == "mark" else "plan.json is not the file"

    status, found = demo.call("status")[1], json.loads(demo.call("status", "--json")[1])
    code, site = command("site", "--runs", str(demo.runs))
    page = (demo.runs / "index.html").read_text(encoding="utf-8")

    assert code == 0
    assert f"RECORD CHANGED: {name}" in status
    assert [words for words in found["record_changed"] if words.startswith(name)]
    assert f"RECORD CHANGED: {folder}: {name}" in site
    assert page.count(name) == 1


# -- cannot be read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"[]", b"\xff\xfe", b'{"a":' * 3000, b'{"orders": 7}', b'{"stops": [3]}',
        b'{"equity": "x", "state": 5}', b'{"bare_seconds": "soon"}', b'{"positions": ["a"]}',
        b'{"errors": {"a": 1}}', b'{"data_quality": [1]}', b'{"exit_code": "no"}', None,
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_read_is_in_nobodys_way(demo: Profile, content: bytes | None) -> None:
    """The page is made, with the other runs; what cannot be shown is named."""
    folder = demo.runs / "demo" / "2024-03-09"
    folder.mkdir()
    path = folder / "daily_summary_2024-03-09.json"
    path.mkdir() if content is None else path.write_bytes(content)

    code, said = command("site", "--runs", str(demo.runs))
    page = (demo.runs / "index.html").read_text(encoding="utf-8")
    newest = folder.rename(folder.with_name("2024-03-12"))
    path = newest / "daily_summary_2024-03-09.json"
    path.rename(newest / "daily_summary_2024-03-12.json")
    status = demo.call("status")

    assert status[0] == demo.call("status", "--json")[0] == 0
    assert "daily_summary_2024-03-12.json: this summary cannot be read" in status[1]
    assert "2024-03-12: unreadable (no exit code)" in status[1]
    assert code == 0, said
    assert DAYS[0] in page
    assert DAYS[1] in page
    assert page.count("<td>2024-03-09</td>") == 1


# -- anew ------------------------------------------------------------------------------------------


def test_the_demo_is_started_anew(demo: Profile) -> None:
    """Moved far ahead it cannot run an earlier day; reset, it can, and nothing is lost."""
    code, said = demo.run("2024-03-10")
    assert (code, "tf reset" in said) == (2, True)
    before = tree(demo.runs / "demo")

    said = must_end(demo.call("reset", "--yes"))
    kept = demo.runs / "earlier" / f"demo-{DAYS[1]}"
    now = tree(kept)

    assert str(kept) in said
    assert {name: now[name] for name in before if not name.startswith("state/run.lock")} == {
        name: content for name, content in before.items() if not name.startswith("state/run.lock")
    }
    assert demo.run("2024-03-10")[0] == 0
    assert demo.call("reset", "--yes")[0] == 0
    assert "never ran" in demo.call("reset", "--yes")[1]
    assert "earlier" not in command("site", "--runs", str(demo.runs))[1].split("index.html")[0]


def test_nothing_is_moved_unasked(demo: Profile, make_profile: MakeProfile) -> None:
    """Nobody there to ask, or an exchange that does not live in the folder: exit 2."""
    code, said = demo.call("reset")
    assert (code, "--yes" in said) == (2, True)

    remote = make_profile("far", exchange={"kind": "coinbase", "base_url": "127.0.0.1:1"})
    code, said = remote.call("reset", "--yes")
    assert (code, "Nothing was moved" in said) == (2, True)
    assert (demo.runs / "demo" / DAYS[1]).is_dir()
