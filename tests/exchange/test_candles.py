"""The candle cache: all history once, then a few days; nothing that is damaged is trusted."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.exchange.canned_exchange import Canned, Edge
from tests.exchange.samples import candle_record
from tf_lib.errors import StateError
from tf_lib.store.candle_cache import CandleCache, CandleUpdate, Revision, day_pages
from tf_lib.store.candle_file import Candles, read_candles, write_candle_file

D = dt.date
DAY = dt.timedelta(days=1)
TODAY = D(2024, 3, 10)
YESTERDAY = TODAY - DAY


class Shelf:
    """The candles an exchange would serve, by ticker and day; may be changed between updates."""

    def __init__(self, edge: Edge, cache: CandleCache) -> None:
        self.rows: dict[str, dict[D, dict[str, Any]]] = {}
        self.edge, self.client, self.cache = edge, edge.client, cache

    def run(self, through: D = YESTERDAY, today: D = TODAY) -> CandleUpdate:
        """Update the cache of both tickers."""
        return self.cache.update(self.client, ["SOL-USD", "BTC-USD"], through, today=today)

    def run_just_after_midnight(self, clock: Waiting) -> tuple[CandleUpdate, int]:
        """Update both tickers with patience; return how often it was waited, too."""
        update = self.cache.update_when_closed(
            self.client, ["SOL-USD", "BTC-USD"], TODAY, now=clock.now, pause=clock.pause
        )
        return update, clock.paused

    def stock(self, ticker: str, first: D, last: D) -> None:
        """List a ticker with a bar on every day."""
        days = [first + n * DAY for n in range((last - first).days + 1)]
        self.rows[ticker] = {day: candle_record(_seconds(day), str(_close(day))) for day in days}
        self.serve(ticker)

    def serve(self, ticker: str, answer: Canned | None = None) -> None:
        """Answer with the shelf, or with something else."""
        path = f"/products/{ticker}/candles"
        self.edge.get(path, answer or Canned(lambda q: self._page(ticker, q)))

    def _page(self, ticker: str, query: dict[str, list[str]]) -> dict[str, Any]:
        start, end = int(query["start"][0]), int(query["end"][0])
        assert (end - start) // 86_400 < 300
        rows = [row for row in self.rows[ticker].values() if start <= int(row["start"]) <= end]
        return {"candles": sorted(rows, key=lambda row: -int(row["start"]))}

    def asked(self, ticker: str) -> int:
        """Return how often a ticker's candles were asked for."""
        return len(self.edge.asked(f"/products/{ticker}/candles"))


def _seconds(day: D) -> int:
    return (day - D(1970, 1, 1)).days * 86_400


def _close(day: D) -> float:
    return 1 + (day.toordinal() % 17) / 10


@pytest.fixture
def shelf(edge: Edge, tmp_path: Path) -> Shelf:
    """Return an exchange that lists BTC-USD for 400 days and SOL-USD for ten; an empty cache."""
    filled = Shelf(edge, CandleCache(tmp_path / "candles"))
    filled.stock("BTC-USD", YESTERDAY - 399 * DAY, TODAY)
    filled.stock("SOL-USD", YESTERDAY - 9 * DAY, TODAY)
    return filled


def test_the_first_time_all_history_is_read(shelf: Shelf) -> None:
    """Back to the first bar, never the running day."""
    update = shelf.run()
    btc = update.frames["BTC-USD"]

    assert list(update.frames) == ["BTC-USD", "SOL-USD"]
    assert len(btc) == 400
    assert btc.index[-1] == pd.Timestamp(YESTERDAY, tz="UTC")
    assert btc["close"].tolist() == [_close(day.date()) for day in btc.index]
    assert len(update.frames["SOL-USD"]) == 10
    assert (update.problems, update.revisions) == ([], [])
    # Two pages with bars and four without end BTC's history, one and four SOL's.
    assert update.requests == 6 + 5 == shelf.asked("BTC-USD") + shelf.asked("SOL-USD")


def test_a_rest_of_years_does_not_end_history(shelf: Shelf) -> None:
    """XRP-USD was away for 900 days."""
    early = {day: row for day, row in shelf.rows["BTC-USD"].items() if day < D(2023, 3, 1)}
    shelf.stock("BTC-USD", D(2024, 3, 1), TODAY)
    shelf.rows["BTC-USD"] |= {day - 900 * DAY: row for day, row in early.items()}
    for day, row in shelf.rows["BTC-USD"].items():
        row["start"] = str(_seconds(day))

    assert len(shelf.run().frames["BTC-USD"]) == 9 + len(early)


