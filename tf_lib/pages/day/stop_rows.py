"""Stop rows: what the rows of `stop_updates` say of each position, read once for all pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tf_lib.core.model.run_rows import StopRow
from tf_lib.pages import words

_NOTHING_TO_COVER = ("dust", "nothing held", "position is gone")


@dataclass(frozen=True)
class StopLine:
    """
    One position and its protection.

    Attributes
    ----------
    distance, limit_distance : float
        How far stop and limit lie below the last price, as a fraction of it; NaN when unknown.
    is_protected : bool
        Whether nothing above dust is unprotected.
    is_known : bool
        False when the holding itself could not be read.
    """

    product: str
    status: str
    reason: str
    resting_level: float
    limit_price: float
    last: float
    bare_seconds: float
    is_known: bool
    held_text: str = ""
    covered_text: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_protected(self) -> bool:
        """Whether the record says that nothing above dust is unprotected."""
        return self.status != "failed" and self.is_known

    @property
    def distance(self) -> float:
        """How far the stop lies below the last price."""
        return 1.0 - self.resting_level / self.last if self.last > 0 else float("nan")

    @property
    def limit_distance(self) -> float:
        """How far the limit lies below the last price."""
        return 1.0 - self.limit_price / self.last if self.last > 0 else float("nan")

    @property
    def remark(self) -> str:
        """What stands beside the position in the chart."""
        if not self.is_known:
            return "holding unknown"
        if not self.is_protected:
            return "NOT PROTECTED"
        took = f", unprotected {words.seconds(self.bare_seconds)}" if self.bare_seconds > 0 else ""
        return f"{words.percent(self.distance)}{took}"


def stop_lines(rows: Iterable[StopRow], bare_seconds: Mapping[str, float]) -> list[StopLine]:
    """Return one line per position above dust, by name; the last row of a product counts."""
    last = {str(row["product"]): row for row in rows}
    return [_line(row, bare_seconds) for _, row in sorted(last.items()) if not _is_nothing(row)]


def _is_nothing(row: StopRow) -> bool:
    """Whether a row is about no position: dust, or sold to the last unit."""
    is_sold = row.get("status") != "failed" and words.number(row.get("held")) == 0.0
    return is_sold or row.get("reason") in _NOTHING_TO_COVER


def _line(row: StopRow, bare_seconds: Mapping[str, float]) -> StopLine:
    product, reason = str(row["product"]), str(row.get("reason") or "")
    return StopLine(
        product=product,
        status=str(row.get("status") or ""),
        reason=reason,
        resting_level=words.number(row.get("resting_level")),
        limit_price=words.number(row.get("limit_price")),
        last=words.number(row.get("last")),
        bare_seconds=float(bare_seconds.get(product, 0.0)),
        is_known=not reason.startswith("holding unknown"),
        held_text=str(row.get("held") or ""),
        covered_text=str(row.get("covered") or ""),
        notes=tuple(str(note) for note in row.get("notes") or ()),
    )
