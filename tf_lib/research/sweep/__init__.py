"""Sweeps: grids of settings, computed by workers, kept in files."""
