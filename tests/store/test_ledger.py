"""The ledger: on disk before it counts, append-only, torn ends dropped, one account for ever."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.processes import begun
from tests.store.build import DAY, ENTRY, STOP, STOP_BODY, UUID, Clock, again, market, pinned, plain
from tf_lib.core.model.client_ids import Leg, LegKey, client_id
from tf_lib.core.model.order_life import IllegalMove, OrderStage
from tf_lib.core.model.records import Side
from tf_lib.errors import PreflightRefused, StateError, TfError
from tf_lib.store.ledger import LEDGER_FILE, Ledger


def a_day(ledger: Ledger) -> None:
    """Write the lines of a small day."""
    ledger.mark(DAY, "claimed", attempt=1, forced=False, pid=1)
    ledger.append("plan", day=DAY.isoformat(), planned_at=ledger.now().isoformat(), orders=[])
    entry = ledger.intend(ENTRY, market("1"))
    ledger.move(entry.client_id, OrderStage.ACKED, order_id="o-1")
    ledger.move(entry.client_id, OrderStage.DONE, filled_size="1", filled_value="100", fees="1.2")
    ledger.append("bare", product="BTC-USD", since=ledger.now().isoformat())
    stop = ledger.intend(STOP, STOP_BODY)
    ledger.move(stop.client_id, OrderStage.ACKED, order_id="o-2")
    ledger.move(stop.client_id, OrderStage.WORKING)
    ledger.append("covered", product="BTC-USD", day=DAY.isoformat(), notional="100")
    ledger.append("level", product="BTC-USD", target_level="90")
    ledger.mark(DAY, "effects_complete")


# -- writing ---------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Another process has the same state from the same lines, which are plain JSON for `jq`."""
    ledger = pinned(tmp_path)
    a_day(ledger)
    other = again(ledger)

    assert plain(other) == plain(ledger)
    assert other.lines == ledger.lines
    assert [line["seq"] for line in other.lines] == list(range(1, len(other.lines) + 1))
    for text in ledger.path.read_text(encoding="utf-8").splitlines():
        assert {"seq", "at", "kind"} <= set(json.loads(text))


def noted(calls: list[str], name: str) -> Callable[..., Any]:
    """Return a function of `os` that writes its name down when it is called."""
    real = getattr(os, name)

    def called(*arguments: Any) -> Any:
        calls.append(name)
        return real(*arguments)

    return called


