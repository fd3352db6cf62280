"""Costs: what fee, what slippage and how much money a backtest would bear."""
