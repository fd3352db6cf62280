"""One made-up day for all tests of the pages."""

from __future__ import annotations

import pytest

from tests.pages.day import PageDay, page_day


@pytest.fixture(scope="session")
def day() -> PageDay:
    """AAA-USD trends and is held, DDD-USD is listed late."""
    return page_day(positions={"AAA-USD": 20.0, "BBB-USD": 5.0})
