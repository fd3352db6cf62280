"""The site: every run in one offline page, failures in red, nothing lost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.pages.day import order_row, stop_row
from tf_lib.errors import StateError
from tf_lib.pages.site import read_runs, write_site


def add_run(runs: Path, where: str, **changed: Any) -> Path:
    """A run's folder with its summary, report and notebook."""
    folder = runs / where
    folder.mkdir(parents=True)
    date = folder.name[:10]
    summary = {
        "date": date,
        "profile": Path(where).parts[0],
        "state": "done",
        "exit_code": 0,
        "equity": 15000.0,
        "orders": [order_row("AAA-USD")],
        "stops": [stop_row("AAA-USD")],
        "bare_seconds": {"AAA-USD": 2.5},
        "errors": [],
        **changed,
    }
    (folder / f"daily_summary_{date}.json").write_text(json.dumps(summary))
    (folder / "report.html").write_text("report")
    (folder / "daily_run.ipynb").write_text("{}")
    return folder


@pytest.fixture
def page(tmp_path: Path) -> str:
    """A site of good, failed, odd and unfinished runs."""
    add_run(tmp_path, "demo/2024-03-01")
    add_run(tmp_path, "demo/2024-03-02", equity=15100.0)
    bare = [stop_row("AAA-USD", status="failed", reason="<refused>")]
    add_run(tmp_path, "demo/2024-03-03", state="unprotected", exit_code=3, stops=bare)
    add_run(tmp_path, "demo/attempts/2024-03-02-1", state="failed", exit_code=1)
    add_run(tmp_path, "demo/dry/2024-03-04-1", state="dry")
    add_run(tmp_path, "live/2024-03-01", equity=None, orders=[], stops=[])
    (tmp_path / "demo" / "2024-03-05").mkdir()
    (tmp_path / "demo" / "2024-03-06").mkdir()
    (tmp_path / "demo" / "2024-03-06" / "daily_summary_2024-03-06.json").write_text("{")
    (tmp_path / "demo" / "2024-03-07").mkdir()
    (tmp_path / "demo" / "2024-03-07" / "daily_summary_2024-03-07.json").write_text("[]")
    (tmp_path / "demo" / "state").mkdir()
    (tmp_path / "demo" / "notes.txt").write_text("mine")
    return write_site(tmp_path, list(read_runs(tmp_path))).read_text()


def rows_of(page: str) -> list[str]:
    """The table's rows, in the order of the page."""
    return re.findall(r"<tr.*?</tr>", page[page.index("<tbody>") :], re.S)


def row_of(page: str, start: str) -> str:
    """The one row whose first cell begins like this."""
    (found,) = [row for row in rows_of(page) if f"<td>{start}" in row]
    return found


def test_live_comes_first_and_days_newest_first(page: str) -> None:
    """What matters most is on top."""
    demo = page[page.index("<h2>demo</h2>") :]
    dates = re.findall(r"<td>(2024-03-\d\d)", demo)

    assert page.index("<h2>live</h2>") < page.index("<h2>demo</h2>")
    assert dates == sorted(dates, reverse=True)


def test_a_row_links_to_what_is_there(page: str) -> None:
    """Relative links, so that the page works from disk."""
    row = row_of(page, "2024-03-01</td><td>✓ done</td><td>15,000")

    for name in ("report.html", "daily_run.ipynb", "daily_summary_2024-03-01.json"):
        assert f'href="demo/2024-03-01/{name}"' in row
    assert "1 of 1" in row
    assert "2.5 s" in row


def test_failures_are_red_and_say_why(page: str) -> None:
    """A bare position, a failed attempt, a missing and two broken summaries."""
    assert 'class="bad"' in row_of(page, "2024-03-03")
    assert "&lt;refused&gt;" in row_of(page, "2024-03-03")
    assert "0 of 1" in row_of(page, "2024-03-03")
    assert 'class="bad"' in row_of(page, "2024-03-02 (earlier attempt)")
    assert "no summary" in row_of(page, "2024-03-05")
    assert "cannot be read" in row_of(page, "2024-03-06")
    assert "not an object" in row_of(page, "2024-03-07")


def test_a_dry_run_is_named_and_not_red(page: str) -> None:
    """It changed nothing and went well."""
    row = row_of(page, "2024-03-04 (dry run)")

    assert "dry" in row
    assert 'class="bad"' not in row


def test_the_page_is_whole_offline_and_without_code(page: str) -> None:
    """No network, no JavaScript, one curve for the profile with enough days."""
    assert "<script" not in page
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert page.count("<img") == 1
    assert 'alt="demo: equity 15,000' in page


def test_it_is_built_anew_and_leaves_nothing_beside(tmp_path: Path) -> None:
    """Written beside and renamed."""
    add_run(tmp_path, "demo/2024-03-01")
    write_site(tmp_path, list(read_runs(tmp_path)))
    add_run(tmp_path, "demo/2024-03-02")
    page = write_site(tmp_path, list(read_runs(tmp_path)))

    assert len(rows_of(page.read_text())) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "index.html"]


def test_no_runs_yet(tmp_path: Path) -> None:
    """An empty folder is a page that says how to begin; a missing one is an error."""
    assert "There is no run yet" in write_site(tmp_path, list(read_runs(tmp_path))).read_text()
    with pytest.raises(StateError, match="there is no such folder"):
        write_site(tmp_path / "nowhere", list(read_runs(tmp_path / "nowhere")))


def test_runs_are_found_in_all_places(tmp_path: Path) -> None:
    """Days, earlier attempts and dry runs; nothing that is not a day."""
    for where in ("demo/2024-03-01", "demo/attempts/2024-03-01-1", "demo/dry/2024-03-01-2"):
        add_run(tmp_path, where)
    (tmp_path / "demo" / "state").mkdir()
    (tmp_path / "demo" / "2024-13-01").mkdir()

    assert [run.kind for run in read_runs(tmp_path)] == ["", "earlier attempt", "dry run"]