def test_a_normal_day_asks_once_for_each_ticker(shelf: Shelf) -> None:
    """And the new bar is there."""
    shelf.run()
    for ticker in ("BTC-USD", "SOL-USD"):
        shelf.rows[ticker][TODAY + DAY] = candle_record(_seconds(TODAY + DAY))
    update = shelf.run(TODAY, TODAY + DAY)

    assert update.requests == 2
    assert len(update.frames["BTC-USD"]) == 401
    assert update.frames["SOL-USD"].index[-1] == pd.Timestamp(TODAY, tz="UTC")
    assert update.problems == []


def test_asking_twice_changes_nothing(shelf: Shelf) -> None:
    """The same frames, and the files are not written again."""
    first = shelf.run()
    stamps = {path: path.stat().st_mtime_ns for path in shelf.cache.folder.iterdir()}
    second = shelf.run()

    pd.testing.assert_frame_equal(first.frames["BTC-USD"], second.frames["BTC-USD"])
    assert {path: path.stat().st_mtime_ns for path in shelf.cache.folder.iterdir()} == stamps


def test_the_running_day_is_never_asked_for(shelf: Shelf) -> None:
    """Even when the caller wants it; the exchange's clock decides."""
    noon = dt.datetime.combine(TODAY, dt.time(12), tzinfo=dt.UTC)
    shelf.edge.get("/time", {"epochMillis": str(int(noon.timestamp() * 1000))})
    update = shelf.cache.update(shelf.client, ["BTC-USD"], TODAY + 5 * DAY)

    assert update.frames["BTC-USD"].index[-1] == pd.Timestamp(YESTERDAY, tz="UTC")


def test_an_earlier_day_sees_no_later_bar(shelf: Shelf) -> None:
    """What the cache already knows of the future stays out."""
    shelf.run()
    update = shelf.run(YESTERDAY - 5 * DAY, TODAY - 5 * DAY)

    assert update.frames["SOL-USD"].index[-1] == pd.Timestamp(YESTERDAY - 5 * DAY, tz="UTC")
    assert len(shelf.run().frames["SOL-USD"]) == 10


def test_a_changed_bar_is_a_revision(shelf: Shelf) -> None:
    """The new number is used, the old one is on record."""
    shelf.run()
    day = YESTERDAY - 2 * DAY
    old = float(shelf.rows["SOL-USD"][day]["close"])
    shelf.rows["SOL-USD"][day]["close"] = "2.75"
    update = shelf.run()
    again = shelf.run()

    assert update.revisions == [Revision("SOL-USD", day, "close", old, 2.75)]
    assert update.frames["SOL-USD"].loc[pd.Timestamp(day, tz="UTC"), "close"] == 2.75
    assert again.revisions == []
    (line,) = (shelf.cache.folder / "revisions.jsonl").read_text().splitlines()
    record = json.loads(line)
    wanted = {"ticker": "SOL-USD", "day": day.isoformat(), "old": old, "new": 2.75}
    assert wanted.items() <= record.items()


def test_a_bar_that_comes_late_is_a_revision_from_nothing(shelf: Shelf) -> None:
    """The history before the last bar was another one."""
    day = YESTERDAY - DAY
    row = shelf.rows["SOL-USD"].pop(day)
    shelf.run()
    shelf.rows["SOL-USD"][day] = row
    update = shelf.run()

    assert {(one.day, one.old) for one in update.revisions} == {(day, None)}
    assert len(update.frames["SOL-USD"]) == 10


@pytest.mark.parametrize("harm", ["gone", "no number"])
def test_a_bar_once_seen_is_not_given_up(shelf: Shelf, harm: str) -> None:
    """The one seen is kept, and the trouble reported."""
    shelf.run()
    if harm == "gone":
        del shelf.rows["SOL-USD"][YESTERDAY]
    else:
        shelf.rows["SOL-USD"][YESTERDAY]["high"] = "n/a"
    update = shelf.run()

    assert update.frames["SOL-USD"]["high"].iloc[-1] == 3.0
    (problem,) = update.problems
    assert problem.startswith(f"SOL-USD: the bar of {YESTERDAY}")


