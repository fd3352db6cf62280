"""Sizing: covariance, risk budgets, target weights and the gates before a trade."""
