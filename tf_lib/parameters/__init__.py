"""
Parameters: one strict schema for the strategy and its profiles.

A file is YAML; ``extends`` names a base file, maps merge, lists and ``universe.sleeves``
replace whole.
"""

from tf_lib.parameters.loading import (
    config_from_mapping,
    config_with_sources,
    flat,
    load_config,
)
from tf_lib.parameters.sections import (
    Config,
    ExchangeSection,
    ExecutionSection,
    MovingAverage,
    RiskSection,
    StopsSection,
    UniverseSection,
)

__all__ = [
    "Config",
    "ExchangeSection",
    "ExecutionSection",
    "MovingAverage",
    "RiskSection",
    "StopsSection",
    "UniverseSection",
    "config_from_mapping",
    "config_with_sources",
    "flat",
    "load_config",
]
