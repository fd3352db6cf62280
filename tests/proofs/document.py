"""docs/proofs.md, written from the results that the proofs left on disk."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.proofs import leaks, planted, scenarios
from tests.proofs.fork_server import PROJECT
from tests.proofs.result import Result
from tests.proofs.soak import CPU_OF_A_QUIET_DAY, DAYS

CPU_MS_AIMED_AT = 50
DOCUMENT = PROJECT / "docs" / "proofs.md"
WHAT = {
    "crash": (
        "Killed and found again",
        "The runner's steps run without a notebook in a forked process, over real TLS against the "
        "simulated exchange, and the process is ended by SIGKILL. The points are read off an "
        "undisturbed run: every request, every line of the ledger and every rename of two busy "
        "days; a changing request may still arrive later, a line may be cut in half. In power-loss "
        "mode every file is cut to its last flush and half a line, and renames that nobody flushed "
        "are undone. Meanwhile the world stands still, lags, or lets a price jump between stop and "
        "limit, below the limit, or fill a stop in part. A rerun, a guard 14 minutes later, or the "
        "next day's run finds what is left. A seeded part of all cases is run; every kind of "
        "point, moment and world has its share. The account is a dirty one: a wallet below zero, "
        "one without a hold, a second one of the quote currency, a vault, a deleted account that "
        "shows a balance, orders and fills from years ago that cannot be read.",
    ),
    "wall": (
        "Killed and found again by the wall clock",
        "The same two days and the same oracle with `exchange.clock: wall`, the only way in live: "
        "the machine's clock is right, up to 4.9 s ahead or 4 s behind, drifts by 2 %, or is set "
        "by seconds in mid-run, and answers are 10 to 500 ms late. `Date` has whole seconds, "
        "tokens are judged by the exchange's time, and to sleep lets the exchange go on. The "
        "points are read off again on each machine. Beside the rerun, the guard and the next day "
        "there are starts at 00:02 to 00:11 with the gate of five minutes, one for each minute "
        "that the lines of `tf cron` have left, and a next day that finds records one to eight "
        "days old; half of the next days begin a second after the machine's midnight. No line of "
        "the ledger may be dated before the one above it.",
    ),
    "flatten": (
        "Killed while getting out, or pausing",
        "`tf flatten --all` before the busy day's run, after it, after a crash of it, and beside "
        "coins that are not ours; `tf pause` and `tf resume`. Killed at every request, ledger line "
        "and rename as above, some twice; the same command again, a guard, the day's own run or "
        "the next day's find what is left. Beside the oracle: nothing is sold twice, nothing that "
        "is not ours is sold, what the same command leaves is sold or said, and from the line of "
        "the pause on no entry, addition or trim is sent.",
    ),
    "papermill": (
        "Through papermill",
        "The whole run with its notebook, as cron starts it. When a changing request of the busy "
        "day arrives, before or after it is answered: the kernel, the runner or both are killed, "
        "the runner is terminated or interrupted, the machine sleeps for twenty minutes or past "
        "midnight, or the kernel hangs until a guard ends the run past its deadline. Exit code, "
        "record, no process left, no lock held, and the oracle.",
    ),
    "hardships": (
        "Faults of machine, key and network",
        "A disk with so much space left and one that cannot be written, spoilt cache, ledger and "
        "epoch, a key the exchange does not know or that expires, 429 to everything, an exchange "
        "or a line that is down from some call on. A guard looks in the middle of it and after it, "
        "and the next day runs as ever. (Mail that cannot be sent: `tests/app/test_mail.py`.)",
    ),
    "by-hand": (
        "Notebooks by hand",
        "The day was killed before its first order, so a frozen plan waits and the exchange is "
        "there. Then notebooks are executed in every way there is, with tokens that were made for "
        "somebody else. The exchange's log holds no changing request, the ledger no new line.",
    ),
    "answers": (
        "Wrong answers",
        "Every fault at every call of a busy day: connections cut before and after the exchange "
        "acted, errors of all classes with JSON, HTML or nothing in them, fields missing or "
        "nonsense, paging that loops, candles missing or doubled, a clock that is off. A seeded "
        "part is run.",
    ),
    "scenarios": (
        "Days that tell a story",
        "Each is told from the same evening; the oracle judges it, and so do the story's own "
        "expectations.",
    ),
    "teeth": (
        "Planted faults",
        "Each breaks one rule of execution in the process that trades. It counts as caught only by "
        "a finding of the kind that it causes, and the same case finds nothing without it.",
    ),
    "leaks": (
        "Planted leaks",
        "Each lets something know the future: a candle as it is read, a window, the universe, a "
        "fill, a stop, cash, a statistic. `tf lookahead` has to end with exit 1 and name the "
        "column, and with exit 0 without it. The market has three tickers and 120 days, with "
        "holes, a jump that is confirmed later and an early end.",
    ),
    "cron": (
        "Cron",
        "The runner's own gate, every day of 2026 and 2027, with the lines that `tf cron` prints "
        "for the zone, fired by a cron that skips a missing minute and by one that makes up for "
        "it. Ledger, lock and clock are stood in for.",
    ),
    "soak": (
        "Soak",
        "Days in a row on markets of their own, fifty days each. One day in three is disturbed: "
        "killed (some with the power, some twice), wrong answers by a coin, lags, jumps through "
        "stops, a person who cancels, sells or deposits, and the dirt of real accounts: rewards "
        "from nowhere, books without a bid, 503 in the first minutes of the day, a refused stop, "
        "holds that come back up to two minutes late, records restored from a backup of up to "
        "eight days. Every third world lives by the wall clock of a machine that is ahead, behind, "
        "drifting or set in mid-run.",
    ),
}
ORACLE = """\
After each case lags have drained and a guard has looked once more. The oracle imports nothing of
`tf_lib`; it reads the exchange's SQLite file, the ledger's bytes and the exchange's request log.
It finds: anything above dust under no live, untriggered stop; more stops than units, or two of one
slot; own live orders that protect nothing, and orders without an earlier intent; more traded than
planned; a buy in a cooldown; a stop below an earlier one without a reason; ledger lines lost that
were durable; ledger and exchange that disagree; done marks without effects; unprotected time
beyond what was reported; money that does not add up; ids that are not what they hash; orders of a
plan that is too old; buys sent twice; orders of others cancelled; a clamp remembered; a day that
wanted something that was neither done nor said, that is called done while something stood in its
way, or that ends with exit 0 and an exit not made; an entry, addition or trim that is sent in a
pause, and a flatten that sells beyond its plan; and one more guard that sends anything.
"""
NOT_PROVEN = """\
- The real exchange. It is stood in for by the simulated one; where that differs or guesses is in
  [simulator.md](simulator.md).
