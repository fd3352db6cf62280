"""Charts draw on every kind of day, say what they show, and stay small."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from PIL import Image

from tests.core import custom
from tests.core.build import market, random_candles
from tests.pages.day import PageDay, order_row, page_day, stop_row, trending
from tf_lib.core.signals.columns import Columns
from tf_lib.pages.day import charts, focus
from tf_lib.pages.style import WIDTH, date_ticks

SMALL_BYTES = 120_000


def all_charts(day: PageDay, **rows: object) -> list[charts.Chart]:
    """Every chart of the daily page."""
    stops = [stop_row("AAA-USD"), stop_row("BBB-USD", status="failed", resting_level=None)]
    return [
        charts.weights(day.decision),
        *charts.prices(day.decision, day.bars, stop_rows=stops, fills=[order_row("AAA-USD")]),
        charts.signal_components(day.decision),
        charts.filters(day.decision),
        charts.sleeve_risk(day.decision),
        charts.volatility(day.decision),
        charts.stops(stops, bare_seconds={"AAA-USD": 2.5}),
        charts.correlation(day.decision),
    ]


def cut(ticker: str, rows: slice) -> PageDay:
    """A day on which a ticker's candles are only these rows."""
    return page_day({**market(), ticker: market()[ticker].iloc[rows]})


def never_moving() -> PageDay:
    """A day on which one ticker's price has been the same for ever."""
    frame = market()["BBB-USD"].copy()
    frame[["open", "high", "low", "close"]] = 1e-6
    return page_day({**market(), "BBB-USD": frame})


ODD_DAYS: dict[str, Callable[[], PageDay]] = {
    "no signal": lambda: page_day({ticker: trending(growth=-1.5) for ticker in market()}),
    "listed late": lambda: cut("DDD-USD", slice(-40, None)),
    "never listed": lambda: cut("DDD-USD", slice(0, 0)),
    "no bar of yesterday": lambda: cut("CCC-USD", slice(0, -1)),
    "a price that never moves": never_moving,
    "ten days": lambda: page_day({t: random_candles(3, 10) for t in market()}, warmup_days=1),
    "no money": lambda: page_day(market(), cash=0.0),
}


def test_every_chart_of_an_ordinary_day_is_a_small_picture(day: PageDay) -> None:
    """A picture costs tens of kilobytes, so that a page of 25 stays below 2 MB."""
    for chart in all_charts(day):
        png = chart.png()

        assert Image.open(io.BytesIO(png)).format == "PNG"
        assert len(png) < SMALL_BYTES, chart.alt


@pytest.mark.parametrize("name", ODD_DAYS)
def test_charts_draw_on_odd_days(name: str) -> None:
    """Nothing to show is shown as such; warnings are errors here."""
    for chart in all_charts(ODD_DAYS[name]()):
        assert chart.png()
        assert "nan" not in chart.alt.lower()


def test_a_day_has_at_most_25_figures(monkeypatch: pytest.MonkeyPatch, day: PageDay) -> None:
    """Only so many tickers are large; the rest share one figure."""
    few = len(all_charts(day)) - len(charts.in_focus(day.decision))
    assert few + focus.MOST_LARGE <= 25

    monkeypatch.setattr(focus, "MOST_LARGE", 1)
    drawn = charts.prices(day.decision, day.bars)
    assert [chart.alt.split(":")[0] for chart in drawn[:-1]] == ["BBB-USD"]
    assert drawn[-1].alt.startswith("3 tickers")


def test_focus_is_on_what_is_held_or_wanted(day: PageDay) -> None:
    """AAA-USD trends and is held, BBB-USD is held, and more of it."""
    large = charts.in_focus(day.decision)

    assert {"AAA-USD", "BBB-USD"} <= set(large)
    assert charts.largest(day.decision) == "BBB-USD"


def test_a_price_chart_says_what_was_decided(day: PageDay) -> None:
    """The title is the reason in words, the note the numbers; the fill and the stop are drawn."""
    chart = charts.price_chart(
        day.decision, day.bars, "AAA-USD", stops=[stop_row("AAA-USD")], fills=[order_row("AAA-USD")]
    )
    (axes,) = chart.axes
    labels = axes.get_legend_handles_labels()[1]

    assert chart.alt.startswith("AAA-USD: ")
    assert "USD held before the trades" in chart.alt
    assert {"close", "Donchian", "chandelier stop", "resting stop", "bought", "signal"} <= set(
        labels
    )
    assert axes.get_ylabel() == "price, USD"


def test_fills_of_other_tickers_and_unfilled_orders_are_not_drawn(day: PageDay) -> None:
    """A marker stands only where this ticker was traded."""
    fills = [order_row("BBB-USD"), order_row("AAA-USD", status="refused")]
    chart = charts.price_chart(day.decision, day.bars, "AAA-USD", fills=fills)

    assert "bought" not in chart.axes[0].get_legend_handles_labels()[1]