def test_a_bar_that_never_was_a_number_is_nan(shelf: Shelf) -> None:
    """And is replaced when it becomes one."""
    shelf.rows["SOL-USD"][YESTERDAY]["low"] = ""
    first = shelf.run().frames["SOL-USD"]
    shelf.rows["SOL-USD"][YESTERDAY]["low"] = "1"
    second = shelf.run()

    assert first.iloc[-1].isna().all()
    assert second.frames["SOL-USD"]["low"].iloc[-1] == 1.0
    assert {one.old for one in second.revisions} == {None}


def another_price(raw: bytes) -> bytes:
    """Change one close of a candle file, with everything else as it was."""
    table = pq.read_table(pa.BufferReader(raw))
    closes = table["close"].to_pylist()
    closes[-1] += 0.1
    column = table.schema.get_field_index("close")
    out = pa.BufferOutputStream()
    pq.write_table(table.set_column(column, "close", pa.array(closes)), out)
    return bytes(out.getvalue())


@pytest.mark.parametrize(
    "harm",
    [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"not parquet", another_price],
)
def test_a_damaged_file_is_set_aside_and_read_again(shelf: Shelf, harm: Any) -> None:
    """Never trusted, never thrown away, never fatal."""
    good = shelf.run().frames["SOL-USD"]
    path = shelf.cache.folder / "SOL-USD.parquet"
    path.write_bytes(harm(path.read_bytes()))
    update = shelf.run()

    pd.testing.assert_frame_equal(update.frames["SOL-USD"], good)
    (problem,) = update.problems
    assert problem.startswith("SOL-USD: cache set aside as SOL-USD.parquet.set-aside-1")
    assert (shelf.cache.folder / "SOL-USD.parquet.set-aside-1").exists()
    assert shelf.run().problems == []


def test_the_file_of_another_ticker_is_not_trusted(shelf: Shelf) -> None:
    """A copied or renamed file."""
    shelf.run()
    btc = (shelf.cache.folder / "BTC-USD.parquet").read_bytes()
    (shelf.cache.folder / "SOL-USD.parquet").write_bytes(btc)
    update = shelf.run()

    assert len(update.frames["SOL-USD"]) == 10
    assert "expected SOL-USD" in update.problems[0]


def test_a_cache_of_another_market_is_read_again(shelf: Shelf) -> None:
    """When most closes differ it is no revision but another exchange."""
    shelf.run()
    for row in shelf.rows["SOL-USD"].values():
        row["close"] = "1.55555"
    update = shelf.run()

    assert set(update.frames["SOL-USD"]["close"]) == {1.55555}
    assert update.revisions == []
    assert update.problems == ["SOL-USD: the cache is of another market, all history is read again"]


@pytest.mark.parametrize("answer", [Canned("", 503), Canned({"error": "NOT_FOUND"}, 404)])
def test_a_ticker_that_fails_leaves_the_others_alone(shelf: Shelf, answer: Canned) -> None:
    """It has an empty frame, or what the cache holds; the day's bar is missing either way."""
    shelf.serve("BTC-USD", answer)
    fresh = shelf.run()
    shelf.serve("BTC-USD")
    shelf.run()
    shelf.serve("BTC-USD", answer)
    later = shelf.run(TODAY, TODAY + DAY)

    assert fresh.frames["BTC-USD"].empty
    assert len(fresh.frames["SOL-USD"]) == 10
    assert len(later.frames["BTC-USD"]) == 400
    assert [len(one.problems) for one in (fresh, later)] == [1, 1]
    assert later.problems[0].startswith("BTC-USD: candles could not be read")


def test_an_exchange_that_is_down_is_not_asked_for_ever(shelf: Shelf) -> None:
    """After three tickers without an answer the rest are left out."""
    tickers = [f"T{number}-USD" for number in range(6)]
    for ticker in tickers:
        shelf.serve(ticker, Canned("", 503))
    update = shelf.cache.update(shelf.client, tickers, YESTERDAY, today=TODAY)

    assert update.requests == 3
    assert len(update.problems) == 6
    assert all(frame.empty for frame in update.frames.values())


