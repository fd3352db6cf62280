"""The launcher of a daily run, gate to finish; it starts the notebook in a process of its own."""
