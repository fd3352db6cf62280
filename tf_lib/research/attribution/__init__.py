"""Attribution: live days beside their backtests, and what made the difference."""
