#!/usr/bin/env bash
# Set-up, then every check: format, lint, types, tests, notebooks.
#
#   scripts/test.sh                         everything but the slow tests
#   scripts/test.sh --slow [tests/app ...]  the slow tests only: whole years, noise, every crash
#   scripts/test.sh --coverage              everything, and the branches that were covered: a floor
#   scripts/test.sh --quick                 what scripts/check.sh runs, within a minute
#   scripts/test.sh tests/core -k donchian  set-up, then only pytest with these
#
# Every check runs even when one before it failed; the exit code is 0 only
# when all passed, else that of the first that failed. bash 3.2.

set -u
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" || exit 1
bin=$root/.venv/bin

mode=
case ${1-} in
  --slow | --coverage | --quick)
    mode=$1
    shift
    ;;
esac
if [ "$mode" = --slow ]; then
  exec "$bin/python" -m pytest -n 2 --dist loadfile --durations=10 -m slow "$@"
fi
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

# Warnings are errors, doctests of tf_lib included: see pyproject.toml. Two at a time; the tests of
# one file stay together, so that they share what is costly to make.
tests() {
  check tests "$@" -m pytest -n 2 --dist loadfile --durations=10 -m "not slow"
}

check format "$bin/ruff" format --check .
check lint "$bin/ruff" check .
check types "$bin/mypy" --strict tf_lib tests
case $mode in
  --quick)
    check tests "$bin/python" -m pytest -n 2 --dist loadfile -q -m "not slow" \
      tests/core tests/exchange tests/house tests/oracle tests/parameters tests/store \
      --deselect tests/core/test_kernel_cache.py --ignore tests/house/test_run_papermill.py \
      --ignore tests/house/test_setup.py
    echo "== left out: tests of execution, app, simulator, research, pages and notebooks, of the"
    echo "   kernel cache and the set-up, and proofs (scripts/test.sh); slow ones (--slow)"
    ;;
  --coverage)
    # Of processes that tests start, too. The settings and the floor are in pyproject.toml.
    "$bin/coverage" erase
    tests "$bin/coverage" run
    "$bin/coverage" combine -q
    check coverage "$bin/coverage" report
    ;;
  *) tests "$bin/python" ;;
esac

echo "== all checks: $((SECONDS - began)) s"
if [ -n "$failed" ]; then
  echo "== FAILED:$failed"
fi
exit "$first_failure"
