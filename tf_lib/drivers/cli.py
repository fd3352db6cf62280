"""
The command line: ``python -m tf_lib <command>``, also installed as ``tf``.

A thin layer: each command reads its options, calls one driver, and turns an error into one
message on stderr and its exit code. What a command needs is imported when it is called.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tf_lib.days import FORM, day_from
from tf_lib.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAILED, ParameterError, TfError
from tf_lib.shown import printable, shown

T = TypeVar("T")

app = typer.Typer(
    name="tf",
    help="A trend-following strategy on Coinbase spot, from research to live trading.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[Path, typer.Option("--config", help="Parameter file.")]
CandlesOption = Annotated[Path, typer.Option("--candles", help="Folder of <PRODUCT>.csv files.")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="demo, paper or live; demo when nothing is named.")
]
ProfileConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Parameter file instead of a profile.")
]
RunsOption = Annotated[
    Path | None, typer.Option("--runs", help="Folder of runs, instead of runs/.")
]


def main() -> None:
    """Run the command line; the exit code says how it ended."""
    sys.exit(run_command(app))


def run_command(command: Callable[..., object]) -> int:
    """Call a command and return its exit code, with one clear message when it fails."""
    try:
        result = command(standalone_mode=False)
    except TfError as error:
        _say_error(error)
        return error.exit_code
    except typer.Exit as ended:
        return int(ended.exit_code)
    except OSError as error:
        # A disk or a network file system that gave way; what happened stands in the ledger.
        _say_error(error)
        return EXIT_FAILED
    except (typer.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return EXIT_FAILED
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            error.show()
            return EXIT_BAD_INPUT
        raise
    return result if isinstance(result, int) else EXIT_DONE


def _say_error(error: Exception) -> None:
    print("error: " + "\n".join(map(printable, str(error).splitlines())), file=sys.stderr)


def _date(text: str | None, option: str) -> dt.date | None:
    if text is None:
        return None
    try:
        return day_from(text)
    except ValueError:
        raise ParameterError(f"{option} must be {FORM}, got {shown(text)}") from None


def _required_date(text: str, option: str) -> dt.date:
    day = _date(text, option)
    if day is None:
        raise ParameterError(f"{option} must be {FORM}, got nothing")
    return day


@app.command()
def run(
    profile: ProfileOption = None,
    config: ProfileConfigOption = None,
    date: Annotated[str | None, typer.Option("--date", help="Simulated exchange only.")] = None,
    runs: RunsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and preview; send nothing.")
    ] = False,
    force_run: Annotated[
        bool, typer.Option("--force-run", help="Ignore gate and done mark.")
    ] = False,
    run_at_utc_hour: Annotated[int, typer.Option("--run-at-utc-hour")] = 0,
    gate_minutes: Annotated[int, typer.Option("--gate-minutes")] = 5,
    no_notebook: Annotated[bool, typer.Option("--no-notebook", help="In this process.")] = False,
) -> int:
    """Do the daily job once: gate, decide, trade, protect, record."""
    from tf_lib.drivers.options import PROJECT_ROOT, RunOptions
    from tf_lib.drivers.run import run_daily

    return run_daily(
        RunOptions(
            profile=profile,
            config=config,
            runs=runs or PROJECT_ROOT / "runs",
            date=_date(date, "--date"),
            dry_run=dry_run,
            force_run=force_run,
            run_at_utc_hour=run_at_utc_hour,
            gate_minutes=gate_minutes,
            notebook=not no_notebook,
        )
    )


@app.command()
def decide(
    config: ConfigOption,
    candles: CandlesOption,
    as_of: Annotated[
        str, typer.Option("--as-of", help="Day to decide; bars through the day before.")
    ],
    portfolio: Annotated[Path, typer.Option("--portfolio", help="JSON of holdings and prices.")],
) -> int:
    """Print one day's decision as JSON; touches nothing."""
    from tf_lib.drivers.decide import decide_command

    decided = decide_command(config, candles, _required_date(as_of, "--as-of"), portfolio)
    print(json.dumps(decided, indent=2, allow_nan=False))
    return EXIT_DONE


@app.command()
def backtest(
    config: ConfigOption,
    candles: CandlesOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    start: Annotated[
        str | None, typer.Option("--start", help="First day; else run.start_date.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day; else run.end_date.")] = None,
) -> int:
    """Test the strategy on past candles, with the kernels of the live run."""
    from tf_lib.drivers.backtest import backtest_command

    return backtest_command(config, candles, _date(start, "--start"), _date(end, "--end"), out)


