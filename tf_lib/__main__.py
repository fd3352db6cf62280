"""``python -m tf_lib``: the command line."""

import os
import sys

# Python puts the folder it is started in before everything else, and a random.py there would be
# taken for Python's own. Under cron that folder is the home.
_HERE = os.path.realpath(os.getcwd()) if os.path.isdir(os.curdir) else ""
_OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if not sys.flags.safe_path and _HERE != _OURS:
    sys.path[:] = [each for each in sys.path if os.path.realpath(each or os.curdir) != _HERE]

from tf_lib.app.cli import main  # noqa: E402

main()
