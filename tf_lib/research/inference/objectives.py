"""
Objectives: what "best" means in a sweep, as one figure of a stretch of daily returns.

Part of research (evaluations -> *objective* -> selection). The table, plateaus, folds of the walk
forward and of cross-validation, and a guided search all ask the same object, so that "best" is
one rule. A set that has no figure (it never traded, or fell deeper than is allowed) is NaN here
and best nowhere. Whether the best is luck is told by Sharpe ratios whatever the objective is.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.errors import ParameterError
from tf_lib.parameters.user_code import failed_in, run_source, sha256_of
from tf_lib.research.backtest.statistics import LEAST_DEVIATION, performance, row_sortinos
from tf_lib.research.inference.bootstrap import annual_growth, annual_sharpe, deepest_drawdown
from tf_lib.text.shown import shown
from tf_lib.text.written import read_written

KINDS: Mapping[str, str] = {
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "cagr": "CAGR",
}
"""Those that need no file, with the words for them; not trading is worth 0 in each."""

# From simple daily returns and `performance` of the same days to a number, more being better.
Score = Callable[[FloatArray, Mapping[str, float]], float]


@dataclass(frozen=True)
class OwnScore:
    """
    A function of the user's.

    Attributes
    ----------
    where : str
        File and function as they were given, ``my_objective.py:score``.
    function : str
    sha256 : str
        Of the file it was read from.
    score : callable
    """

    where: str
    function: str
    sha256: str
    score: Score = field(compare=False, repr=False)


@dataclass(frozen=True)
class Objective:
    """
    What sets are ranked by; more is better.

    Attributes
    ----------
    kind : str
        One of `KINDS`; ``own`` for a function in a file.
    max_drawdown : float or None
        Deepest fall that is allowed, a fraction above 0; a set that fell deeper has no figure.
    own : OwnScore or None
    days_per_year : float

    Examples
    --------
    >>> rows = np.array([[0.1, -0.05, 0.02], [0.0, 0.0, 0.0], [0.3, -0.5, 0.9]])
    >>> Objective("cagr", max_drawdown=0.3, days_per_year=3).figures(rows).round(4).tolist()
    [0.0659, nan, nan]
    """

    kind: str = "sharpe"
    max_drawdown: float | None = None
    own: OwnScore | None = None
    days_per_year: float = 365.0

    @property
    def is_sharpe(self) -> bool:
        """Whether it is the Sharpe ratio and nothing else."""
        return self.kind == "sharpe" and self.max_drawdown is None

    @property
    def column(self) -> str:
        """Name of the column of a sweep's table that holds the figures."""
        return "sharpe" if self.is_sharpe else "objective"

    @property
    def plateau(self) -> str:
        """Name of the column that holds the mean over a set and its neighbours."""
        return f"plateau_{self.column}"

    @property
    def label(self) -> str:
        """What a chart or a line calls it."""
        return KINDS[self.kind] if self.own is None else f"score ({self.own.where})"

    @property
    def words(self) -> str:
        """The label with its limit, for a sentence."""
        if self.max_drawdown is None:
            return self.label
        return f"{self.label} with no drawdown deeper than {self.max_drawdown:.0%}"

    @property
    def judged_by(self) -> str:
        """What this objective decides and what Sharpe ratios decide; empty when it is theirs."""
        if self.is_sharpe:
            return ""
        return (
            f"Best means {self.words}: in the table, plateaus, walks forward and "
            "cross-validation. Luck is told by Sharpe ratios: the deflated Sharpe ratio is of that "
            "best set; the reality check and the test for overfitting ask what choosing by Sharpe "
            "ratio among the same sets is worth."
        )

    @property
    def is_zero_without_trading(self) -> bool:
        """Whether 0 is what not trading is worth; of a function of one's own nobody knows."""
        return self.own is None

    def text(self, figure: float) -> str:
        """Return a figure as people write it."""
        if not math.isfinite(figure):
            return "undefined"
        return f"{figure:.1%}" if self.kind == "cagr" else f"{figure:.2f}"

    def figures(self, returns: FloatArray) -> FloatArray:
        """
        Return the figure of each row.

        Parameters
        ----------
        returns : float array of shape (n_sets, n_days)
            Simple and daily.

        Returns
        -------
        float array of shape (n_sets,)
            A year's; NaN for a set that never moved, fell deeper than is allowed, or has none.

        Raises
        ------
        ParameterError
            If a function of one's own fails or answers no number.
        """
        figures = np.array(self._raw(returns), dtype=np.float64)
        moved = returns.std(axis=1, ddof=1) > LEAST_DEVIATION
        allowed = np.ones(len(returns), dtype=np.bool_)
        if self.max_drawdown is not None:
            allowed = deepest_drawdown(returns) >= -self.max_drawdown
        return np.where(moved & allowed & np.isfinite(figures), figures, np.nan)

    def _raw(self, returns: FloatArray) -> FloatArray | list[float]:
        if self.own is not None:
            return [_scored(self.own, row, self.days_per_year) for row in returns]
        if self.kind == "sharpe":
            return annual_sharpe(returns, periods_per_year=self.days_per_year)
        if self.kind == "sortino":
            return row_sortinos(returns) * math.sqrt(self.days_per_year)
        with np.errstate(divide="ignore"):
            growth = annual_growth(returns, periods_per_year=self.days_per_year)
        if self.kind == "cagr":
            return growth
        fall = -deepest_drawdown(returns)
        none = np.full_like(growth, np.nan)
        calmar: FloatArray = np.divide(growth, fall, out=none, where=fall > LEAST_DEVIATION)
        return calmar

    def to_mapping(self) -> dict[str, Any]:
        """Return what a record holds of it."""
        own = self.own
        return {
            "kind": self.kind,
            "max_drawdown": self.max_drawdown,
            "function": None if own is None else own.where,
            "sha256": None if own is None else own.sha256,
            "is": self.words,
        }


