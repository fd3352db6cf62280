"""``python -m tf_lib``: the command line."""

from tf_lib.drivers.cli import main

main()
