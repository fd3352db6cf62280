"""
All proofs of execution: ``scripts/prove.sh`` calls this.

The last line sums up; the exit code is 0 only if everything that was asked for holds.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import fields, replace

from tests.proofs.proofs import BUILD, PROOFS, SAMPLE, Amount, prove
from tests.proofs.result import Result


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/prove.sh", description=__doc__)
    parser.add_argument("--sample", action="store_true", help="a seeded part, within 50 seconds")
    parser.add_argument("--only", choices=sorted(PROOFS), action="append", help="one proof")
    parser.add_argument("--crash-cases", type=int, help="how many cases of the crash matrix")
    parser.add_argument("--second-kills", type=int, help="how many more whose recovery is killed")
    parser.add_argument("--wall-cases", type=int, help="how many cases by the wall clock")
    parser.add_argument("--flatten-cases", type=int, help="how many cases of flatten and pause")
    parser.add_argument("--seed", type=int, help="another part of the matrices")
    parser.add_argument("--minutes", type=float, help="begin no case of a proof after so long")
    parser.add_argument("--wrong-answers", type=int, help="how many cases of the fault matrix")
    parser.add_argument("--soak-days", type=int, help="how many days the soak lasts")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="write docs/proofs.md from the results on disk; a full run does so by itself",
    )
    asked = parser.parse_args()
    began = time.monotonic()
    amount = SAMPLE if asked.sample else Amount()
    amounts = {one.name for one in fields(Amount)}
    wanted = {k: v for k, v in vars(asked).items() if k in amounts and v is not None}
    amount = replace(amount, **wanted)
    results = []
    for result in prove(asked.only or list(PROOFS), amount, into=None if asked.sample else BUILD):
        print("\n  ".join([result.line(), *result.failures[:20]]), flush=True)
        results.append(result)
    if asked.write_docs or not (asked.sample or asked.only):
        from tests.proofs.document import write_document

        print(f"wrote {write_document(BUILD)}")
    print(sum_up(results, time.monotonic() - began))
    return 0 if all(result.holds for result in results) else 1


def sum_up(results: list[Result], seconds: float) -> str:
    """Return the one line that a person reads first."""
    failures = sum(len(result.failures) for result in results)
    caught = sum(len(result.caught) for result in results)
    planted = sum(result.planted for result in results)
    verdict = "ALL PROOFS HOLD" if all(result.holds for result in results) else "NOT PROVEN"
    worst = max((r.worst_bare_seconds for r in results), default=0.0)
    return (
        f"{verdict}: {sum(r.cases for r in results)} cases, {failures} failures, longest "
        f"unprotected {worst:.1f} s, planted faults caught {caught}/{planted}, {seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