def test_a_disk_that_refuses_costs_only_the_cache(shelf: Shelf) -> None:
    """The frames are there."""
    shelf.cache.folder.parent.joinpath("candles").write_text("a file where the folder should be")
    update = shelf.run()

    assert len(update.frames["BTC-USD"]) == 400
    assert "could not be written" in update.problems[0]


def test_bars_come_back_from_the_file_bit_for_bit(tmp_path: Path) -> None:
    """Numbers that no short decimal hits, and NaN."""
    nan = float("nan")
    odd = (0.1 + 0.2, 1e-300, 1e300, nan, 0.0)
    candles = Candles.of({D(2024, 3, 1): odd, D(2024, 2, 1): (1, 2, 3, 4, 5)})
    path = tmp_path / "X-USD.parquet"
    write_candle_file(path, "X-USD", candles)
    read = read_candles(path, "X-USD")

    assert read is not None
    assert read.same_as(candles)
    assert read.last_day == D(2024, 3, 1)
    with pytest.raises(StateError, match="expected Y-USD"):
        read_candles(path, "Y-USD")


def test_no_file_is_no_candles(tmp_path: Path) -> None:
    """Which is not an error."""
    assert read_candles(tmp_path / "none.parquet", "X-USD") is None


class Waiting:
    """A clock that starts at a time of the running day and goes on when it is waited for."""

    def __init__(self, second: float) -> None:
        self.at = dt.datetime.combine(TODAY, dt.time(), dt.UTC) + dt.timedelta(seconds=second)
        self.paused = 0
        self.then: list[tuple[int, Any]] = []

    def now(self) -> dt.datetime:
        return self.at

    def pause(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)
        self.paused += 1
        for number, act in self.then:
            if number == self.paused:
                act()


def test_a_bar_that_is_listed_late_is_waited_for(shelf: Shelf) -> None:
    """Only its ticker is asked for again, and the bar counts as if it had been there."""
    shelf.run(YESTERDAY - DAY, YESTERDAY)
    late = shelf.rows["SOL-USD"].pop(YESTERDAY)
    asked = shelf.asked("BTC-USD"), shelf.asked("SOL-USD")
    clock = Waiting(60)
    clock.then = [(2, lambda: shelf.rows["SOL-USD"].update({YESTERDAY: late}))]
    update, paused = shelf.run_just_after_midnight(clock)

    assert paused == 2
    assert (shelf.asked("BTC-USD"), shelf.asked("SOL-USD")) == (asked[0] + 1, asked[1] + 3)
    assert update.requests == 4
    assert {f.index[-1].date() for f in update.frames.values()} == {YESTERDAY}
    assert (update.problems, update.revisions) == ([], [])


def test_a_bar_that_never_comes_is_given_up(shelf: Shelf) -> None:
    """A day without trades has no bar: at 00:02:30 the run goes on without it."""
    shelf.run(YESTERDAY - DAY, YESTERDAY)
    del shelf.rows["SOL-USD"][YESTERDAY]
    update, paused = shelf.run_just_after_midnight(Waiting(60))

    assert paused == 9
    assert update.frames["SOL-USD"].index[-1].date() == YESTERDAY - DAY
    assert update.frames["BTC-USD"].index[-1].date() == YESTERDAY


@pytest.mark.parametrize(("second", "missing_days"), [(151, 1), (60, 2)])
def test_nobody_waits_later_or_for_the_silent(
    shelf: Shelf, second: float, missing_days: int
) -> None:
    shelf.run(YESTERDAY - 2 * DAY, YESTERDAY - DAY)
    for number in range(missing_days):
        del shelf.rows["SOL-USD"][YESTERDAY - number * DAY]

    assert shelf.run_just_after_midnight(Waiting(second))[1] == 0


@pytest.mark.parametrize("days", [1, 299, 300, 301, 1000])
def test_pages_cover_every_day_once(days: int) -> None:
    """At most 300 buckets each, bounds included."""
    first = dt.date(2020, 1, 1)
    pages = day_pages(first, first + dt.timedelta(days=days - 1))
    covered = [a + dt.timedelta(days=n) for a, b in pages for n in range((b - a).days + 1)]

    assert covered == [first + dt.timedelta(days=n) for n in range(days)]
    assert max((b - a).days + 1 for a, b in pages) <= 300
