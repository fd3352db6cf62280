"""The same day again: by cron, by force, at the same instant, from another folder."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.app.profile import Profile, end_of, must_end, tree
from tests.app.venue import cut_ledger
from tests.oracle.exchange_state import dump
from tf_lib.safety.lock import portfolio_lock, state_lock

DAY = "2024-03-11"


def test_a_done_day_is_not_run_again(profile: Profile) -> None:
    """`already_ran`, exit 0, not one request, nothing of the day's folder touched."""
    profile.run(DAY)
    asked, before = profile.count_requests(), tree(profile.day(DAY))

    assert profile.run(DAY) == (0, f"already_ran day={DAY}\n")
    assert profile.count_requests() == asked
    assert tree(profile.day(DAY)) == before
    assert profile.beats()[-1]["event"] == "already_ran"


def test_forced_run_with_unchanged_prices_sends_nothing(profile: Profile) -> None:
    """A deliberate second plan; the first attempt's folder is kept under attempts/."""
    profile.run(DAY)
    first, sent = tree(profile.day(DAY)), profile.count_requests()

    must_end(profile.run(DAY, "--force-run"))

    assert profile.changed(after=sent) == []
    assert tree(profile.folder / "attempts" / f"{DAY}-1") == first
    assert profile.summary(DAY)["attempt"] == 2
    assert profile.summary(DAY)["run_id"] == f"{DAY}-2"
    assert profile.marks(DAY) == ["claimed", "effects_complete", "done"] * 2
    assert profile.wrong(DAY) == []


def test_a_day_whose_record_was_not_finished(profile: Profile) -> None:
    """Killed after its last effect and before the mark: nothing is sent, the record is made."""
    profile.run(DAY)
    cut_ledger(profile, before='"mark": "done"')
    (profile.day(DAY) / "done.json").unlink()
    sent = profile.count_requests()

    must_end(profile.run(DAY))

    assert profile.changed(after=sent) == []
    assert profile.marks(DAY) == ["claimed", "effects_complete", "claimed", "done"]
    assert (profile.day(DAY) / "done.json").exists()
    assert profile.wrong(DAY) == []


def test_two_runs_at_the_same_instant(profile: Profile) -> None:
    """One runs; the other ends with 4, or finds the day done, and sends nothing."""
    profile.run("2024-03-05")
    sent = profile.count_requests()
    both = [profile.start("run", "--date", DAY, "--no-notebook") for _ in range(2)]
    ends = [end_of(process) for process in both]
    codes = sorted(code for code, _ in ends)

    assert codes in ([0, 4], [0, 0]), ends
    if codes == [0, 4]:
        refused = next(said for code, said in ends if code == 4)
        assert "another process works on this portfolio: run with pid" in refused
        assert "Nothing was sent" in refused
    else:
        assert any(said == f"already_ran day={DAY}\n" for _, said in ends)
    assert profile.marks(DAY) == ["claimed", "effects_complete", "done"]
    bought = [o for o in profile.exchange().orders if o.leg == "en" and str(o.day) == DAY]
    assert len({o.product for o in bought}) == len(bought)
    assert profile.changed(after=sent)
    assert profile.wrong(DAY) == []


def test_a_run_while_another_one_works(profile: Profile) -> None:
    """Exit 4 with the holder's name; neither request nor folder."""
    with state_lock(profile.state, kind="run"):
        said = must_end(profile.run(DAY), 4)

    assert "run with pid" in said
    assert not profile.day(DAY).exists()
    assert not profile.request_log.exists()


def test_the_account_is_locked_from_whichever_folder(profile: Profile) -> None:
    """A copied folder of runs is the same portfolio, so its run is refused meanwhile."""
    profile.run("2024-03-05")
    twin = profile.copied(profile.runs.with_name("twin"))
    uuid, sent = profile.ledger()[0]["portfolio_uuid"], profile.count_requests()
    with portfolio_lock(uuid, kind="run"):
        said = must_end(twin.run(DAY), 4)

    assert f"{uuid}.lock" in said
    assert twin.marks(DAY) == []
    assert twin.changed(after=sent) == []


def test_a_guard_elsewhere_is_waited_for(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the same portfolio for a moment; a run would only have had to try later."""
    profile.run("2024-03-05")
    guard = portfolio_lock(profile.ledger()[0]["portfolio_uuid"], kind="guard").acquire()
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        guard.release()

    monkeypatch.setattr("tf_lib.safety.lock.time.sleep", sleep)
    must_end(profile.run(DAY))

    assert len(waited) == 1
    assert profile.marks(DAY)[-1] == "done"


def test_the_simulated_clock_does_not_go_back(profile: Profile) -> None:
    """An earlier --date is a usage error that says where the clock stands and what to do."""
    profile.run(DAY)
    exchange, before = dump(profile.state / "exchange.sqlite"), tree(profile.day(DAY))

    said = must_end(profile.run("2024-03-10"), 2)

    assert f"--date 2024-03-10: the simulated exchange is already at {DAY} 00:01 UTC" in said
    assert "another --runs folder" in said
    assert dump(profile.state / "exchange.sqlite") == exchange
    assert tree(profile.day(DAY)) == before
    assert not profile.day("2024-03-10").exists()


def test_a_skipped_week_does_no_harm(profile: Profile) -> None:
    """A laptop that slept: the next day runs, covers what is held and asks for what it missed."""
    profile.run("2024-03-05")

    must_end(profile.run("2024-03-12"))

    assert profile.wrong("2024-03-12") == []
    assert profile.summary("2024-03-12")["data_quality"]["problems"] == []


def test_without_a_date_the_demo_runs_for_today(profile: Profile) -> None:
    """What a newcomer's first command does."""
    before = dt.datetime.now(dt.UTC).date()
    code, said = profile.run()
    after = dt.datetime.now(dt.UTC).date()

    assert code == 0, said
    assert any(profile.day(day).exists() for day in (before, after))


@pytest.mark.parametrize("options", [("--run-at-utc-hour", "24"), ("--gate-minutes", "60")])
def test_gate_options_out_of_range(profile: Profile, options: tuple[str, str]) -> None:
    """Usage errors name the option and its range."""
    said = must_end(profile.run(DAY, *options), 2)

    assert options[0] in said
    assert not profile.folder.exists()