def test_prices_stand_at_the_day_of_their_bar(day: PageDay) -> None:
    """Row D holds the bar of D - 1, and that is where a reader looks for it."""
    chart = charts.price_chart(day.decision, day.bars, "AAA-USD")
    (close,) = [line for line in chart.axes[0].lines if line.get_label() == "close"]
    last_day = np.datetime64(day.decision.as_of, "D").astype(int) - 1

    assert float(np.asarray(close.get_xdata())[-1]) == last_day
    assert float(np.asarray(close.get_ydata())[-1]) == pytest.approx(day.bars.close[-1, 0])


def test_sleeve_bars_are_the_risk_shares(day: PageDay) -> None:
    """What is drawn is what sizing computed, in per cent."""
    chart = charts.sleeve_risk(day.decision)
    widths = [patch.get_width() for patch in chart.axes[0].patches]  # type: ignore[attr-defined]

    assert widths == pytest.approx(100 * np.nan_to_num(day.decision.sizing.risk_share))


def test_volatility_is_shown_a_year(day: PageDay) -> None:
    """Target 80 % a year, whatever a day has."""
    chart = charts.volatility(day.decision)

    assert "target 80 %" in chart.alt


def test_stops_chart_names_the_bare_position() -> None:
    """A failed stop is said first, and in words."""
    rows = [stop_row("AAA-USD"), stop_row("BBB-USD", status="failed")]

    assert charts.stops(rows).alt == "BBB-USD: NOT under a stop of the right size"
    assert charts.stops(rows[:1]).alt.endswith("is under its stop, 10.0 % below the price")
    unknown = stop_row("CCC-USD", reason="holding unknown, stops left as they are: no row")
    assert charts.stops([unknown]).alt == "CCC-USD: the holding is not known"
    assert charts.stops([]).alt == "Nothing is held, so no stop is needed"


def test_dust_and_sold_positions_need_no_stop() -> None:
    """Rows about nothing are no positions."""
    rows = [
        stop_row("AAA-USD", reason="dust", covered="0"),
        stop_row("BBB-USD", reason="nothing held", held="0"),
        stop_row("CCC-USD", status="placed", reason="market exit: below its limit", held="0"),
    ]

    assert charts.stops(rows).alt == "Nothing is held, so no stop is needed"


def test_faint_signals_are_called_faint(day: PageDay) -> None:
    """The sizing has no scale: a day that trades on next to nothing must say so."""
    faint = dict(day.decision.signals.values)
    faint["final_signal"] = np.where(faint["final_signal"] > 0, 0.0004, 0.0)
    signals = dataclasses.replace(day.decision.signals, values=cast(Columns, faint))
    chart = charts.signal_components(dataclasses.replace(day.decision, signals=signals))

    assert "all are faint" in chart.alt


def test_a_component_of_ones_own_is_drawn_beside_the_others() -> None:
    """Under the label that its parameters give it."""
    own = custom.of("return panel.close * 0.0 + 0.25", label="my own rank")
    chart = charts.signal_components(page_day(custom=own).decision)
    labels = [text.get_text() for text in chart.legends[0].get_texts()]

    assert labels[1:] == ["ribbon rank", "Donchian rank", "my own rank", "blend"]


def test_a_chart_shows_itself_with_its_alternative_text(day: PageDay) -> None:
    """A notebook gets the picture, and the title for those who cannot see it."""
    chart = charts.volatility(day.decision)
    data, metadata = chart._repr_mimebundle_()

    assert set(data) == {"image/png", "text/plain"}
    assert metadata["image/png"]["alt"] == chart.alt == repr(chart)


def test_a_long_title_is_wrapped_within_the_picture(day: PageDay) -> None:
    """No text may leave the figure at its right edge."""
    for chart in all_charts(day):
        chart.png()
        renderer = chart.canvas.get_renderer()  # type: ignore[attr-defined]
        widest = max(text.get_window_extent(renderer).x1 for text in chart.texts)

        assert widest <= WIDTH * chart.dpi, chart.alt


def test_legends_stay_within_the_picture(day: PageDay) -> None:
    """The fullest legend is that of a price chart with a stop and both kinds of fill."""
    fills = [order_row("AAA-USD"), order_row("AAA-USD", side="SELL")]
    chart = charts.price_chart(
        day.decision, day.bars, "AAA-USD", stops=[stop_row("AAA-USD")], fills=fills
    )
    chart.png()
    renderer = chart.canvas.get_renderer()  # type: ignore[attr-defined]
    legend = chart.axes[0].get_legend()

    assert legend is not None
    assert legend.get_window_extent(renderer).x1 <= WIDTH * chart.dpi


@pytest.mark.parametrize("days", [1, 3, 20, 45, 90, 200, 400, 2000, 6000])
@pytest.mark.parametrize("most", [4, 7])
def test_dates_are_few_and_in_order(days: int, most: int) -> None:
    """Any span gets one to `most` labels, none of them twice."""
    ticks, names = date_ticks(19_000, 19_000 + days, most=most)

    assert 1 <= len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert len(names) == len(ticks)


def test_others_settings_of_matplotlib_stay_as_they_are(day: PageDay) -> None:
    """The style is ours alone."""
    import matplotlib

    before = matplotlib.rcParams["font.size"]
    charts.volatility(day.decision).png()

    assert matplotlib.rcParams["font.size"] == before
