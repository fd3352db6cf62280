"""The notebooks are thin, stripped, safe by default, and keep the order of the day."""

from __future__ import annotations

import ast
import re
import sys
from typing import Any

import nbformat
import pytest

from tests.notebooks.run import EXPLORE, MASTER, PROJECT
from tests.processes import ended
from tf_lib.app.daily.day import STEPS
from tf_lib.pages.day.report import STEP_TAG

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
MOST_LINES = 15
MOST_DEF_LINES = 5
PARAMETERS = {MASTER.name: ["run_dir"], EXPLORE.name: ["run_dir", "ticker", "days_shown"]}
# docs/design.md section 3: the order in which a page tells the day.
SECTIONS = [
    "The steps",
    "Was it a good day?",
    "What was decided, and why",
    "Prices",
    "Signals",
    "Filters",
    "Sleeves",
    "Volatility",
    "Orders and fills",
    "Stops",
    "Data",
    "Errors",
    "Checks",
    "Where everything is",
]


def cells_of(path: Any, kind: str = "code") -> list[Any]:
    """The cells of one kind."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def has_tag(cell: Any, tag: str) -> bool:
    """Whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request: pytest.FixtureRequest) -> Any:
    """Each committed notebook."""
    return request.param


def test_the_notebooks_of_the_design_are_there() -> None:
    """The master and the one to look around."""
    assert {MASTER, EXPLORE} <= set(NOTEBOOKS)


def test_it_is_stripped_and_has_stable_ids(notebook: Any) -> None:
    """Reviewable as text: no outputs, no counts, ids that are words."""
    whole = nbformat.read(notebook, as_version=4)
    ids = [cell.id for cell in whole.cells]

    assert all(not cell.outputs and cell.execution_count is None for cell in cells_of(notebook))
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", one) for one in ids)
    assert set(whole.metadata) == {"kernelspec", "language_info"}
    assert whole.metadata.kernelspec.name == "python3"


def test_it_begins_with_its_question_and_one_parameters_cell(notebook: Any) -> None:
    """Papermill injects after the cell tagged so; without it the run would use the defaults."""
    whole = nbformat.read(notebook, as_version=4).cells

    assert whole[0].source.startswith("# ")
    assert "?" in whole[0].source
    assert [has_tag(cell, "parameters") for cell in whole].index(True) == 1
    assert sum(has_tag(cell, "parameters") for cell in whole) == 1


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_plain_annotated_literals(name: str) -> None:
    """Papermill reads them with patterns: one annotated literal a line, with a comment."""
    cell = cells_of(PROJECT / "notebooks" / name)[0]
    lines = ast.parse(cell.source).body

    assert all(isinstance(line, ast.AnnAssign) for line in lines)
    assert all(isinstance(line.value, ast.Constant) for line in lines)
    assert [line.target.id for line in lines] == PARAMETERS[name]
    assert all("  # " in line for line in cell.source.splitlines())


def test_papermill_understands_the_parameters() -> None:
    """Name, default and help as the launcher will find them."""
    from papermill import inspect_notebook

    found = inspect_notebook(str(MASTER))

    assert list(found) == ["run_dir"]
    assert found["run_dir"]["inferred_type_name"] == "str"
    assert found["run_dir"]["default"] == '""'


def test_cells_are_thin(notebook: Any) -> None:
    """Work belongs in the library: short cells, no long functions, no classes."""
    for cell in cells_of(notebook):
        tree = ast.parse(cell.source)
        defs = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]

        assert len(cell.source.splitlines()) <= MOST_LINES, cell.id
        assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)), cell.id
        for node in defs:
            assert (node.end_lineno or 0) - node.lineno < MOST_DEF_LINES, cell.id


def test_nothing_can_end_a_run_silently(notebook: Any) -> None:
    """Magics and shell lines fail silently; sys.exit(0) is a green half run; no catching."""
    for cell in cells_of(notebook):
        # Parsing as Python already rules out magics and shell lines.
        tree = ast.parse(cell.source)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}

        assert not names & {"exit", "quit", "get_ipython", "exec", "eval"}, cell.id
        assert not imported & {"sys", "os", "subprocess"}, cell.id
        assert not any(isinstance(node, ast.Try) for node in ast.walk(tree)), cell.id


def test_one_step_per_cell_in_the_order_of_the_day() -> None:
    """The notebook and the run without one do the same things in the same order."""
    steps = [cell for cell in cells_of(MASTER) if has_tag(cell, STEP_TAG)]
    called = [re.findall(r"\bday\.(\w+)\(\)", cell.source) for cell in steps]

    assert called == [[step] for step in STEPS]
    for cell in cells_of(MASTER):
        if not has_tag(cell, STEP_TAG):
            assert not set(re.findall(r"\bday\.(\w+)\(", cell.source)) & set(STEPS)


def test_no_picture_can_keep_a_position_from_its_stop() -> None:
    """Before the last step nothing of the pages is imported or shown."""
    cells = cells_of(MASTER)
    last = max(k for k, cell in enumerate(cells) if has_tag(cell, STEP_TAG))
    before = "\n".join(cell.source for cell in cells[: last + 1])

    assert "protect" in cells[last].source
    assert "pages" not in before
    assert "display" not in before
    assert "charts" not in before


def test_the_page_tells_the_day_in_the_order_of_the_design() -> None:
    """A sentence stands above each part."""
    headings = [
        line[3:]
        for cell in cells_of(MASTER, "markdown")
        for line in cell.source.splitlines()
        if line.startswith("## ")
    ]

    assert headings == SECTIONS


def test_checks_come_after_everything_else() -> None:
    """They may fail, so they stand last; each says what is wrong."""
    cells = cells_of(MASTER)
    with_asserts = [k for k, cell in enumerate(cells) if "assert " in cell.source]
    asserts = [n for n in ast.walk(ast.parse(cells[-1].source)) if isinstance(n, ast.Assert)]

    assert with_asserts == [len(cells) - 1]
    assert len(asserts) >= 4
    assert all(one.msg is not None for one in asserts)


def test_ruff_finds_nothing() -> None:
    """Linted and formatted like all other code."""
    for command in (["check"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *command, *NOTEBOOKS]
        code, out, err = ended(words, cwd=PROJECT)
        assert code == 0, out + err
