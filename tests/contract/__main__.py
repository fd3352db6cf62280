"""``python -m tests.contract --key-file F``: ask the real exchange with a view-only key."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.contract.asking import REAL_HOST, Asker, Fact, Finding, read_facts

FACTS = Path(__file__).with_name("facts.yaml")


def main() -> int:
    """Ask every harmless fact, print what differs; 1 if something does."""
    words = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    words.add_argument("--key-file", type=Path, required=True)
    words.add_argument("--base-url", default=REAL_HOST)
    words.add_argument("--ca-file", type=Path)
    given = words.parse_args()
    asker = Asker(given.base_url, given.key_file, ca_file=given.ca_file)
    try:
        refusal = why_not(asker)
        if refusal:
            print(refusal)
            return 2
        asker.learn()
        return report(asker, [fact for fact in read_facts(FACTS) if fact.is_harmless])
    finally:
        asker.close()


def why_not(asker: Asker) -> str:
    """Say why this key is not used: it may do more than look."""
    rights = asker.rights
    if rights["can_trade"] or rights["can_transfer"]:
        return "this key may trade or transfer; make one that may only view"
    return ""


def report(asker: Asker, facts: list[Fact]) -> int:
    """Print one line a fact, what differs below it, and the open questions with their answers."""
    found = [asker.ask(fact) for fact in facts]
    differ = 0
    for fact, finding in zip(facts, found, strict=True):
        differ += _print(fact, finding)
    print(f"\n{differ} of {len(facts)} differ")
    for finding in found:
        if finding is not None and finding.fact.question is not None:
            fact = finding.fact
            shown = "not as simulated" if finding.faults else "as simulated"
            print(f"question {fact.question}: {fact.says}")
            print(f"    {fact.name}: {fact.record} = {finding.recorded!r:.200} ({shown})")
    return 1 if differ else 0


def _print(fact: Fact, finding: Finding | None) -> int:
    if finding is None:
        print(f"skipped  {fact.name} (this account has nothing to ask it with)")
        return 0
    print(f"{'DIFFERS' if finding.faults else 'as said'}  {fact.name}")
    for line in finding.faults:
        print(f"         {line}")
    if finding.news:
        print(f"         new: {', '.join(finding.news)}")
    return 1 if finding.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
