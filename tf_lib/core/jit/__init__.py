"""Compiled code: arrays and kernels, and where compiled kernels are kept."""
