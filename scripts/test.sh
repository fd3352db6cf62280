#!/usr/bin/env bash
# Set-up, then every check: format, lint, types, tests, notebooks.
#
#   scripts/test.sh                         everything
#   scripts/test.sh tests/core -k donchian  set-up, then only pytest with these
#
# Every check runs even when one before it failed; the exit code is 0 only
# when all passed, else that of the first that failed. bash 3.2.

set -u
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" || exit 1
bin=$root/.venv/bin

if [ $# -gt 0 ]; then
  exec "$bin/python" -m pytest "$@"
fi

first_failure=0
failed=
began=$SECONDS

check() {
  local name=$1 check_began=$SECONDS code=0
  shift
  echo "== $name: $*"
  "$@" || code=$?
  if [ "$code" -ne 0 ]; then
    failed="$failed $name"
    [ "$first_failure" -ne 0 ] || first_failure=$code
  fi
  echo "== $name: exit code $code, $((SECONDS - check_began)) s"
}

check format "$bin/ruff" format --check .
check lint "$bin/ruff" check .
check types "$bin/mypy" --strict tf_lib tests
# Warnings are errors, doctests of tf_lib included: see pyproject.toml.
# The long ones (whole years, noise) have their own command: scripts/test.sh -n 2 -m slow.
# Two at a time; the tests of one file stay together, so that they share what is costly to make.
check tests "$bin/python" -m pytest -n 2 --dist loadfile -m "not slow" --durations=10
# Notebooks are checked by pytest too (tests that run nbval); a check of their
# own goes here.

echo "== all checks: $((SECONDS - began)) s"
if [ -n "$failed" ]; then
  echo "== FAILED:$failed"
fi
exit "$first_failure"
