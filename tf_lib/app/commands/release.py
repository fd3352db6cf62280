"""The ``release`` command: a locked holding is accepted as it is now."""

from __future__ import annotations

from tf_lib.app.launch.cover import opened
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.exchange.clock import wall_now
from tf_lib.safety.lock import state_lock
from tf_lib.store.ledger import LEDGER_FILE, Ledger


def release_command(
    product: str | None, options: ProfileOptions, *, everything: bool = False
) -> int:
    """Accept the holding of one product, or of every locked one, as it is now."""
    if (product is None) != everything:
        raise ParameterError("name one locked product, or give --all: tf release PRODUCT | --all")
    folder = opened(options)[2]
    with state_lock(folder.state, kind="release"):
        ledger = Ledger(folder.state / LEDGER_FILE, wall_now)
        locked = dict(ledger.state.locked)
        if product is not None and product not in locked:
            known = ", ".join(sorted(locked)) or "none"
            raise ParameterError(f"{product} is not locked; locked products: {known}")
        for name in sorted(locked) if product is None else [product]:
            ledger.append("released", product=name)
            print(f"{name} released; it was locked because: {locked[name]}")
        ledger.close()
    if not locked:
        print("no product is locked")
    return EXIT_DONE
