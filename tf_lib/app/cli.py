"""
The command line: ``python -m tf_lib <command>``, also installed as ``tf``.

A thin layer: each command reads its options, calls one driver, and turns an error into one
message on stderr and its exit code. What a command needs is imported when it is called.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tf_lib import __version__
from tf_lib.app import cli_options as o
from tf_lib.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_FAILED, ParameterError, TfError
from tf_lib.text.days import FORM, day_from
from tf_lib.text.shown import printable, shown

if TYPE_CHECKING:
    from tf_lib.app.options import ProfileOptions


_DAYS = (
    "--as-of",
    "--date",
    "--end",
    "--start",
    "--until",
)  # an empty one is told the form of a day


class Commands(TyperGroup):
    """The commands. None takes an empty value: as a path it would be the folder they run in."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what the unset variable of a script leaves."""
        for before, each in zip(["tf", *args], args, strict=False):
            name = each.removesuffix("=") if each.startswith("--") else before
            if each in ("", f"{name}=") and name not in _DAYS:
                raise ParameterError(
                    f"{name}: expected a value, got an empty one; give one, or leave the option "
                    "out where it has a default"
                )
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="tf",
    cls=Commands,
    help="A trend-following strategy on Coinbase spot, from research to live trading.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _say_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"tf {__version__}")
        raise typer.Exit(EXIT_DONE)


@app.callback()
def _tf(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say the version and leave.", is_eager=True, callback=_say_version
        ),
    ] = False,
) -> None:
    """A trend-following strategy on Coinbase spot, from research to live trading."""


def main() -> None:
    """
    Run the command line; the exit code says how it ended.

    What it writes is its owner's alone, and what it starts (the notebook's kernel) imports nothing
    from the folder it happens to be started in.
    """
    os.umask(0o077)
    os.environ["PYTHONSAFEPATH"] = "1"
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


def _chosen(profile: str | None, config: Path | None, runs: Path | None = None) -> ProfileOptions:
    from tf_lib.app.options import ProfileOptions

    return ProfileOptions(profile, config, runs)


