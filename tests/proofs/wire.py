"""The wire: what a story puts between a process and the exchange's own answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.proofs.stage import Stage

Respond = Callable[[str, str, Any, Any], Any]


class Wire:
    """
    The way to the exchange that a stage has now.

    Attributes
    ----------
    respond : callable
        The exchange's own answer to (method, path, query, body).
    """

    def __init__(self, stage: Stage) -> None:
        self._engine = stage.exchange.engine
        self.respond: Respond = self._engine.respond

    def put(self, responded: Respond) -> None:
        """Let another function answer, until `restore` or until the stage is put back."""
        self._engine.respond = responded  # type: ignore[assignment, method-assign]

    def restore(self) -> None:
        self.put(self.respond)


def once_after(stage: Stage, ending: str, deed: Callable[[], None]) -> None:
    """Do something when the first request to such a path was acted on, before it is answered."""
    wire = Wire(stage)

    def responded(method: str, path: str, query: Any, body: Any) -> Any:
        reply = wire.respond(method, path, query, body)
        if path.endswith(ending):
            wire.restore()
            deed()
        return reply

    wire.put(responded)