@app.command()
def sweep(
    config: ConfigOption,
    grid: Annotated[Path, typer.Option("--grid", help="Parameter paths and their values.")],
    candles: CandlesOption,
    out: Annotated[Path, typer.Option("--out", help="Research folder; a stopped sweep resumes.")],
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="A Dask cluster, tcp://...; else local.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Local processes.")] = None,
    start: Annotated[str | None, typer.Option("--start")] = None,
    end: Annotated[str | None, typer.Option("--end")] = None,
) -> int:
    """Test many parameter sets, walk forward, and say whether the best one is luck."""
    from tf_lib.drivers.sweep import sweep_command

    return sweep_command(
        config,
        grid,
        candles,
        out,
        scheduler,
        n_workers=workers,
        start=_date(start, "--start"),
        end=_date(end, "--end"),
    )


@app.command()
def lookahead(config: ConfigOption, candles: CandlesOption) -> int:
    """Prove that no column of any day knows a later bar."""
    from tf_lib.drivers.lookahead import lookahead_command

    text, is_clean = lookahead_command(config, candles)
    print(text)
    return EXIT_DONE if is_clean else EXIT_FAILED


@app.command()
def replay(run_dir: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> int:
    """Make a run's plan again from its inputs and compare."""
    from tf_lib.drivers.replay import replay_command

    text, code = replay_command(run_dir)
    print(text)
    return code


@app.command()
def protect(
    profile: ProfileOption = None, config: ProfileConfigOption = None, runs: RunsOption = None
) -> int:
    """Put every holding under a stop at the level that is known; nothing else."""
    from tf_lib.drivers.upkeep import protect_command

    return protect_command(profile, config, runs)


@app.command()
def guard(
    profile: ProfileOption = None, config: ProfileConfigOption = None, runs: RunsOption = None
) -> int:
    """Look once whether anything is bare, cover it, and raise an alarm where one is due."""
    from tf_lib.drivers.guard import guard_command

    return guard_command(profile, config, runs)


@app.command()
def release(
    product: Annotated[str, typer.Argument(help="Product that was changed by others.")],
    profile: ProfileOption = None,
    config: ProfileConfigOption = None,
    runs: RunsOption = None,
) -> int:
    """Accept a holding as it is now and let the product be rebalanced again."""
    from tf_lib.drivers.upkeep import release_command

    return release_command(product, profile, config, runs)


@app.command()
def status(
    profile: ProfileOption = None,
    config: ProfileConfigOption = None,
    runs: RunsOption = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> int:
    """Show one screen of where things stand; asks the exchange nothing."""
    from tf_lib.drivers.status import status_command

    return status_command(profile, config, runs, as_json=as_json)


@app.command()
def doctor(
    profile: ProfileOption = None, config: ProfileConfigOption = None, runs: RunsOption = None
) -> int:
    """Check machine, key, mail and cron, and say what to mend."""
    from tf_lib.drivers.doctor import doctor_command

    return doctor_command(profile, config, runs)


@app.command()
def cron(profile: ProfileOption = None, config: ProfileConfigOption = None) -> int:
    """Print the crontab lines of a profile (live) for this machine's time zone."""
    from tf_lib.drivers.cron import cron_command

    return cron_command(profile, config)


@app.command()
def simulator(
    candles: Annotated[str, typer.Option("--candles", help="A folder, or: synthetic.")],
    products: Annotated[Path | None, typer.Option("--products")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of")] = None,
    port: Annotated[int, typer.Option("--port")] = 0,
    state: Annotated[Path | None, typer.Option("--state")] = None,
    cash: Annotated[str, typer.Option("--cash")] = "15000",
    portfolio_name: Annotated[str, typer.Option("--portfolio-name")] = "Trend Following",
    faults: Annotated[Path | None, typer.Option("--faults")] = None,
    log: Annotated[Path | None, typer.Option("--log")] = None,
) -> int:
    """Run the simulated exchange in this process, until it is told to stop."""
    from tf_lib.drivers.simulator import simulator_command

    return simulator_command(
        candles,
        products=products,
        as_of=as_of,
        port=port,
        state=state,
        cash=cash,
        portfolio_name=portfolio_name,
        faults=faults,
        log=log,
    )


@app.command()
def site(runs: RunsOption = None) -> int:
    """Build the static index of all runs."""
    from tf_lib.drivers.site import site_command

    return site_command(runs)


@app.command()
def reset(
    profile: ProfileOption = None,
    config: ProfileConfigOption = None,
    runs: RunsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Start the demo anew: moves its folder aside, deletes nothing; simulated exchange only."""
    from tf_lib.drivers.reset import reset_command

    return reset_command(profile, config, runs, is_sure=yes)


if __name__ == "__main__":
    main()
