"""Grids: every form of a range, every way to be wrong, and the sets in a fixed order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.build import config_with
from tf_lib.errors import ParameterError
from tf_lib.research.sweep.grid import Grid, grid_of, read_grid
from tf_lib.research.sweep.plateaus import axis_ranks, best_plateau_row, plateaus

FAST = "signals.moving_average.fast_mavg"
ATR = "risk_and_sizing.atr_multiplier"

TWO_THOUSAND = {"start": 1, "stop": 2000, "step": 1}


def grid(mapping: dict[str, Any]) -> Grid:
    return grid_of(mapping, config_with(), source="g.yaml")


def values(given: Any, path: str = FAST) -> list[Any]:
    return [one[path] for one in grid({path: given}).sets]


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ([10, 20], FAST, [10, 20]),
        ({"start": 10, "stop": 30, "step": 10}, FAST, [10, 20, 30]),
        ({"start": 10, "stop": 29, "step": 10}, FAST, [10, 20]),
        ({"start": 30, "stop": 10, "step": -10}, FAST, [30, 20, 10]),
        ({"start": 0.1, "stop": 0.3, "step": 0.1}, ATR, [0.1, 0.2, 0.3]),
        ({"low": 1.0, "high": 2.0, "n": 3}, ATR, [1.0, 1.5, 2.0]),
        ({"low": 1.0, "high": 4.0, "n": 3, "log": True}, ATR, [1.0, 2.0, 4.0]),
        # A whole parameter gets whole numbers, none twice.
        ({"low": 10, "high": 12, "n": 5}, FAST, [10, 11, 12]),
    ],
)
def test_ranges_by_hand(given: Any, path: str, expected: list[Any]) -> None:
    """Both ends belong to a range."""
    got = values(given, path)

    assert got == pytest.approx(expected)
    assert all(type(a) is type(b) for a, b in zip(got, expected, strict=True))


def test_all_combinations_in_the_order_of_names() -> None:
    """The last name by alphabet changes fastest, whatever the order in the file."""
    made = grid({FAST: [10, 20], ATR: [1.5, 2.0]})

    assert made.paths == (ATR, FAST)
    pairs = [(atr, fast) for atr in (1.5, 2.0) for fast in (10, 20)]
    assert [(one[ATR], one[FAST]) for one in made.sets] == pairs
    assert made.is_product


def test_paths_may_be_nested() -> None:
    """As the parameter file itself is."""
    nested = grid({"signals": {"moving_average": {"fast_mavg": [10, 20]}}})

    assert nested == grid({FAST: [10, 20]})


def test_drawn_sets_are_different_and_the_same_for_a_seed() -> None:
    """As many as asked for, within the ranges."""
    text = {FAST: {"low": 5, "high": 50}, ATR: {"low": 1.0, "high": 4.0, "log": True}}
    made, again, other = (grid({**text, "random": {"n": 50, "seed": s}}) for s in (3, 3, 4))

    assert made == again
    assert made != other
    assert len(made.sets) == 50
    assert all(5 <= one[FAST] <= 50 and 1.0 <= one[ATR] <= 4.0 for one in made.sets)
    assert not made.is_product


def test_drawing_more_than_there_is_ends() -> None:
    """Three values cannot make ten different sets."""
    assert len(grid({FAST: [10, 20, 30], "random": {"n": 10}}).sets) == 3


def test_listed_sets_stand_as_they_are() -> None:
    """Each changes what it names; what stands twice is tried once."""
    made = grid({"sets": [{FAST: 10}, {ATR: 2.5, FAST: 30}, {FAST: 10}]})

    assert made.sets == ({FAST: 10}, {ATR: 2.5, FAST: 30})
    assert made.paths == (ATR, FAST)


def test_equal_values_are_one_however_they_were_written() -> None:
    """A value of a list, a set, and what is drawn: none twice, and how many were is known."""
    listed = grid({ATR: [0.1 + 0.2, 0.3, 2, 2.0, 2.5], FAST: [10, 10, 20]})
    sets = grid({"sets": [{ATR: 0.3}, {ATR: 0.1 + 0.2}, {ATR: 2.0}, {ATR: 2}, {FAST: 10}]})
    drawn = grid({ATR: [0.1 + 0.2, 0.3], "random": {"n": 10}})

    pairs = [(atr, fast) for atr in (0.3, 2, 2.5) for fast in (10, 20)]
    assert [(one[ATR], one[FAST]) for one in listed.sets] == pairs
    assert listed.n_repeated == 3
    assert sets.sets == ({ATR: 0.3}, {ATR: 2.0}, {FAST: 10})
    assert sets.n_repeated == 2
    assert drawn.sets == ({ATR: 0.3},)
    assert grid({FAST: [True, 1]}).n_repeated == 0


def test_whole_values_can_be_swept() -> None:
    """A list of sleeves, or a switch."""
    assert values(["sample", "ewm"], "risk_and_sizing.covariance") == ["sample", "ewm"]
    assert values([True, False], "signals.donchian.donchian_shift") == [True, False]


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({}, "the grid is empty"),
        ({"sets": []}, "the grid is empty"),
        ({"random": {"n": 5}}, "the grid is empty"),
        ({FAST: []}, "fast_mavg: the list is empty"),
        ({"signals.moving_average.fast_mvag": [1]}, f"did you mean '{FAST}'"),
        ({"fast_mavg": [1]}, f"did you mean '{FAST}'"),
        ({"signals": {"moving_averge": {"fast_mavg": [1]}}}, "did you mean"),
        ({FAST: 10}, "expected a list"),
        ({FAST: {"from": 1, "to": 2}}, "expected a list"),
        ({FAST: {"start": 1, "stop": 9, "step": 0}}, "never leads"),
        ({FAST: {"start": 1, "stop": 9, "step": -1}}, "never leads"),
        ({FAST: {"start": 1, "stop": "9", "step": 1}}, "stop must be a number, got '9'"),
        ({ATR: {"low": 0, "high": 2, "n": 3, "log": True}}, "low above 0"),
        ({ATR: {"low": 3, "high": 2, "n": 3}}, "low 3 lies above high 2"),
        ({ATR: {"low": 1, "high": 2, "n": 0}}, "n must be a whole number"),
        ({FAST: [1], "random": {"n": 0}}, "random.n must be a whole number from 1"),
        ({FAST: [1], "random": {"count": 3}}, "expected {n, seed}"),
        ({FAST: [1], "sets": [{FAST: 2}]}, "sets stands alone"),
        ({"sets": [3]}, "expected a list of mappings"),
        ({"sets": [{"no.such": 3}]}, "unknown parameter path"),
        ({"run.start_date": ["2022-01-01"]}, "the days are the same"),
        ({FAST: TWO_THOUSAND, ATR: {"low": 1, "high": 2, "n": 2000}}, "4000000 combinations"),
        ({ATR: {"start": 0, "stop": 1, "step": 1e-9}}, "at most 1000000"),
    ],
)
def test_a_wrong_grid_says_what_is_wrong(mapping: dict[str, Any], named: str) -> None:
    """Naming file, path and what was expected; the nearest path for a typo."""
    with pytest.raises(ParameterError, match=r"g\.yaml") as caught:
        grid(mapping)

    assert named in str(caught.value)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    """And so is one that is not there."""
    path = tmp_path / "g.yaml"
    path.write_text("")
    with pytest.raises(ParameterError, match="expected a mapping"):
        read_grid(path, config_with())

    with pytest.raises(ParameterError, match="no such grid file"):
        read_grid(tmp_path / "absent.yaml", config_with())


def test_plateau_of_a_grid_by_hand() -> None:
    """Three values in a row: a lone peak of 3 beside 0 and 0 is worth 1 on its plateau."""
    sets = [{FAST: 10}, {FAST: 20}, {FAST: 30}]
    around = plateaus(axis_ranks(sets, [FAST]), figures([0.0, 3.0, 0.0]), is_product=True)

    assert around["plateau_sharpe"].tolist() == [1.5, 1.0, 1.5]
    assert around["plateau_worst"].tolist() == [0.0, 0.0, 0.0]
    assert around["neighbours"].tolist() == [1.0, 2.0, 1.0]


def test_a_set_without_a_figure_is_nobodys_neighbour() -> None:
    """Failed and invalid sets neither help nor harm."""
    sets = [{FAST: 10}, {FAST: 20}, {FAST: 30}]
    around = plateaus(axis_ranks(sets, [FAST]), figures([1.0, None, 3.0]), is_product=True)

    assert around["plateau_sharpe"].isna().all()
    assert around["neighbours"].tolist()[0] == 0.0


def test_drawn_sets_have_the_nearest_as_neighbours() -> None:
    """Eight of them, or as many as there are."""
    sets = [{FAST: 10 + k} for k in range(20)]
    found = figures([float(k) for k in range(20)])
    around = plateaus(axis_ranks(sets, [FAST]), found, is_product=False)

    # A quarter of the axis either way: the set in place 10 has 6 to 14 around it, 0 has 1 to 4.
    assert around["neighbours"].tolist() == [4.0, 5.0, 6.0, 7.0, *[8.0] * 12, 7.0, 6.0, 5.0, 4.0]
    assert around["plateau_sharpe"][10] == 10.0
    assert around["plateau_sharpe"][0] == 2.0


@pytest.mark.parametrize("is_product", [True, False])
def test_listed_sets_have_the_plateaus_of_the_same_sets_as_axes(*, is_product: bool) -> None:
    """By hand, six sets, the first the worst; it is not the best plateau, wherever it stands."""
    sets = [{ATR: atr, FAST: fast} for atr in (1.5, 2.5) for fast in (10, 20, 30)]
    sharpes = figures([-1.02, -0.5, -0.1, -0.6, -0.2, -0.1])
    around = plateaus(axis_ranks(sets, [ATR, FAST]), sharpes, is_product=is_product)

    assert around["neighbours"].tolist() == [3.0, 5.0, 3.0, 3.0, 5.0, 3.0]
    assert around["plateau_sharpe"][0] == pytest.approx((-1.02 - 0.5 - 0.6 - 0.2) / 4)
    assert best_plateau_row(around["plateau_sharpe"].to_numpy()) == 2


def test_far_sets_are_no_neighbours_and_the_very_same_place_is_none() -> None:
    """Sets that differ in everything by more than a step have no plateau, nor has one alone."""
    far = [{FAST: 10, ATR: 3.0}, {FAST: 20, ATR: 1.0}, {FAST: 30, ATR: 2.0}]
    around = plateaus(axis_ranks(far, [FAST, ATR]), figures([1.0, 2.0, 3.0]), is_product=False)
    twice = [{FAST: 10}, {FAST: 10}, {FAST: 30}]
    same = plateaus(axis_ranks(twice, [FAST]), figures([1.0, 1.0, 3.0]), is_product=False)
    alone = plateaus(axis_ranks(far[:1], [FAST]), figures([1.0]), is_product=False)

    assert around["plateau_sharpe"].isna().tolist() == [True, False, False]
    assert around["neighbours"].tolist() == [0.0, 1.0, 1.0]
    assert same["neighbours"].tolist() == [1.0, 1.0, 2.0]
    assert alone["plateau_sharpe"].isna().all()
    assert best_plateau_row(alone["plateau_sharpe"].to_numpy()) is None


def figures(numbers: list[float | None]) -> Any:
    return np.array([float("nan") if n is None else n for n in numbers])
