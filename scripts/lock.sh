#!/usr/bin/env bash
# Writes requirements.lock anew from pyproject.toml: all dependencies with the
# extras `test` and `lab`, and setuptools to install the project itself; exact
# versions with hashes, one file for every Python that pyproject.toml allows
# and for Linux, macOS and Windows. Not part of set-up: run it after editing
# the dependencies, read the diff, run scripts/test.sh, commit both files.
#
#   scripts/lock.sh                    keeps every version that still fits
#   scripts/lock.sh --upgrade          takes the newest of everything
#   scripts/lock.sh --upgrade-package numpy
#
# Needs uv (pip install uv); UV=/path/to/uv names another one.
# uv does not read pip's settings: for an index of your own set UV_DEFAULT_INDEX.

set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
command -v "$uv" >/dev/null 2>&1 || {
  echo "lock: uv is needed; install it with: pip install uv" >&2
  exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp requirements.lock "$scratch/requirements.lock" 2>/dev/null || :
echo "setuptools>=77" >"$scratch/build.in"

# No annotations and no addresses: the file must read the same wherever it is made.
"$uv" pip compile pyproject.toml "$scratch/build.in" --extra test --extra lab \
  --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links --quiet \
  --output-file "$scratch/requirements.lock" "$@"

{
  echo "# Made from pyproject.toml by scripts/lock.sh; not edited by hand."
  echo "# All dependencies, the extras test and lab, and setuptools."
  grep -v '^#' "$scratch/requirements.lock"
} >requirements.lock.part
mv requirements.lock.part requirements.lock
echo "lock: requirements.lock pins $(grep -c '^[a-zA-Z0-9]' requirements.lock) packages" >&2
