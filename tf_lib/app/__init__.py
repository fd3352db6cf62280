"""Drivers: wiring only; every rule they use lives in `core` or `edge`."""
