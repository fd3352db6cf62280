#!/usr/bin/env bash
# Makes or refreshes .venv in the project root from requirements.lock, with
# plain python3 and pip. Does nothing, at once, when .venv is current.
#
#   scripts/setup.sh             TF_PYTHON=/path/to/python3.12 scripts/setup.sh
#
# Current means: .venv/set_up_from holds the checksums of the files that
# decide what is installed, and the folder it was made in. It is written last,
# so a set-up that was cut short is done again. .venv.lock keeps two set-ups
# apart; found without its owner, it also tells that one was cut short, and
# then .venv is made anew, because a package may be half unpacked. (A failure
# before pip changed anything, as without network, leaves the old .venv as is.)
#
# Exit code 0 when .venv is current, 1 when it could not be made (why, and
# where the full log is, on stderr), 2 for wrong usage.
# Linux and macOS, bash 3.2.

set -u
umask 077
export LC_ALL=C
PATH="${PATH:-/usr/bin:/bin}:/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin"
export PATH

case "${1:-}" in
  "") ;;
  -h | --help)
    sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//'
    exit 0
    ;;
  *)
    echo "set-up: takes no argument, got '$1'" >&2
    exit 2
    ;;
esac

source_path=${BASH_SOURCE[0]}
while [ -L "$source_path" ]; do
  link=$(readlink "$source_path")
  case "$link" in
    /*) source_path=$link ;;
    *) source_path=$(dirname "$source_path")/$link ;;
  esac
done
root=$(cd -P "$(dirname "$source_path")/.." && pwd) || exit 1
cd "$root" || exit 1

venv=.venv
stamp=$venv/set_up_from
lock=.venv.lock
log=.venv.log
wait_seconds=900

fingerprint() {
  echo "$root"
  cksum requirements.lock pyproject.toml scripts/setup.sh
}

wanted=$(fingerprint) || {
  echo "set-up: cannot read requirements.lock, pyproject.toml or scripts/setup.sh in $root" >&2
  exit 1
}

is_current() {
  [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]
}

is_current && exit 0

# --- from here on something has to be done --------------------------------

say() {
  echo "set-up: $*" >&2
}

# A process is named by its id and when it started, as ids are used again.
process_name() {
  echo "$1 $(ps -o lstart= -p "$1" 2>/dev/null)"
}

is_alive() {
  [ -n "${1%% *}" ] && kill -0 "${1%% *}" 2>/dev/null && [ "$(process_name "${1%% *}")" = "$1" ]
}

own_lock() {
  process_name $$ >"$lock/owner.$$" && mv "$lock/owner.$$" "$lock/owner"
}

was_cut_short=no
has_lock=no

take_lock() {
  waited=0
  while :; do
    if mkdir "$lock" 2>/dev/null; then
      own_lock || fail "cannot write in $root/$lock"
      has_lock=yes
      return
    fi
    if ! [ -d "$lock" ]; then
      # Neither made nor there: released just now, or this folder is closed to us.
      [ -w . ] || fail "cannot write in $root: make it writable for $(id -un)"
      [ "$waited" -lt 5 ] || fail "cannot make the folder $root/$lock"
    else
      owner=$(cat "$lock/owner" 2>/dev/null)
      # An owner writes its name right after mkdir: give it time.
      if ! is_alive "$owner" && { [ -n "$owner" ] || [ "$waited" -ge 3 ]; }; then
        # mkdir lets only one of those who see the same dead owner go on.
        if mkdir "$lock/after.${owner%% *}" 2>/dev/null &&
          [ "$(cat "$lock/owner" 2>/dev/null)" = "$owner" ]; then
          own_lock || fail "cannot write in $root/$lock"
          has_lock=yes
          was_cut_short=yes
          end_orphan
          return
        fi
      elif [ "$waited" -eq 3 ]; then
        say "another set-up is at work (process ${owner%% *}), waiting for it"
      fi
    fi
    [ "$waited" -lt "$wait_seconds" ] ||
      fail "waited $wait_seconds s for process ${owner%% *}; if no set-up is at work, remove $root/$lock"
    sleep 1
    waited=$((waited + 1))
  done
}

# A set-up that was killed may have left its pip at work, in our .venv.
end_orphan() {
  orphan=$(cat "$lock/step" 2>/dev/null)
  signal=TERM
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    is_alive "$orphan" || return 0
    kill -s "$signal" "${orphan%% *}" 2>/dev/null
    sleep 1
    signal=KILL
  done
  fail "process ${orphan%% *} of an earlier set-up cannot be ended"
}

leave() {
  if [ "$has_lock" = yes ]; then
    rm -rf "$lock"
  fi
}

# The lock stays behind on purpose: the next set-up sees that this one was cut short.
cut_short() {
  trap - EXIT
  say "cut short by $1; the next set-up starts again"
  if [ -n "${step_id:-}" ]; then
    kill -s TERM "$step_id" 2>/dev/null
  fi
  exit 1
}

fail() {
  say "FAILED: $1"
  shift
  for line in "$@"; do
    say "$line"
  done
  exit 1
}

hint() {
  if grep -q -i 'no space left\|errno 28\|disk quota' "$log" 2>/dev/null; then
    echo "the disk is full: free about 1.5 GB under $root"
  elif grep -q 'DO NOT MATCH THE HASHES' "$log"; then
    echo "a package is not the one in requirements.lock: do not go on before you know why"
  elif grep -q -i 'name resolution\|nodename nor servname\|connection\|timed out\|timeout\|unreachable\|proxy' "$log"; then
    echo "the package index could not be reached: check the network, a proxy, pip's own settings"
  elif grep -q -i 'no matching distribution\|could not find a version' "$log"; then
    echo "the package index has no wheel for this machine and Python, or could not be reached: check the network, or try another Python (TF_PYTHON=...)"
  elif grep -q -i 'permission denied' "$log"; then
    echo "files in $root/$venv belong to someone else: remove the folder and run this as one user"
  else
    echo "remove $root/$venv to begin from nothing"
  fi
}

elapsed() {
  echo $(($(date +%s) - began))
}

# A sign of life while a step is at work: every ten seconds a line, every
# second over the same line of a terminal.
tell_time() {
  now=$(elapsed)
  if [ -t 2 ]; then
    if [ "$now" -gt "$told" ]; then
      told=$now
      printf 'set-up:   %s, %s s \r' "$1" "$now" >&2
    fi
  elif [ "$now" -ge "$((told + 10))" ]; then
    told=$now
    say "  $1, $now s"
  fi
}

# Runs a command with its output in the log. In the background, so that a
# signal is heard within a moment and not when the command is over.
logged() {
  what=$1
  shift
  told=$(elapsed)
  say "$what ($told s)"
  "$@" >>"$log" 2>&1 </dev/null &
  step_id=$!
  process_name "$step_id" >"$lock/step.part" && mv "$lock/step.part" "$lock/step"
  while kill -0 "$step_id" 2>/dev/null; do
    sleep 0.1
    tell_time "$what"
  done
  if [ -t 2 ]; then
    printf '%78s\r' '' >&2
  fi
  wait "$step_id"
  code=$?
  step_id=
  return "$code"
}

step() {
  what=$1
  shift
  echo "--- $what: $*" >>"$log" || fail "cannot write $root/$log (is the disk full?)"
  if ! logged "$what" "$@"; then
    if grep -q '^Installing collected packages' "$log"; then
      # Packages were being changed: leave the lock, as if cut short.
      has_lock=no
    fi
    fail "$what (exit code $code)" "$(hint)" "the last lines of $root/$log:"$'\n'"$(
      grep -v '^WARNING: Location \|^Ignoring ' "$log" | tail -n 8 | sed 's/^/  | /'
    )"
  fi
}

# Prints "ok 3.11.7", or what is wrong with an interpreter.
judge_python() {
  "$1" -c '
import sys
version = "%d.%d.%d" % tuple(sys.version_info[:3])
if sys.version_info < (3, 11):
    print("%s is too old" % version)
elif sys.version_info >= (3, 15):
    print("%s is newer than the lock" % version)
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("%s lacks the venv module (on Debian and Ubuntu: apt install python3-venv)" % version)
    else:
        print("ok " + version)
' 2>/dev/null || echo "does not start"
}

find_python() {
  found=
  if [ -n "${TF_PYTHON:-}" ]; then
    candidates=$TF_PYTHON
  else
    candidates="python3 python3.13 python3.12 python3.11 python3.14"
  fi
  for candidate in $candidates; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    verdict=$(judge_python "$candidate")
    case "$verdict" in
      "ok "*)
        python=$candidate
        python_version=${verdict#ok }
        return 0
        ;;
    esac
    found="$found"$'\n'"  $(command -v "$candidate"): $verdict"
  done
  fail "no suitable Python: 3.11, 3.12 or 3.13 is needed, with its venv module" \
    "looked for: $candidates" "found:${found:- nothing}" \
    "install one, or name it: TF_PYTHON=/path/to/python3.12 scripts/setup.sh"
}

venv_works() {
  [ -x "$venv/bin/python" ] || return 1
  case "$(judge_python "$venv/bin/python")" in "ok "*) ;; *) return 1 ;; esac
  # A .venv that was moved or copied still points to where it was made.
  [ "$("$venv/bin/python" -c 'import pip, sys; print(sys.prefix)' 2>/dev/null)" = "$root/$venv" ]
}

# What a shell profile or a scheduler may have set must not steer the set-up.
# pip's own settings (which index, which certificates) are left as they are.
unset PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_NO_COMPILE PIP_REQUIRE_VIRTUALENV
export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1

trap leave EXIT
trap 'cut_short SIGINT' INT
trap 'cut_short SIGTERM' TERM
trap 'cut_short SIGHUP' HUP

take_lock
is_current && exit 0

began=$(date +%s)
: >"$log" 2>/dev/null || fail "cannot write $root/$log: the disk is full, or the file is not ours"
date -u >>"$log"

if [ "$was_cut_short" = yes ]; then
  say "the last set-up was cut short; starting again"
fi
if [ "$was_cut_short" = yes ] || ! venv_works || [ -n "${TF_PYTHON:-}" ]; then
  find_python
  say "making $root/$venv with $python ($python_version); one to four minutes"
  step "making the virtual environment" "$python" -m venv --clear "$venv"
else
  say "refreshing $root/$venv"
  rm -f "$stamp"
fi
step "installing requirements.lock" "$venv/bin/python" -m pip install \
  --no-deps --require-hashes --only-binary :all: --no-compile -r requirements.lock
# rfc3987-syntax only widens one optional check of JupyterLab's settings, and
# compiling its grammars would cost every daily run a second.
step "removing rfc3987-syntax" "$venv/bin/python" -m pip uninstall -y rfc3987-syntax
step "installing the project" "$venv/bin/python" -m pip install \
  --no-deps --no-build-isolation --no-index -e .
# Only a warning: the lock itself fits, so this is about something added by hand.
if ! logged "checking that packages fit together" "$venv/bin/python" -m pip check; then
  say "warning: packages in $venv do not fit together; see: $venv/bin/python -m pip check"
fi
# All cores at once, where pip would use one. Without this the first run pays.
logged "compiling the packages" "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" || :
# The kernels, too: the first backtest would wait half a minute for them.
logged "compiling the kernels" "$venv/bin/python" -m tf_lib.research.backtest.warm_up || :
printf '%s\n' "$wanted" >"$stamp.part" && mv "$stamp.part" "$stamp" ||
  fail "cannot write $root/$stamp (is the disk full?)"
say "done in $(($(date +%s) - began)) s"