- The crash matrix runs the steps without a notebook; through papermill there are dozens of cases
  and not thousands.
- Power loss is played on files that the process wrote, by what it had flushed; it is no test of a
  disk or of a file system.
- The cron matrix has no real cron daemon in it.
- Two machines with two clocks and one account: the lock is on one machine. What another machine
  did is found and adopted; that both act in the same second is not excluded.
- Cases are seeded parts of all cases where the table says so.
"""


def write_document(results: Path) -> Path:
    """Write the document and return its path."""
    found = {}
    for name in WHAT:
        path = results / f"{name}.json"
        if path.exists():
            found[name] = Result.read(path)
    DOCUMENT.write_text("\n".join(_lines(found)) + "\n", encoding="utf-8")
    return DOCUMENT


def _lines(found: Mapping[str, Result]) -> Iterator[str]:
    yield "# What is proven of execution, and what is not"
    yield ""
    yield "Written by `scripts/prove.sh` from its own results; not edited by hand."
    yield "`scripts/prove.sh --sample` runs a seeded part of every proof within a minute."
    yield ""
    yield "| proof | cases | failures | longest unprotected | minutes | commit |"
    yield "|---|--:|--:|--:|--:|---|"
    for name in WHAT:
        result = found.get(name)
        if result is None:
            yield f"| {WHAT[name][0]} | not run | | | | |"
            continue
        bare = f"{result.worst_bare_seconds:,.0f} s" if result.worst_bare_seconds else ""
        yield (
            f"| {WHAT[name][0]} | {result.cases:,} | {len(result.failures)} | {bare} "
            f"| {result.seconds / 60:.1f} | {result.commit} |"
        )
    yield ""
    yield "Unprotected time is in the exchange's seconds, by its own record. It is long where a"
    yield "case leaves a position without a stop: a guard that comes after 14 minutes, a laptop"
    yield "that sleeps, a gap below a stop. A line holds for the code of its commit, not for what"
    yield "was changed since; `git diff --stat COMMIT -- tf_lib` says what that is. A proof that is"
    yield "not run holds for no code."
    yield ""
    yield "## The oracle"
    yield ""
    yield ORACLE.rstrip()
    for name in WHAT:
        if name in found:
            yield from _section(name, found[name])
    yield ""
    yield "## Not proven"
    yield ""
    yield NOT_PROVEN.rstrip()
    yield from _short_of_the_aim(found.get("soak"))


def _short_of_the_aim(soak: Result | None) -> Iterator[str]:
    """Yield what the soak did not reach."""
    if soak is None:
        return
    if soak.cases < DAYS:
        yield f"- The soak is {soak.cases:,} days long so far; {DAYS:,} are aimed at."
    cpu = soak.figures[CPU_OF_A_QUIET_DAY]
    if cpu > CPU_MS_AIMED_AT:
        yield f"- A quiet day without its notebook took {cpu:.0f} ms of CPU on the machine that ran"
        yield f"  this, which others used as well; {CPU_MS_AIMED_AT} are aimed at. Sixteen requests"
        yield "  over TLS, six tables as parquet and four tickers' candles are most of it."


def _section(name: str, result: Result) -> Iterator[str]:
    title, what = WHAT[name]
    yield ""
    yield f"## {title}"
    yield ""
    yield from textwrap.wrap(what, 100, break_on_hyphens=False)
    yield ""
    said = result.line().partition(": ")[2]
    yield said[0].upper() + said[1:] + "."
    if name == "scenarios":
        yield ""
        for story in result.figures["stories"]:
            yield f"- `{story}`: {_first_line(scenarios.STORIES[story].__doc__, story)}"
    elif name == "teeth":
        yield ""
        yield "| planted | what it breaks | caught by |"
        yield "|---|---|---|"
        for fault, finding in sorted(result.caught.items()):
            kind = finding.split(":")[0]
            broken = _first_line(planted.FAULTS[fault].__doc__, fault)
            yield f"| `{fault}` | {broken} | `{kind}` |"
    elif name == "leaks":
        yield ""
        yield "| planted | what it does | found as |"
        yield "|---|---|---|"
        for leak, finding in sorted(result.caught.items()):
            column = finding.split(": first on")[0]
            yield f"| `{leak}` | {leaks.LEAKS[leak].what.rstrip('.')} | `{column}` |"
    else:
        yield ""
        for key, value in result.figures.items():
            yield f"- {key.replace('_', ' ')}: {_told(value)}"
    for failure in result.failures:
        yield f"- **found**: {failure}"


def _first_line(text: str | None, name: str) -> str:
    if not text:
        return name.replace("_", " ")
    return text.strip().split("\n")[0].rstrip(".").replace("|", "/")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else json.dumps(value)