def test_a_line_is_on_the_disk_when_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flushed after its last byte: first the write, then the fsync, then the caller goes on."""
    ledger = pinned(tmp_path)
    calls: list[str] = []
    for name in ("write", "fsync"):
        monkeypatch.setattr(os, name, noted(calls, name))

    ledger.append("level", product="BTC-USD", target_level="90")

    assert calls == ["write", "fsync"]


def test_the_file_is_only_ever_appended_to(tmp_path: Path) -> None:
    """What stood there stands there, byte for byte; nobody else may read it."""
    ledger = pinned(tmp_path)
    before = ledger.path.read_bytes()
    a_day(ledger)

    assert ledger.path.read_bytes().startswith(before)
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_an_illegal_line_writes_and_changes_nothing(tmp_path: Path) -> None:
    """Another body under an id, a move the table does not have, an order nobody intended."""
    ledger = pinned(tmp_path)
    entry = ledger.intend(ENTRY, market("1"))
    before, state = ledger.path.read_bytes(), plain(again(ledger))

    with pytest.raises(IllegalMove, match=f"order {entry.client_id}: INTENDED may become"):
        ledger.move(entry.client_id, OrderStage.DONE)
    with pytest.raises(StateError, match="was written with another body"):
        ledger.append("intent", **_intent_line(ledger, entry.client_id, market("2")))
    with pytest.raises(StateError, match="which no line intended"):
        ledger.append("move", client_id="tf1-nobody", to="ACKED")
    with pytest.raises(StateError, match="belongs to portfolio"):
        ledger.append("pin", portfolio_uuid="another")

    assert ledger.path.read_bytes() == before
    assert plain(ledger) == state


def _intent_line(ledger: Ledger, identity: str, body: dict[str, str]) -> dict[str, object]:
    line = next(x for x in ledger.lines if x.get("client_id") == identity)
    return {k: v for k, v in line.items() if k not in ("seq", "at", "kind")} | {"body": body}


def test_unknown_kinds_are_kept_and_mean_nothing(tmp_path: Path) -> None:
    """A line of a later version does not keep this one from reading."""
    ledger = pinned(tmp_path)
    state = plain(again(ledger))
    ledger.append("weather", sky="grey")

    assert plain(again(ledger)) == state | {"lines": state["lines"] + 1}
    assert again(ledger).lines[-1]["sky"] == "grey"


def test_unknown_day_mark(tmp_path: Path) -> None:
    """Named with those there are."""
    with pytest.raises(TfError, match="one of claimed, effects_complete, done, got 'finished'"):
        pinned(tmp_path).mark(DAY, "finished")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Path and cause; the state is not silently ahead of the disk for the next reader."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    ledger = Ledger(tmp_path / "file" / LEDGER_FILE, Clock())

    with pytest.raises(TfError, match=r"ledger\.jsonl: cannot write the ledger"):
        ledger.pin(UUID)


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_what_the_disk_refused_never_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Neither in memory nor on disk, not even half of it; the next line is written as usual."""
    ledger = pinned(tmp_path)
    entry = ledger.intend(ENTRY, market("1"))
    before, state = ledger.path.read_bytes(), plain(again(ledger))

    def refuse(*arguments: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, call, refuse)
        with pytest.raises(TfError, match="cannot write the ledger"):
            ledger.move(entry.client_id, OrderStage.ACKED, order_id="o-1")
    assert plain(ledger) == state
    assert ledger.path.read_bytes() == before

    ledger.move(entry.client_id, OrderStage.REFUSED)
    assert plain(again(ledger)) == plain(ledger)


# -- torn and broken -------------------------------------------------------------------------------


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(min_value=1, max_value=4000))
def test_a_torn_end_is_dropped(tmp_path: Path, cut: int) -> None:
    """
    Cut anywhere: whole lines count, the rest of one does not, and writing goes on after it.

    This is what a power loss leaves.
    """
    folder = tmp_path / str(cut)
    folder.mkdir(exist_ok=True)
    (folder / LEDGER_FILE).unlink(missing_ok=True)
    ledger = pinned(folder)
    a_day(ledger)
    ledger.close()
    whole = ledger.path.read_bytes()
    kept = whole[: max(len(whole) - cut, 0)]
    ledger.path.write_bytes(kept)

    reader = again(ledger)
    n_lines = kept.count(b"\n")
    assert len(reader.lines) == n_lines
    assert ledger.path.read_bytes() == kept

    reader.append("level", product="ETH-USD", target_level="7")
    reader.close()
    assert [x["seq"] for x in again(ledger).lines] == list(range(1, n_lines + 2))
    assert again(ledger).path.read_bytes().endswith(b"\n")
    assert ledger.path.read_bytes().startswith(whole[: len(kept) - len(kept.split(b"\n")[-1])])


def test_a_broken_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    """With file, line and advice: memory that was edited is no memory."""
    ledger = pinned(tmp_path)
    a_day(ledger)
    lines = ledger.path.read_bytes().split(b"\n")
    lines[2] = lines[2][:-5]
    ledger.path.write_bytes(b"\n".join(lines))

    with pytest.raises(StateError, match=r"ledger\.jsonl: line 3 is not JSON: .*protection only"):
        again(ledger)


def test_a_missing_file_is_an_empty_ledger(tmp_path: Path) -> None:
    """Reading makes none."""
    ledger = Ledger(tmp_path / "state" / LEDGER_FILE, Clock())

    assert ledger.lines == []
    assert not (tmp_path / "state").exists()


