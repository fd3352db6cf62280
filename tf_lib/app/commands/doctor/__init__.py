"""Doctor: what could keep the daily run from doing its work, checked one by one."""
