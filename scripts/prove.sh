#!/usr/bin/env bash
# Set-up, then the proofs of execution: crash matrix, scenario days, planted
# faults, wrong answers, cron matrix, soak. Hours on one core.
#
#   scripts/prove.sh                  everything, and docs/proofs.md from it
#   scripts/prove.sh --sample         a seeded part of each, within 50 seconds
#   scripts/prove.sh --only crash     one of them
#
# The last line sums up; the exit code is 0 only if everything holds. bash 3.2.

set -u
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" || exit 1
exec "$root/.venv/bin/python" -m tests.proofs "$@"
