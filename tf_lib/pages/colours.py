"""Colours of the charts: those of Okabe and Ito, which stay apart for colour-blind readers."""

from __future__ import annotations

INK, GREY, PALE, GRID = "#222222", "#6b6b6b", "#c8c8c8", "#e8e8e8"
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
SKY, PURPLE = "#56b4e9", "#cc79a7"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
"""In the order in which the series of one chart take them."""
