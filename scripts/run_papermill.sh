#!/usr/bin/env bash
# Set-up, then one daily run. What cron starts:
#
#   scripts/run_papermill.sh [--profile demo|paper|live | --config F.yaml]
#       [--date YYYY-MM-DD] [--runs DIR] [--dry-run] [--force-run]
#       [--run-at-utc-hour 0] [--gate-minutes 5]
#
# No option at all means --profile demo: a simulated exchange, no key, no
# network. Relative paths are relative to where you are.
#
# Everything printed is also appended to runs/<profile>/state/live_run.log;
# cron_env_debug.log beside it tells in which surroundings each run was
# started. The mail settings are in ~/tf_email.env, which is never executed.
#
# Exit codes: 0 done, or cleanly skipped; 1 the run failed; 2 bad parameters,
# input files or usage; 3 a position could not be protected, or an own order
# is unsettled; 4 another run holds the lock; 5 refused before the first
# request that changes anything.
#
# If the run ends in no orderly way (killed, crashed), this script has every
# held position protected and exits with 1, or with 3 if that failed too.
# Linux and macOS, bash 3.2, cron's empty environment.

set -u
umask 077

# --- where everything is ----------------------------------------------------

PATH="${PATH:-/usr/bin:/bin}:/usr/bin:/bin:/usr/sbin:/sbin"
export PATH

called_from=$(pwd 2>/dev/null)
source_path=${BASH_SOURCE[0]}
while [ -L "$source_path" ]; do
  link=$(readlink "$source_path")
  case "$link" in
    /*) source_path=$link ;;
    *) source_path=$(dirname "$source_path")/$link ;;
  esac
done
root=$(cd -P "$(dirname "$source_path")/.." && pwd) || exit 5
python=$root/.venv/bin/python

say() {
  echo "run_papermill: $*" >&2
}

# --- options ------------------------------------------------------------------
# Python judges them; here only those are read that tell where the logs are,
# and relative paths made absolute, because the run works in the project root.

absolute() {
  case "$1" in
    /* | "") echo "$1" ;;
    *) echo "$called_from/$1" ;;
  esac
}

profile=demo
config=
runs=$root/runs
dry_run=no
run_options=()
account_options=()

while [ $# -gt 0 ]; do
  name=$1
  shift
  case "$name" in
    -h | --help)
      sed -n '2,/^$/p' "$source_path" | sed 's/^# \{0,1\}//'
      exit 0
      ;;
    --profile=* | --config=* | --runs=*)
      value=${name#*=}
      name=${name%%=*}
      ;;
    --profile | --config | --runs)
      if [ $# -eq 0 ]; then
        say "$name needs a value; see --help"
        exit 2
      fi
      value=$1
      shift
      ;;
    --dry-run) dry_run=yes ;;
  esac
  case "$name" in
    --profile) profile=$value ;;
    --config) value=$(absolute "$value") && config=$value ;;
    --runs) value=$(absolute "$value") && runs=$value ;;
    *)
      run_options+=("$name")
      continue
      ;;
  esac
  run_options+=("$name" "$value")
  account_options+=("$name" "$value")
done

# --- surroundings: the same from cron, a terminal or a service ------------------

if [ -z "${HOME:-}" ]; then
  unset HOME
  HOME=~ # without HOME, bash asks the password database
fi
export HOME
unset PYTHONHOME PYTHONSTARTUP PYTHONDONTWRITEBYTECODE PYTHONWARNINGS

# Read by Python, as data: a file that a shell reads could run anything.
mail_settings=$HOME/tf_email.env
mail_note=absent
if [ -f "$mail_settings" ]; then
  mail_note=present
fi

unset LC_ALL
for locale_name in C.UTF-8 C.utf8 en_US.UTF-8 en_US.utf8; do
  if locale -a 2>/dev/null | grep -q -x -F "$locale_name"; then
    # Both spellings of C name one locale; the one with the dash is known everywhere.
    case "$locale_name" in C.utf8) locale_name=C.UTF-8 ;; en_US.utf8) locale_name=en_US.UTF-8 ;; esac
    export LANG="$locale_name" LC_ALL="$locale_name"
    break
  fi
done
export PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONPATH="$root" PYTHONSAFEPATH=1

# --- logs ----------------------------------------------------------------------

rotate() {
  [ -f "$1" ] && [ "$(wc -c <"$1")" -gt 5000000 ] || return 0
  for n in 4 3 2 1; do
    if [ -f "$1.$n" ]; then
      mv -f "$1.$n" "$1.$((n + 1))"
    fi
  done
  mv -f "$1" "$1.1"
}

# The names in the paths are Python's to judge; a name that it will refuse
# gets no folder.
state=
if [ -n "$config" ]; then
  if [ -f "$config" ]; then
    stem=${config##*/}
    state=$runs/${stem%.*}/state
  fi
else
  case "$profile" in
    "" | *[!A-Za-z0-9_-]*) ;;
    *)
      if [ -f "$root/parameters/$profile.yaml" ]; then
        state=$runs/$profile/state
      fi
      ;;
  esac
fi

logging=no
if [ -n "$state" ]; then
  pipes=
  if mkdir -p "$state" 2>/dev/null && [ -w "$state" ] &&
    rotate "$state/live_run.log" 2>/dev/null && rotate "$state/cron_env_debug.log" 2>/dev/null &&
    { : >>"$state/live_run.log"; } 2>/dev/null &&
    pipes=$(mktemp -d "${TMPDIR:-/tmp}/run_papermill.XXXXXX" 2>/dev/null) &&
    mkfifo "$pipes/out" "$pipes/err" 2>/dev/null; then
    logging=yes
  else
    say "warning: cannot write in $state; going on without live_run.log"
  fi
