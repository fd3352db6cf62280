"""Progress on stderr: how far a long command is and how long it will go on."""

from __future__ import annotations

import sys
import time

_QUIET_SECONDS = 1.0
_TERMINAL_SECONDS = 1.0
_WIDTH = 78


class Progress:
    """
    One line that tells how far it is; a quick command says nothing.

    On a terminal the line is written over every second, elsewhere a new one comes now and then.

    Parameters
    ----------
    what : str
        What is counted, as it begins the line.
    unit : str
        Of what is counted.
    line_seconds : float
        Between two lines where there is no terminal.
    """

    def __init__(self, what: str, unit: str, *, line_seconds: float = 30.0) -> None:
        self._what, self._unit, self._line_seconds = what, unit, line_seconds
        self._began = self._said = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Tell how far it is, at most now and then; `note` is one more thing to say."""
        now = time.monotonic()
        # What was done before, and the time until the first result, say nothing of the rate.
        self._first = first = self._first or (now, done)
        is_terminal = sys.stderr.isatty()
        wait = _TERMINAL_SECONDS if is_terminal else self._line_seconds
        is_over = done >= total
        if now - self._began < _QUIET_SECONDS or (now - self._said < wait and not is_over):
            return
        self._said = now
        text = f"{self._what}: {done} of {total} {self._unit}{note}"
        text += _rate(now - first[0], done - first[1], total - done)
        end = "\r" if is_terminal and not is_over else "\n"
        print(f"{text:<{_WIDTH}}", file=sys.stderr, end=end, flush=True)


def _rate(seconds: float, n_done: int, n_left: int) -> str:
    if seconds <= 0 or n_done <= 0:
        return ""
    rate = n_done / seconds
    said = f"{rate:.0f}" if rate >= 10 else f"{rate:.1g}"
    return f", {said} a second" + (f", about {span(n_left / rate)} left" if n_left > 0 else "")


def span(seconds: float) -> str:
    """
    Return a time in words.

    Examples
    --------
    >>> span(7.4), span(200), span(7300)
    ('7 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
