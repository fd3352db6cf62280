"""
The app: the daily run and the command line; each rule that they use lies below.

    launch/    from the start of a process to its end: gate, notebook, rescue, finish
    daily/     the steps of a day, and what they hold
    record/    what a run writes down of itself
    commands/  one module a command
"""

from tf_lib.public_list import offered

__all__, __getattr__ = offered(__name__, "cli: main")