@app.command()
def run(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    date: o.DateOption = None,
    runs: o.RunsOption = None,
    dry_run: o.DryRunOption = False,
    force_run: o.ForceOption = False,
    run_at_utc_hour: o.HourOption = 0,
    gate_minutes: o.GateOption = 5,
    no_notebook: o.NoNotebookOption = False,
) -> int:
    """Do the daily job once: gate, decide, trade, protect, record."""
    from tf_lib.app.launch.runner import run_daily
    from tf_lib.app.options import RunOptions

    return run_daily(
        RunOptions(
            profile=profile,
            config=config,
            runs=runs,
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
    config: o.ConfigOption,
    candles: o.CandlesOption,
    as_of: o.AsOfOption,
    portfolio: o.PortfolioOption,
) -> int:
    """Print one day's decision as JSON; touches nothing."""
    from tf_lib.app.commands.research.decide import decide_command

    decided = decide_command(config, candles, _required_date(as_of, "--as-of"), portfolio)
    print(json.dumps(decided, indent=2, allow_nan=False))
    return EXIT_DONE


@app.command()
def backtest(
    config: o.ConfigOption,
    candles: o.CandlesOption,
    out: o.ResultOption,
    start: o.StartOption = None,
    end: o.EndOption = None,
    overwrite: o.OverwriteOption = False,
    break_even: o.BreakEvenOption = False,
    capacity: o.CapacityOption = False,
) -> int:
    """Test the strategy on past candles, with the kernels of the live run."""
    from tf_lib.app.commands.research.backtest import backtest_command
    from tf_lib.app.commands.results.cost_limits import CostQuestions

    span = (_date(start, "--start"), _date(end, "--end"))
    asked = CostQuestions(break_even, capacity)
    return backtest_command(config, candles, *span, out, may_overwrite=overwrite, costs=asked)


@app.command()
def sweep(
    config: o.ConfigOption,
    grid: o.GridOption,
    candles: o.CandlesOption,
    out: o.ResearchOption,
    scheduler: o.SchedulerOption = None,
    workers: o.WorkersOption = None,
    start: o.StartOption = None,
    end: o.EndOption = None,
    objective: o.ObjectiveOption = None,
    max_drawdown: o.MaxDrawdownOption = None,
    break_even: o.BreakEvenOption = False,
    capacity: o.CapacityOption = False,
) -> int:
    """Test many parameter sets, walk forward, and say whether the best one is luck."""
    from tf_lib.app.commands.research.sweep import sweep_command
    from tf_lib.app.commands.results.cost_limits import CostQuestions
    from tf_lib.research.search.sweep_file import ObjectiveOptions

    return sweep_command(
        config,
        grid,
        candles,
        out,
        scheduler,
        n_workers=workers,
        start=_date(start, "--start"),
        end=_date(end, "--end"),
        options=ObjectiveOptions(objective, max_drawdown),
        costs=CostQuestions(break_even, capacity),
    )


@app.command("compare-sets")
def compare_sets(folder: o.ResearchArgument, first: o.FirstSet, second: o.SecondSet) -> int:
    """Say whether one set of a sweep is better than another, or these days cannot tell."""
    from tf_lib.app.commands.research.compare_sets import compare_sets_command

    return compare_sets_command(folder, first, second)


@app.command()
def lookahead(config: o.ConfigOption, candles: o.CandlesOption) -> int:
    """Prove that no signal, decision, fill, stop, cash or equity of a day knows a later bar."""
    from tf_lib.app.commands.research.lookahead import lookahead_command

    text, is_clean = lookahead_command(config, candles)
    print(text)
    return EXIT_DONE if is_clean else EXIT_FAILED


@app.command()
def replay(
    run_dir: o.ReplayedArgument = None,
    everything: o.EveryDayOption = False,
    last: o.LastOption = None,
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Make a run's plan again from its inputs and compare; with --all, of every day."""
    from tf_lib.app.commands.records.replay import replay_all_command, replay_command

    if (run_dir is None) != (everything or last is not None):
        raise ParameterError("name one RUN_DIR, or give --all or --last N: tf replay RUN_DIR")
    if run_dir is not None:
        text, code = replay_command(run_dir)
    else:
        text, code = replay_all_command(_chosen(profile, config, runs), last=last)
    print(text)
    return code


@app.command("runs")
def list_runs(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    last: o.LastOption = None,
    as_json: o.JsonOption = False,
) -> int:
    """List the runs of a profile, a line each."""
    from tf_lib.app.commands.records.days import runs_command

    return runs_command(_chosen(profile, config, runs), last=last, as_json=as_json)


@app.command()
def show(
    day: o.DayArgument = "last",
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Show what a day did, as its mail says it."""
    from tf_lib.app.commands.records.days import show_command

    return show_command(_chosen(profile, config, runs), day)


@app.command()
def compare(
    one: o.ComparedArgument,
    other: o.ComparedArgument,
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Show what differs between two days: parameters, money, decisions."""
    from tf_lib.app.commands.records.compare import compare_command

    return compare_command(_chosen(profile, config, runs), one, other)


@app.command()
def transfers(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    day: o.TransferDayOption = None,
    label: o.LabelOption = None,
    as_json: o.JsonOption = False,
) -> int:
    """List the money that came in or went out, and say of one transfer what it was."""
    from tf_lib.app.commands.records.transfers import transfers_command

    options = _chosen(profile, config, runs)
    return transfers_command(options, day=_date(day, "--day"), label=label, as_json=as_json)


@app.command()
def prune(
    keep: o.KeepOption = "400d",
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Pack old days; replay and show read them as before, nothing is deleted."""
    from tf_lib.app.commands.records.prune import prune_command

    return prune_command(_chosen(profile, config, runs), keep)


@app.command()
def backup(
    out: o.BackupOutOption,
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Write a profile's ledger, state and days into one new file."""
    from tf_lib.app.commands.records.backup import backup_command

    return backup_command(_chosen(profile, config, runs), out)


@app.command()
def restore(
    file: o.BackupArgument,
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    yes: o.YesOption = False,
) -> int:
    """Put a backup in the place of a profile's folder; says first what it does not know."""
    from tf_lib.app.commands.records.backup import restore_command

    return restore_command(_chosen(profile, config, runs), file, is_sure=yes)


settings = typer.Typer(help="What is set, and where.", no_args_is_help=True)
app.add_typer(settings, name="config")


@settings.command("show")
def config_show(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    as_json: o.JsonOption = False,
) -> int:
    """Show every parameter, its value and the file that sets it; secrets are masked."""
    from tf_lib.app.commands.records.config_show import config_show_command

    return config_show_command(_chosen(profile, config), as_json=as_json)


@app.command()
def protect(
    profile: o.ProfileOption = None, config: o.ProfileConfigOption = None, runs: o.RunsOption = None
) -> int:
    """Put every holding under a stop at the level that is known; nothing else."""
    from tf_lib.app.commands.protect import protect_command

    return protect_command(_chosen(profile, config, runs))


@app.command()
def guard(
    profile: o.ProfileOption = None, config: o.ProfileConfigOption = None, runs: o.RunsOption = None
) -> int:
    """Look once whether anything is unprotected, cover it, and raise an alarm where one is due."""
    from tf_lib.app.commands.guard import guard_command

    return guard_command(_chosen(profile, config, runs))


@app.command()
def release(
    product: o.ProductArgument = None,
    everything: o.EveryLocked = False,
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Accept a holding as it is now and let the product be rebalanced again."""
    from tf_lib.app.commands.release import release_command

    options = _chosen(profile, config, runs)
    return release_command(product, options, everything=everything)


@app.command()
def flatten(
    products: o.FlattenArgument = None,
    everything: o.EverythingOption = False,
    dry_run: o.LookOnlyOption = False,
    yes: o.YesOption = False,
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Sell what our own orders hold, all or some of it, at the market; then paused."""
    from tf_lib.app.commands.flatten import Asked, flatten_command

    asked = Asked(tuple(products or ()), everything)
    return flatten_command(asked, _chosen(profile, config, runs), is_dry=dry_run, is_sure=yes)


@app.command()
def pause(
    until: o.UntilOption = None,
    why: o.WhyOption = "",
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
) -> int:
    """Buy, add to and trim nothing for a while; stops, full exits and the guard go on."""
    from tf_lib.app.commands.pause import pause_command

    options = _chosen(profile, config, runs)
    return pause_command(options, until=_date(until, "--until"), why=why)


@app.command()
def resume(
    profile: o.ProfileOption = None, config: o.ProfileConfigOption = None, runs: o.RunsOption = None
) -> int:
    """End a pause: the next run buys, adds and trims again."""
    from tf_lib.app.commands.pause import resume_command

    return resume_command(_chosen(profile, config, runs))


@app.command()
def status(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    as_json: o.JsonOption = False,
) -> int:
    """Show one screen of where things stand; asks the exchange nothing."""
    from tf_lib.app.commands.status import status_command

    return status_command(_chosen(profile, config, runs), as_json=as_json)


@app.command()
def doctor(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    send_test: o.SendTestOption = False,
    as_json: o.JsonOption = False,
) -> int:
    """Check machine, schedule, key, account and mail, and say what to put right."""
    from tf_lib.app.commands.doctor.command import doctor_command

    return doctor_command(_chosen(profile, config, runs), send_test=send_test, as_json=as_json)


@app.command()
def cron(profile: o.CronProfileOption = None, config: o.ProfileConfigOption = None) -> int:
    """Print the crontab lines of a profile (live) for this machine's time zone."""
    from tf_lib.app.commands.schedule.command import cron_command

    return cron_command(_chosen(profile, config))


@app.command()
def schedule(
    kind: o.SchedulerKindOption,
    profile: o.CronProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    install: o.InstallOption = False,
) -> int:
    """Show what starts a profile (live) by cron, systemd or launchd; or install it."""
    from tf_lib.app.commands.schedule.command import schedule_command

    return schedule_command(_chosen(profile, config, runs), kind, install=install)


@app.command()
def simulator(
    candles: o.SimulatedCandlesOption,
    products: o.ProductsOption = None,
    as_of: o.SimulatedDayOption = None,
    port: o.PortOption = 0,
    state: o.StateOption = None,
    cash: o.CashOption = "15000",
    portfolio_name: o.PortfolioNameOption = "Trend Following",
    faults: o.FaultsOption = None,
    log: o.LogOption = None,
) -> int:
    """Run the simulated exchange in this process, until it is told to stop."""
    from tf_lib.app.commands.simulator import simulator_command

    return simulator_command(
        candles,
        products=products,
        as_of=_date(as_of, "--as-of"),
        port=port,
        state=state,
        cash=cash,
        portfolio_name=portfolio_name,
        faults=faults,
        log=log,
    )


@app.command()
def site(runs: o.RunsOption = None) -> int:
    """Build the static index of all runs."""
    from tf_lib.app.commands.site import site_command

    return site_command(runs)


@app.command()
def reset(
    profile: o.ProfileOption = None,
    config: o.ProfileConfigOption = None,
    runs: o.RunsOption = None,
    yes: o.YesOption = False,
) -> int:
    """Start the demo anew: moves its folder aside, deletes nothing; simulated exchange only."""
    from tf_lib.app.commands.reset import reset_command

    return reset_command(_chosen(profile, config, runs), is_sure=yes)


if __name__ == "__main__":
    main()
