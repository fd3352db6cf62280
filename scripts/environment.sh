#!/usr/bin/env bash
# Sourced by the commands of this folder that check: goes to the project's root,
# which is $root from then on, and does the set-up; ends the command where one
# of them fails. bash 3.2.

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
cd "$root" || exit 1
bash scripts/setup.sh || exit 1

# Checks speak for themselves alone: no bytecode setting, path or profile of the caller.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONWARNINGS
export PYTHONPATH="$root"
