"""
Somebody wants out, or a pause: the command is killed at every point of it, and found again.

By the machinery of the crash matrix (`tests.proofs.crash`): points are read off an undisturbed
call, each is crossed with what the world does meanwhile and with who comes: the same command again,
a guard, the day's own run, the run of the next day. The oracle judges, and what was reached:
nothing is sold twice, nothing that is not ours, nothing is without its stop unless it was sold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tests.oracle.exchange_state import rules_of
from tests.proofs.crash import Play, Scene, points_of
from tests.proofs.stage import Ended, Stage

FLATTEN = ("flatten", "--all", "--yes")
RECOVERIES_OF_FLATTEN = ("again", "guard", "rerun", "next_day")
THEIRS = Decimal(500)
FLAT_SCENES = {
    "flatten": FLATTEN,
    "flatten after the run": FLATTEN,
    "flatten after a crash": FLATTEN,
    "flatten beside others": FLATTEN,
    "pause": ("pause",),
    "resume": ("resume",),
}


def flat_scene(stage: Stage, busy: Scene, name: str) -> Scene:
    """Return a scene before a busy day's run, after it, after its crash, or with foreign coins."""
    stage.put_back(busy.eve)
    moved: list[tuple[str, Decimal, dt.datetime]] = []
    if name == "flatten after the run":
        _must(stage.run())
    elif name == "flatten after a crash":
        orders = [point for point in busy.points["still"] if point.what == "POST /orders"]
        stage.run(kill={"number": orders[1].number, "moment": "after", "power": False})
        stage.wait(5)
    elif name == "flatten beside others":
        base = stage.held().held_products[0].split("-")[0]
        stage.exchange.deposit(base, THEIRS)
        moved.append((base, THEIRS, stage.exchange.now()))
        # Whoever looks first covers and locks what came from nowhere.
        stage.guard()
    elif name == "resume":
        _must(stage.call("pause"))
    eve, command = stage.keep(f"eve-{name}"), FLAT_SCENES[name]
    return Scene(
        name,
        busy.day,
        eve,
        points_of(stage, eve, command),
        busy.backups,
        command=command,
        recoveries=RECOVERIES_OF_FLATTEN,
        moved=tuple(moved),
    )


def _must(ended: Ended) -> None:
    assert ended.code == 0, ended.said


@dataclass
class FlatPlay(Play):
    """One case of a flatten or a pause."""

    ended: Ended | None = None

    def _recover(self) -> list[str]:
        if self.case.recovery != "again":
            return super()._recover()
        if self.case.second:
            self._kill_again()
        self.ended = self._call(*self.scene.command)
        return self._must_end(self.ended)

    def _quiet(self) -> list[str]:
        return [*super()._quiet(), *self._reached()]

    def _reached(self) -> Iterator[str]:
        """Yield what a flatten that was called again did not reach, and whether theirs was sold."""
        if self.scene.command[0] != "flatten":
            return
        exchange, is_calm = self.stage.held(), self.case.world in ("still", "lag")
        theirs = {name: amount for name, amount, _ in self.scene.moved}
        left = []
        for product in exchange.held_products:
            rules = rules_of(self.stage.product(product))
            last = Decimal(self.stage.product(product)["price"])
            foreign = theirs.get(product.split("-")[0], Decimal(0))
            if not rules.is_dust(exchange.held(product) - foreign, last):
                left.append(f"{product} {exchange.held(product)}")
        if is_calm and any(exchange.held(f"{name}-USD") < n for name, n in theirs.items()):
            yield f"theirs: {theirs} are not ours and are gone"
        if self.ended is None:
            return
        if self.ended.code == 0 and left:
            yield f"not_flat: exit 0 and still held: {left}"
        if self.ended.code != 0 and self.case.world != "partial":
            yield f"not_flat: exit {self.ended.code}: {self.ended.said[-400:]}"
