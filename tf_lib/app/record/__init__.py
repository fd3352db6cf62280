"""The record of a day: what a run's folder and the ledger say of it, read from files alone."""