def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    """SIGKILL at any moment: every line that `append` returned from is there."""
    script = (
        "import sys, datetime as dt\n"
        "from pathlib import Path\n"
        "from tf_lib.store.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]), lambda: dt.datetime.now(dt.UTC))\n"
        "for n in range(1_000_000):\n"
        "    ledger.append('note', number=n)\n"
        "    print(n, flush=True)\n"
    )
    path = tmp_path / LEDGER_FILE
    writer = begun([sys.executable, "-c", script, str(path)], stderr=None)
    assert writer.stdout is not None
    told = -1
    for line in writer.stdout:
        told = int(line)
        if told == 50:
            writer.kill()
    writer.wait()
    writer.stdout.close()
    numbers = [line["number"] for line in Ledger(path, Clock()).lines]

    assert numbers[: told + 1] == list(range(told + 1))


# -- the account -----------------------------------------------------------------------------------


def test_pinned_once_and_for_ever(tmp_path: Path) -> None:
    """The same account again writes nothing; another one is refused, naming both."""
    ledger = pinned(tmp_path)
    ledger.pin(UUID)
    assert [line["kind"] for line in ledger.lines] == ["pin"]

    with pytest.raises(PreflightRefused, match=f"belongs to portfolio {UUID}; the key is bound to"):
        again(ledger).pin("0e3948e1-6f19-5470-af3e-6f89ee69466c")


# -- ordinals --------------------------------------------------------------------------------------


def test_ordinals_count_per_product_leg_and_day(tmp_path: Path) -> None:
    """Refused or not, an id is never used again."""
    ledger = pinned(tmp_path)
    first = ledger.intend(STOP, STOP_BODY)
    ledger.move(first.client_id, OrderStage.REFUSED)
    second = ledger.intend(STOP, STOP_BODY | {"stop_price": "91"})
    other = ledger.intend(LegKey(DAY, "ETH-USD", Side.SELL, Leg.STOP_CORE), STOP_BODY)

    assert [first.ordinal, second.ordinal, other.ordinal] == [1, 2, 1]
    assert first.client_id == client_id(UUID, STOP, 1)
    assert second.client_id == client_id(UUID, STOP, 2)


def test_ids_at_the_exchange_count_as_well(tmp_path: Path) -> None:
    """State was lost: what is seen there of this product and leg is used up."""
    ledger = pinned(tmp_path)
    seen = frozenset(
        {
            client_id(UUID, STOP, 4),
            client_id(UUID, LegKey(DAY, "ETH-USD", Side.SELL, Leg.STOP_CORE), 9),
            client_id(UUID, ENTRY, 7),
            client_id("another account", STOP, 8),
            "somebody-elses",
        }
    )

    assert ledger.next_ordinal(STOP, seen) == 5
    assert ledger.intend(STOP, STOP_BODY, known_ids=seen).ordinal == 5
    assert ledger.next_ordinal(ENTRY, seen) == 8


def test_extract_is_of_one_day(tmp_path: Path) -> None:
    """Lines written on it, and lines about it that were written later."""
    clock = Clock()
    ledger = pinned(tmp_path, clock)
    a_day(ledger)
    clock.go(days=1)
    ledger.append("level", product="ETH-USD", target_level="7")
    ledger.mark(DAY, "done")

    kinds = [line["kind"] for line in ledger.extract(DAY)]

    assert "level" in kinds
    assert kinds.count("mark") == 3
    assert not any(line.get("product") == "ETH-USD" for line in ledger.extract(DAY))


def test_reread_sees_what_another_process_wrote(tmp_path: Path) -> None:
    """The launcher after the kernel."""
    ledger = pinned(tmp_path)
    kernel = again(ledger)
    kernel.mark(DAY, "effects_complete")
    kernel.close()

    assert not ledger.state.has_mark(DAY, "effects_complete")
    assert ledger.reread().state.has_mark(DAY, "effects_complete")