fi

start_logging() {
  exec 3>&1 4>&2
  # Own process groups (set -m) and no signals: the copying must outlast all
  # that it copies, and go on to the log when the terminal is gone.
  set -m
  (trap '' INT TERM HUP PIPE; exec tee -a "$state/live_run.log" 2>/dev/null) <"$pipes/out" >&3 &
  out_copier=$!
  (trap '' INT TERM HUP PIPE; exec tee -a "$state/live_run.log" 2>/dev/null) <"$pipes/err" >&4 &
  err_copier=$!
  set +m
  exec >"$pipes/out" 2>"$pipes/err"
  rm -rf "$pipes"
  echo "=== $(date -u '+%Y-%m-%d %H:%M:%S') UTC, process $$: run_papermill.sh ${run_options[*]+${run_options[*]}}" \
    >>"$state/live_run.log"
}

leave() {
  if [ "$logging" = yes ]; then
    echo "=== $(date -u '+%Y-%m-%d %H:%M:%S') UTC, process $$: exit code $1" >>"$state/live_run.log"
    exec >&3 2>&4
    # Bounded: something left behind by the run may still hold the pipes.
    tries=100
    while [ "$tries" -gt 0 ] &&
      { kill -0 "$out_copier" 2>/dev/null || kill -0 "$err_copier" 2>/dev/null; }; do
      sleep 0.02
      tries=$((tries - 1))
    done
  fi
  exit "$1"
}

# Which surroundings: names, paths and versions. Never the whole environment,
# never a value that came from a settings file.
describe_surroundings() {
  echo "=== $(date -u '+%Y-%m-%d %H:%M:%S') UTC (local $(date '+%Y-%m-%d %H:%M:%S %Z')), process $$"
  echo "user       $(id -un) ($(id -u)), umask $(umask), HOME $HOME"
  echo "host       $(uname -n), $(uname -srm)"
  echo "started in ${called_from:-a folder that is gone}, by $(ps -o comm= -p "$PPID" 2>/dev/null), terminal: $([ -t 0 ] && echo yes || echo no)"
  echo "options    ${run_options[*]+${run_options[*]}}"
  echo "project    $root${commit:+, commit $commit}"
  echo "state      $state, $(df -Pk "$state" 2>/dev/null | awk 'NR == 2 {print int($4 / 1024) " MiB free"}')"
  echo "PATH       $PATH"
  echo "locale     LANG ${LANG:-unset}, LC_ALL ${LC_ALL:-unset}, TZ ${TZ:-unset}, shell bash $BASH_VERSION"
  echo "mail       $mail_settings $mail_note"
  echo "python     $python, $("$python" --version 2>&1)"
  # Versions are read off folder names: importing pandas here would cost a second.
  for package in papermill nbclient ipykernel pandas numpy scipy numba pyarrow coinbase_advanced_py websockets; do
    for folder in "$root"/.venv/lib/python3*/site-packages/"$package"-*.dist-info; do
      if [ -d "$folder" ]; then
        folder=${folder##*/}
        echo "package    ${folder%.dist-info}"
      fi
    done
  done
}

# --- one child at a time, and every signal handed on to it ---------------------

child=
signal_came=
stop_asked=no

hand_on() {
  signal_came=$1
  stop_asked=yes
  if [ -n "$child" ]; then
    kill -s "$1" "$child" 2>/dev/null
  fi
}

# set -m gives the child its own process group: else bash would start it deaf
# to SIGINT, and the terminal would send it every Ctrl-C twice.
run_child() {
  set -m
  signal_came=
  "$@" </dev/null 3>&- 4>&- &
  child=$!
  set +m
  # One that came while there was no child yet.
  [ -z "$signal_came" ] || kill -s "$signal_came" "$child" 2>/dev/null
  while :; do
    signal_came=
    wait "$child" 2>/dev/null
    code=$?
    # A signal ends wait, not the child: wait again for its own exit code.
    [ -n "$signal_came" ] || break
  done
  child=
  return "$code"
}

trap 'hand_on INT' INT
trap 'hand_on TERM' TERM
trap 'hand_on HUP' HUP

# --- the run --------------------------------------------------------------------

if [ "$logging" = yes ]; then
  start_logging
fi
cd "$root" || leave 5

protect() {
  if [ "$dry_run" = yes ]; then
    say "a dry run holds no orders of its own: nothing to protect"
    return 0
  fi
  say "protecting every held position"
  run_child "$python" -m tf_lib protect ${account_options[@]+"${account_options[@]}"}
}

if ! run_child "$BASH" scripts/setup.sh; then
  say "FAILED: no working .venv, so nothing was run and nothing was sent"
  leave 5
fi
if [ "$logging" = yes ]; then
  commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null)
  describe_surroundings >>"$state/cron_env_debug.log" 2>/dev/null
fi
if [ "$stop_asked" = yes ]; then
  say "stopped before the run began"
  leave 5
fi

run_child "$python" -m tf_lib run ${run_options[@]+"${run_options[@]}"}
code=$?
case "$code" in
  0 | 1 | 2 | 3 | 4 | 5) leave "$code" ;;
esac

if [ "$code" -gt 128 ]; then
  say "the run was ended by signal $((code - 128)) ($(kill -l $((code - 128)) 2>/dev/null))"
else
  say "the run ended with exit code $code, which it never chooses itself"
fi
if protect; then
  leave 1
fi
say "FAILED: not every position is known to be protected; see: $python -m tf_lib status"
leave 3
