"""
Answers: what is said to one question about a result, and why.

Part of research (judgement -> *answer* -> terminal, page, summary).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """
    The answer to one question about a sweep.

    Attributes
    ----------
    question : str
    passed : bool or None
        None if it cannot be said.
    doubts : tuple of str
        Sentences; empty when it passed.
    enough : str
        What would have changed the answer; empty when it passed.
    """

    question: str
    passed: bool | None
    doubts: tuple[str, ...]
    enough: str

    @property
    def lines(self) -> list[str]:
        """The answer as lines for a person: the question answered, the doubts, what would do."""
        word = {True: "yes", False: "no", None: "cannot be said"}[self.passed]
        enough = [f"It would take: {self.enough}"] if self.enough else []
        return [f"{self.question} {word}", *self.doubts, *enough]
