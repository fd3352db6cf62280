"""
Options of the command line: for each its form, its meaning and what holds without it.

The form stands where the value goes (FILE, FOLDER, YYYY-MM-DD), the rest in its help.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tf_lib.project import PROFILES

_option = typer.Option
_file = partial(typer.Option, metavar="FILE")
_folder = partial(typer.Option, metavar="FOLDER")
_day = partial(typer.Option, metavar="YYYY-MM-DD")
_profile = partial(typer.Option, "--profile", metavar="NAME", autocompletion=lambda: list(PROFILES))
_argument = partial(typer.Argument, show_default=False)

# -- parameters and runs ---------------------------------------------------------------------------

ConfigOption = Annotated[Path, _file("--config", help="Parameter file, YAML.")]
ProfileConfigOption = Annotated[
    Path | None,
    _file(
        "--config",
        help="Parameter file in place of a profile; its stem is the profile's name. "
        "Default: none, the profile's own file.",
    ),
]
ProfileOption = Annotated[str | None, _profile(help="demo, paper or live. Default: demo.")]
CronProfileOption = Annotated[str | None, _profile(help="demo, paper or live. Default: live.")]
RunsOption = Annotated[
    Path | None,
    _folder(
        "--runs",
        help="Where the runs are. Default: runs/ of the project (installed from a wheel: of the "
        "folder that the command is called in).",
    ),
]

# -- days ------------------------------------------------------------------------------------------

ReplayedArgument = Annotated[
    Path | None,
    _argument(
        metavar="RUN_DIR",
        help="Folder of a run, as runs/<profile>/<day>. Default: none, with --all or --last.",
    ),
]
EveryDayOption = Annotated[
    bool, _option("--all", help="Replay every day of the profile. Default: the named run.")
]
LastOption = Annotated[
    int | None, _option("--last", metavar="N", help="Only the newest N days. Default: all.")
]
DayArgument = Annotated[
    str, typer.Argument(metavar="DAY", help="Day of a run as YYYY-MM-DD, or last.")
]
ComparedArgument = Annotated[
    str,
    _argument(metavar="DAY|RUN_DIR", help="Day as YYYY-MM-DD, last, or a folder of a run."),
]
TransferDayOption = Annotated[
    str | None, _day("--day", help="Day whose run saw the transfer. Default: none is labelled.")
]
LabelOption = Annotated[
    str | None,
    _option("--label", metavar="TEXT", help="What it was, as: savings of March. Default: none."),
]
KeepOption = Annotated[
    str,
    typer.Option("--keep", metavar="DAYS", help="Days up to the newest that stay unpacked."),
]
BackupOutOption = Annotated[Path, _file("--out", help="New file to write, as live.tar.gz.")]
BackupArgument = Annotated[Path, _argument(metavar="FILE", help="File of tf backup.")]

# -- the daily run ---------------------------------------------------------------------------------

DateOption = Annotated[
    str | None,
    _day(
        "--date",
        help="UTC day to run; moves the clock of the embedded simulated exchange, which does not "
        "go back. Refused elsewhere. Default: today.",
    ),
]
DryRunOption = Annotated[
    bool, _option("--dry-run", help="Decide and preview; send nothing. Default: send.")
]
ForceOption = Annotated[
    bool,
    _option(
        "--force-run",
        help="Run outside of the gate, or a day that is done. Default: skip with a word.",
    ),
]
HourOption = Annotated[
    int, _option("--run-at-utc-hour", metavar="0-23", help="UTC hour of the gate.")
]
GateOption = Annotated[
    int,
    _option(
        "--gate-minutes", metavar="0-59", help="Minutes after the hour in which a run may begin."
    ),
]
NoNotebookOption = Annotated[
    bool,
    _option(
        "--no-notebook",
        help="Do the same steps in this process. Default: in the notebook, by papermill.",
    ),
]

# -- upkeep ----------------------------------------------------------------------------------------

SchedulerKindOption = Annotated[
    str, _option("--kind", metavar="cron|systemd|launchd", help="Which scheduler starts it.")
]
InstallOption = Annotated[
    bool,
    _option(
        "--install",
        help="Give it to the scheduler of this user; what stood there of this profile is replaced. "
        "Default: show it.",
    ),
]

SendTestOption = Annotated[
    bool, _option("--send-test", help="Send a real test mail. Default: only reach the server.")
]
ProductArgument = Annotated[
    str | None,
    _argument(
        metavar="PRODUCT",
        help="Locked product, as BTC-USD; see tf status. Default: none, with --all.",
    ),
]
EveryLocked = Annotated[
    bool, _option("--all", help="Release every locked product. Default: the named one.")
]
FlattenArgument = Annotated[
    list[str] | None,
    _argument(
        metavar="PRODUCT...", help="Products to be out of, as BTC-USD. Default: none, with --all."
    ),
]
EverythingOption = Annotated[
    bool, _option("--all", help="Be out of every product. Default: the named ones.")
]
LookOnlyOption = Annotated[
    bool, _option("--dry-run", help="Say what would be sold; change nothing. Default: sell.")
]
UntilOption = Annotated[
    str | None,
    _day(
        "--until",
        help="First day that trades again, after today. Default: none, until tf resume.",
    ),
]
WhyOption = Annotated[
    str, _option("--why", metavar="TEXT", help="Your reason; shown while it holds.")
]
JsonOption = Annotated[
    bool, _option("--json", help="As JSON, for programs. Default: one screen of text.")
]
YesOption = Annotated[bool, _option("--yes", help="Do not ask. Default: ask.")]

# -- research --------------------------------------------------------------------------------------

CandlesOption = Annotated[
    Path, _folder("--candles", help="Candles, one <PRODUCT>.csv for each ticker.")
]
AsOfOption = Annotated[str, _day("--as-of", help="Day to decide, on bars through the day before.")]
PortfolioOption = Annotated[
    Path, _file("--portfolio", help="JSON with cash, positions, mid_prices, cooldowns, open_stops.")
]
StartOption = Annotated[
    str | None, _day("--start", help="First day. Default: run.start_date of the config.")
]
EndOption = Annotated[
    str | None, _day("--end", help="Last day. Default: run.end_date of the config.")
]
ResultOption = Annotated[Path, _folder("--out", help="Where the results go; made if missing.")]
OverwriteOption = Annotated[
    bool,
    _option(
        "--overwrite",
        help="Replace another result in the folder of --out. Default: refuse, exit 2.",
    ),
]
GridOption = Annotated[Path, _file("--grid", help="YAML: parameter paths and the values to try.")]
ResearchOption = Annotated[
    Path, _folder("--out", help="Research folder, made if missing; a stopped sweep resumes.")
]
ObjectiveOption = Annotated[
    str | None,
    _option(
        "--objective",
        metavar="NAME",
        help="What best means: sharpe, sortino, calmar, cagr or FILE.py:FUNCTION. Default: what "
        "the grid file says, else sharpe.",
    ),
]
MaxDrawdownOption = Annotated[
    float | None,
    _option(
        "--max-drawdown",
        metavar="FRACTION",
        help="A set that fell deeper is never best, such as 0.3. Default: what the grid file "
        "says, else no limit.",
    ),
]
BreakEvenOption = Annotated[
    bool,
    _option(
        "--break-even",
        help="Seek the fee and the slippage at which the growth is gone. Default: not asked.",
    ),
]
CapacityOption = Annotated[
    bool,
    _option(
        "--capacity",
        help="Results from 500 to 10 million, with the share of the day's volume. Default: not "
        "asked.",
    ),
]
ResearchArgument = Annotated[
    Path, _argument(metavar="DIR", help="Research folder of a finished sweep.")
]
_SET = "as in results.csv, or best."
FirstSet = Annotated[str, _argument(metavar="A", help=f"Number of a set, {_SET}")]
SecondSet = Annotated[str, _argument(metavar="B", help=f"Number of the set beside it, {_SET}")]
SchedulerOption = Annotated[
    str | None,
    _option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="A running Dask scheduler. Default: worker processes of this machine.",
    ),
]
WorkersOption = Annotated[
    int | None,
    _option(
        "--workers",
        metavar="NUMBER",
        help="Worker processes, at least 1. Default: one for each processor.",
    ),
]

# -- the simulated exchange ------------------------------------------------------------------------

SimulatedCandlesOption = Annotated[
    str,
    _option("--candles", metavar="FOLDER|synthetic", help="Candle folder, or the made-up market."),
]
ProductsOption = Annotated[
    Path | None,
    _file(
        "--products",
        help="CSV of trading rules. Default: a built-in table, then the candles' decimals.",
    ),
]
SimulatedDayOption = Annotated[
    str | None, _day("--as-of", help="Day at whose 00:01 UTC a new state begins. Default: now.")
]
PortOption = Annotated[
    int, _option("--port", metavar="0-65535", help="Port to listen on; 0 takes a free one.")
]
StateOption = Annotated[
    Path | None, _file("--state", help="SQLite file that keeps the state. Default: memory only.")
]
CashOption = Annotated[
    str, _option("--cash", metavar="AMOUNT", help="Quote currency a new state begins with.")
]
PortfolioNameOption = Annotated[
    str, _option("--portfolio-name", metavar="TEXT", help="Name of the simulated portfolio.")
]
FaultsOption = Annotated[
    Path | None, _file("--faults", help="YAML schedule of what goes wrong. Default: nothing.")
]
LogOption = Annotated[Path | None, _file("--log", help="JSONL of every request. Default: none.")]
