"""Progress of long commands: on a terminal one line, elsewhere a line now and then, time left."""

from __future__ import annotations

import io

import pytest

from tf_lib.app.commands.research.progress import Progress


class Screen(io.StringIO):
    """Something to write on that is a terminal, or is not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def shown(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, seconds: int) -> str:
    """Return what a work of 100 days shows that takes so many seconds."""
    screen, clock = Screen(is_terminal=is_terminal), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("sys.stderr", screen)
    tell = Progress("lookahead", "days")
    for day in range(1, 101):
        clock[0] = day * seconds / 100
        tell(day, 100)
    return screen.getvalue()


def test_a_terminal_sees_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written over, with the time that is left, and ended once."""
    said = shown(monkeypatch, is_terminal=True, seconds=200)
    lines = said.split("\r")

    assert said.count("\n") == 1
    assert len(lines) == 100
    assert lines[49].rstrip() == "lookahead: 50 of 100 days, 0.5 a second, about 1 min 40 s left"
    assert "left" not in lines[-1]


def test_a_file_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes are four lines, not eighty-five."""
    lines = shown(monkeypatch, is_terminal=False, seconds=125).splitlines()

    assert len(lines) == 5
    assert "about 1 min 35 s left" in lines[0]
    assert lines[-1].startswith("lookahead: 100 of 100 days")


def test_a_quick_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than a second."""
    assert shown(monkeypatch, is_terminal=True, seconds=0) == ""