def _scored(own: OwnScore, returns: FloatArray, days_per_year: float) -> float:
    """Return what a function says of one set; it gets copies, so that it can change nothing."""
    equity = np.cumprod(1.0 + returns).astype(np.float64)
    figures = performance(equity, 1.0, days_per_year=round(days_per_year))
    try:
        return float(own.score(returns.copy(), figures))
    except Exception as error:
        # Whatever it raises is the function's fault, not the sweep's; its own line says where.
        raise ParameterError(
            f"objective {own.where}: failed on {returns.size} days of returns{failed_in(error)}: "
            f"{type(error).__name__}: {error}. It takes (returns, metrics) and answers a number, "
            "or nan where there is none"
        ) from error


def objective_of(given: Any, *, source: str, folder: Path) -> Objective:
    """
    Return the objective that a sweep file or the command line asks for.

    Parameters
    ----------
    given : str or mapping
        One of `KINDS`, ``FILE.py:FUNCTION``, or ``{kind: ..., max_drawdown: 0.3}``.
    source : str
        File or option, for errors.
    folder : Path
        Where a relative FILE.py lies.

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> objective_of("calmar", source="g.yaml", folder=Path(".")).label
    'Calmar ratio'
    """
    where = source if source.startswith("--") else f"{source}: objective"
    asked = given if isinstance(given, Mapping) else {"kind": given}
    if "kind" not in asked or not set(asked) <= {"kind", "max_drawdown"}:
        raise ParameterError(f"{where}: expected {{kind, max_drawdown}}, got {shown(given)}")
    kind, limit = asked["kind"], asked.get("max_drawdown")
    if limit is not None:
        is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if not is_number or not 0.0 < limit < 1.0:
            raise ParameterError(
                f"{where}: max_drawdown must be a fraction between 0 and 1, such as 0.3 for 30 %, "
                f"got {shown(limit)}"
            )
        limit = float(limit)
    if isinstance(kind, str) and kind in KINDS:
        return Objective(kind, limit)
    if isinstance(kind, str) and ".py" in kind:
        return Objective("own", limit, _own(kind, where, folder))
    near = difflib.get_close_matches(str(kind), KINDS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ParameterError(
        f"{where}: expected one of {', '.join(KINDS)}, or FILE.py:FUNCTION, got {shown(kind)}{hint}"
    )


def _own(given: str, where: str, folder: Path) -> OwnScore:
    """Return a function of a user's file, with the digest of what was read."""
    name, colon, function = given.rpartition(":")
    if not colon or not name.endswith(".py") or not function.isidentifier():
        raise ParameterError(f"{where}: expected FILE.py:FUNCTION, got {shown(given)}")
    path = folder / name
    source = read_written(path, f"file, named by {where}")
    try:
        module = run_source(source, path.name)
    except Exception as error:
        raise ParameterError(
            f"{where}: {path}{failed_in(error)}: {type(error).__name__}: {error}"
        ) from error
    score = getattr(module, function, None)
    if not callable(score):
        there = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise ParameterError(
            f"{where}: {path} has no function {function!r}; it has {', '.join(there) or 'none'}"
        )
    return OwnScore(given, function, sha256_of(source), score)
