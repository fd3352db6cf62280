"""
Options of the command line: for each its form, its meaning and what holds without it.

The form stands where the value goes (FILE, FOLDER, YYYY-MM-DD), the rest in its help.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_lib.project import PROFILES


def _profile_names() -> list[str]:
    return list(PROFILES)


ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="Parameter file, YAML.")
]
CandlesOption = Annotated[
    Path,
    typer.Option("--candles", metavar="FOLDER", help="Candles, one <PRODUCT>.csv for each ticker."),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="demo, paper or live. Default: demo.",
        autocompletion=_profile_names,
    ),
]
CronProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="demo, paper or live. Default: live.",
        autocompletion=_profile_names,
    ),
]
ProfileConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Parameter file in place of a profile; its stem is the profile's name. "
        "Default: none, the profile's own file.",
    ),
]
RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        metavar="FOLDER",
        help="Where the runs are. Default: runs/ of the project (installed from a wheel: of the "
        "current folder).",
    ),
]
DateOption = Annotated[
    str | None,
    typer.Option(
        "--date",
        metavar="YYYY-MM-DD",
        help="UTC day to run; moves the clock of the embedded simulated exchange, which does not "
        "go back. Refused elsewhere. Default: today.",
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Decide and preview; send nothing. Default: send."),
]
SendTestOption = Annotated[
    bool,
    typer.Option("--send-test", help="Send a real test mail. Default: only reach the server."),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force-run",
        help="Run outside of the gate, or a day that is done. Default: skip with a word.",
    ),
]
HourOption = Annotated[
    int,
    typer.Option("--run-at-utc-hour", metavar="0-23", help="UTC hour of the gate."),
]
GateOption = Annotated[
    int,
    typer.Option(
        "--gate-minutes", metavar="0-59", help="Minutes after the hour in which a run may begin."
    ),
]
NoNotebookOption = Annotated[
    bool,
    typer.Option(
        "--no-notebook",
        help="Do the same steps in this process. Default: in the notebook, by papermill.",
    ),
]
AsOfOption = Annotated[
    str,
    typer.Option(
        "--as-of", metavar="YYYY-MM-DD", help="Day to decide, on bars through the day before."
    ),
]
PortfolioOption = Annotated[
    Path,
    typer.Option(
        "--portfolio",
        metavar="FILE",
        help="JSON with cash, positions, mid_prices, cooldowns, open_stops.",
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="YYYY-MM-DD", help="First day. Default: run.start_date of the config."
    ),
]
EndOption = Annotated[
    str | None,
    typer.Option(
        "--end", metavar="YYYY-MM-DD", help="Last day. Default: run.end_date of the config."
    ),
]
ResultOption = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="Where the results go; made if missing.")
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace another result in the folder of --out. Default: refuse, exit 2.",
    ),
]
GridOption = Annotated[
    Path,
    typer.Option("--grid", metavar="FILE", help="YAML: parameter paths and the values to try."),
]
ResearchOption = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FOLDER", help="Research folder, made if missing; a stopped sweep resumes."
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="A running Dask scheduler. Default: worker processes of this machine.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="NUMBER",
        help="Worker processes, at least 1. Default: one for each processor.",
    ),
]
RunFolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_DIR", help="Folder of a run, as runs/<profile>/<day>.", show_default=False
    ),
]
ProductArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="PRODUCT",
        help="Locked product, as BTC-USD; see tf status. Default: none, with --all.",
        show_default=False,
    ),
]
EveryLocked = Annotated[
    bool, typer.Option("--all", help="Release every locked product. Default: the named one.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="As JSON, for programs. Default: one screen of text.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask. Default: ask.")]
SimulatedCandlesOption = Annotated[
    str,
    typer.Option(
        "--candles", metavar="FOLDER|synthetic", help="Candle folder, or the made-up market."
    ),
]
ProductsOption = Annotated[
    Path | None,
    typer.Option(
        "--products",
        metavar="FILE",
        help="CSV of trading rules. Default: a built-in table, then the candles' decimals.",
    ),
]
SimulatedDayOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="YYYY-MM-DD",
        help="Day at whose 00:01 UTC a new state begins. Default: now.",
    ),
]
PortOption = Annotated[
    int, typer.Option("--port", metavar="0-65535", help="Port to listen on; 0 takes a free one.")
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="FILE", help="SQLite file that keeps the state. Default: memory only."
    ),
]
CashOption = Annotated[
    str, typer.Option("--cash", metavar="AMOUNT", help="Quote currency a new state begins with.")
]
PortfolioNameOption = Annotated[
    str, typer.Option("--portfolio-name", metavar="TEXT", help="Name of the simulated portfolio.")
]
FaultsOption = Annotated[
    Path | None,
    typer.Option(
        "--faults", metavar="FILE", help="YAML schedule of what goes wrong. Default: nothing."
    ),
]
LogOption = Annotated[
    Path | None,
    typer.Option("--log", metavar="FILE", help="JSONL of every request. Default: none."),
]
