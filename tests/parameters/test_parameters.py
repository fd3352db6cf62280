"""
Parameters: what loads, what merges, and every way in which a file can be wrong.

A message names the file, the key, the value and what was expected; nothing else has happened yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tf_lib.core.signals.stop_levels import STOP_STRATEGIES
from tf_lib.core.sizing.covariance import METHODS
from tf_lib.core.sizing.sizing_rules import CAP_LEFTOVERS, CAP_METRICS, CAP_MODES, SLEEVE_RISK_MODES
from tf_lib.errors import EXIT_BAD_INPUT, ParameterError
from tf_lib.parameters import Config, config_from_mapping, load_config
from tf_lib.parameters.sections import RiskSection
from tf_lib.project import PROFILES, profile_file
from tf_lib.text.written import read_yaml

PROJECT = Path(__file__).resolve().parents[2]
STRATEGY = PROJECT / "parameters" / "strategy_v020.yaml"
Values = dict[str, Any]
Change = Callable[[Values], None]
Refused = Callable[[Any], str]


@pytest.fixture
def strategy() -> dict[str, Any]:
    """Return the strategy's parameters as plain values, to change."""
    return read_yaml(STRATEGY)


def written(folder: Path, content: Any, name: str = "mine.yaml") -> Path:
    path = folder / name
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Return what is said when a content is written and loaded; @ is the folder."""
    return lambda content: refusal(written(tmp_path, content)).replace(f"{tmp_path}/", "@/")


def refusal(path: Path) -> str:
    with pytest.raises(ParameterError) as found:
        load_config(path)
    assert found.value.exit_code == EXIT_BAD_INPUT
    return str(found.value)


# -- what loads ------------------------------------------------------------------------------------


def test_the_strategy_file_loads_unchanged() -> None:
    """Every key of the form in use is known, and its values arrive."""
    config = load_config(STRATEGY)

    assert config.risk_and_sizing.atr_multiplier == 1.75
    assert config.signals.moving_average.mavg_stepsize == 8
    assert config.universe.quote_currency == "USD"
    assert len(config.universe.tickers) == 14
    assert config.exchange.kind == "simulated"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads(profile: str) -> None:
    """With the strategy's numbers, each on its own kind of exchange."""
    config = load_config(profile_file(profile))
    strategy = load_config(STRATEGY)
    kinds = {"demo": "simulated", "paper": "paper", "live": "coinbase"}

    assert config.exchange.kind == kinds[profile]
    assert config.risk_and_sizing == strategy.risk_and_sizing
    assert config.signals == strategy.signals
    assert config.universe == strategy.universe


def test_defaults_of_added_keys() -> None:
    """Those of the design."""
    config = load_config(STRATEGY)
    added = {
        "signals.donchian.rank_window": 250,
        "signals.filters.filter_mode": "continuous",
        "signals.filters.binary_threshold": 0.5,
        "signals.filters.rolling_r2.enabled": True,
        "signals.filters.vol_of_vol.enabled": True,
        "risk_and_sizing.covariance": "sample",
        "execution_and_costs.maker_fee": 0.006,
        "execution_and_costs.taker_fee": 0.012,
        "execution_and_costs.dust_max_cost_usd": 0.05,
        "exchange.starting_cash": "15000",
        "exchange.clock": "wall",
        "stops.limit_buffer_bps": 200.0,
        "stops.limit_buffer_atr": 0.5,
        "stops.limit_max_bps": 1000.0,
        "stops.ratchet": True,
        "stops.level_above_market": "clamp",
        "stops.min_raise_bps": 50.0,
        "stops.exit_if_unprotectable": False,
    }
    for path, value in added.items():
        found: Any = config
        for part in path.split("."):
            found = getattr(found, part)

        assert found == value, path


def test_what_is_written_loads_again(tmp_path: Path) -> None:
    """config.yaml of a run is a parameter file."""
    config = load_config(STRATEGY)

    assert load_config(written(tmp_path, config.to_mapping())) == config


def test_order_in_a_file_changes_nothing(tmp_path: Path, strategy: Values) -> None:
    """Tickers and sleeves are used by name."""
    universe = strategy["universe"]
    turned = {
        "tickers": universe["tickers"][::-1],
        "sleeves": {
            name: sleeve | {"tickers": sleeve["tickers"][::-1]}
            for name, sleeve in reversed(universe["sleeves"].items())
        },
    }
    config = load_config(written(tmp_path, strategy | {"universe": turned}))
    plain = load_config(STRATEGY)

    assert config.universe.sorted_tickers == plain.universe.sorted_tickers
    assert config.universe.sorted_sleeves == plain.universe.sorted_sleeves
    assert config.universe.sorted_sleeves == ("AI", "L1_Alt", "L1_Core")
    assert config.universe.sleeve_of == plain.universe.sleeve_of


def test_a_config_cannot_be_changed() -> None:
    """What was checked stays what was checked."""
    config = load_config(STRATEGY)

    with pytest.raises(ValueError, match="frozen"):
        config.run.warmup_days = 1


# -- extends and merging ---------------------------------------------------------------------------


def test_maps_merge_and_the_later_file_wins(tmp_path: Path) -> None:
    """Two steps: the strategy, a house style, a person's own numbers."""
    written(tmp_path, {"extends": str(STRATEGY), "stops": {"min_raise_bps": 75}}, "house.yaml")
    mine = {"extends": "house.yaml", "stops": {"limit_buffer_atr": 1}, "run": {"warmup_days": 400}}
    config = load_config(written(tmp_path, mine))

    assert config.stops.min_raise_bps == 75
    assert config.stops.limit_buffer_atr == 1
    assert config.stops.limit_buffer_bps == 200
    assert config.run.warmup_days == 400
    assert config.run.initial_capital == 15000


def test_lists_and_sleeves_replace_whole(tmp_path: Path) -> None:
    """Half of the old sleeves would not sum to one."""
    only = {"tickers": ["BTC-USD"]}
    universe = {**only, "sleeves": {"Only": {"weight": 1.0, **only}}}
    config = load_config(written(tmp_path, {"extends": str(STRATEGY), "universe": universe}))

    assert config.universe.tickers == ["BTC-USD"]
    assert set(config.universe.sleeves) == {"Only"}


def test_paths_are_relative_to_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to where the command was called, and not to the file that extends."""
    (tmp_path / "base").mkdir()
    exchange = {"candles": "candles", "products": "../products.csv", "key_file": "~/key.json"}
    base = {"extends": str(STRATEGY), "exchange": exchange | {"ca_file": "/etc/ca.pem"}}
    written(tmp_path / "base", base, "base.yaml")
    path = written(tmp_path, {"extends": "base/base.yaml"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = load_config(path).exchange

    assert found.candles == str(tmp_path / "base" / "candles")
    assert found.products == str(tmp_path / "products.csv")
    assert found.key_file == str(tmp_path / "home" / "key.json")
    assert found.ca_file == "/etc/ca.pem"


def test_synthetic_is_no_path(tmp_path: Path) -> None:
    """Nor is an address."""
    exchange = {"candles": "synthetic", "base_url": "127.0.0.1:8443"}
    found = load_config(written(tmp_path, {"extends": str(STRATEGY), "exchange": exchange}))

    assert (found.exchange.candles, found.exchange.base_url) == ("synthetic", "127.0.0.1:8443")


def test_extends_in_a_circle(tmp_path: Path) -> None:
    """The circle is shown."""
    written(tmp_path, {"extends": "two.yaml"}, "one.yaml")
    path = written(tmp_path, {"extends": "one.yaml"}, "two.yaml")

    assert "extends goes in a circle" in refusal(path)
    assert "two.yaml -> " in refusal(path)


def test_extends_what_is_not_there(refused: Refused) -> None:
    """By its whole path."""
    said = refused({"extends": "gone.yaml"})
    assert said == "@/gone.yaml: there is no such parameter file"


def test_extends_must_be_a_name(refused: Refused) -> None:
    """One file."""
    said = refused({"extends": ["a", "b"]})
    assert "extends: expected a file name, got a list of 2" in said


def test_an_error_names_the_file_that_holds_the_value(tmp_path: Path) -> None:
    """Not the one that extends it."""
    base = {"extends": str(STRATEGY), "stops": {"min_raise_bps": -1}}
    written(tmp_path, base, "base.yaml")
    path = written(tmp_path, {"extends": "base.yaml", "run": {"warmup_days": "many"}})

    first, second = sorted(refusal(path).splitlines())

    assert first.startswith(f"{tmp_path}/base.yaml: stops.min_raise_bps: got -1; ")
    assert second.startswith(f"{tmp_path}/mine.yaml: run.warmup_days: got 'many'; ")


@pytest.mark.parametrize("ticker", ["btc-usd", "BTC", "BTC/USD", "BTC-USD ", 1, None])
def test_a_ticker_in_another_form_is_told_the_right_one(refused: Refused, ticker: object) -> None:
    """In words, not as a pattern of letters."""
    message = refused({"universe": {"tickers": [ticker]}})

    assert f"universe.tickers.0: got {ticker!r}; " in message
    assert "expected a product's id in capitals, as BTC-USD" in message


@pytest.mark.parametrize("day", [20240101, None, 2024.5])
def test_a_day_that_yaml_reads_as_no_text_is_told_its_form(refused: Refused, day: object) -> None:
    message = refused({"extends": str(STRATEGY), "run": {"start_date": day}})

    assert f"run.start_date: got {day!r}; expected a day as YYYY-MM-DD" in message


# -- files that are no parameters ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected a mapping of sections, got nothing: the file is empty"),
        ("# notes\n", "expected a mapping of sections, got nothing: the file is empty"),
        ("run:\n\twarmup_days: 1\n", "line 2: a character that can begin nothing here, as a tab"),
        ("run: {}\n---\nrun: {}\n", "line 2: a second document begins (---)"),
        ("- a\n- b\n", "expected a mapping of sections"),
        ("just text", "expected a mapping of sections"),
        ("run: {a: 1\n", "is not valid YAML"),
        ("run: 1\nrun: 2\n", "key 'run' stands twice"),
        ("run:\n  warmup_days: 1\n  warmup_days: 2\n", "key 'warmup_days' stands twice"),
        ("run: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_a_file_that_is_no_parameter_file(refused: Refused, text: str, part: str) -> None:
    """Named with what it is instead; nothing in it is run."""
    message = refused(text)

    assert message.startswith("@/mine.yaml: ")
    assert part in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, or bytes that are no text."""
    (tmp_path / "folder.yaml").mkdir()
    said = refusal(tmp_path / "folder.yaml")
    assert "folder.yaml: is a folder; expected a parameter file" in said

    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert "bytes.yaml: cannot be read" in refusal(tmp_path / "bytes.yaml")


def test_a_date_without_quotes_is_a_date(tmp_path: Path, strategy: Values) -> None:
    """YAML would make it an object; here it stays the text it is."""
    path = written(tmp_path, strategy)
    text = path.read_text(encoding="utf-8").replace("'2022-04-01'", "2022-04-01")
    path.write_text(text, encoding="utf-8")

    assert load_config(path).run.start_date == "2022-04-01"


# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "key", "near"),
    [
        ("risk_and_sizing", "atr_multiplyer", "atr_multiplier"),
        ("execution_and_costs", "notional_treshold_pct", "notional_threshold_pct"),
        ("stops", "ratchett", "ratchet"),
        ("exchange", "keyfile", "key_file"),
        ("notifications", "on_sucess", "on_success"),
        ("run", "warmup_day", "warmup_days"),
    ],
)
def test_a_misspelt_key(
    tmp_path: Path, strategy: Values, section: str, key: str, near: str
) -> None:
    """File, key, line and the nearest known key."""
    strategy.setdefault(section, {})[key] = 7
    path = written(tmp_path, strategy)
    line = path.read_text(encoding="utf-8").splitlines().index(f"  {key}: 7") + 1

    said = f"unknown key; did you mean {near!r}? (line {line})"
    assert refusal(path) == f"{path}: {section}.{key}: {said}"


def test_misspelt_keys_deep_inside_and_at_the_top(refused: Refused, strategy: Values) -> None:
    """Wherever they stand; all of them at once."""
    strategy["signals"]["filters"]["rolling_r2"]["r2_smoth_window"] = 3
    strategy["universe"]["sleeves"]["AI"]["wieght"] = 0.35
    strategy["stopps"] = {}
    message = refused(strategy)

    assert "signals.filters.rolling_r2.r2_smoth_window: unknown key; did you mean " in (message)
    assert "universe.sleeves.AI.wieght: unknown key; did you mean 'weight'?" in message
    assert "stopps: unknown key; did you mean 'stops'?" in message
    assert len(message.splitlines()) == 3


def test_a_key_like_no_other(refused: Refused, strategy: Values) -> None:
    """No guess is made."""
    strategy["run"]["xyzzy"] = "a" * 100
    message = refused(strategy)

    assert "run.xyzzy: unknown key (line " in message
    assert "aaa" not in message
    assert "did you mean" not in message
    assert len(message) < 300


def required_keys() -> list[tuple[str, ...]]:
    """Return every key of the strategy's file."""
    found: list[tuple[str, ...]] = []

    def walk(content: Any, at: tuple[str, ...]) -> None:
        for key, value in content.items():
            found.append((*at, key))
            if isinstance(value, dict) and at != ("universe", "sleeves"):
                walk(value, (*at, key))

    walk(read_yaml(STRATEGY), ())
    return [key for key in found if key[:2] != ("universe", "sleeves") or len(key) == 2]


@pytest.mark.parametrize("key", required_keys(), ids=".".join)
def test_every_key_is_required(refused: Refused, strategy: Values, key: tuple[str, ...]) -> None:
    """A number nobody wrote down must not be traded on."""
    holder = strategy
    for part in key[:-1]:
        holder = holder[part]
    del holder[key[-1]]

    said = refused(strategy)
    assert f"{'.'.join(key)}: this key is required and missing" in said


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        # of another type
        ("run.warmup_days", "300", "integer"),
        ("run.warmup_days", 300.5, "integer"),
        ("run.warmup_days", True, "integer"),
        ("run.use_specific_start_date", "yes", "boolean"),
        ("run.initial_capital", None, "number"),
        ("risk_and_sizing.atr_multiplier", [1.75], "number"),
        ("universe.tickers", "BTC-USD", "list"),
        ("universe.sleeves", [], "dict"),
        ("portfolio.name", 7, "string"),
        ("portfolio.name", "", "at least 1 character"),
        ("stops", None, "dictionary"),
        # not a number, or endless
        ("risk_and_sizing.atr_multiplier", float("nan"), ""),
        ("risk_and_sizing.annualized_target_volatility", float("inf"), "finite"),
        # out of range
        ("run.warmup_days", 0, "greater than or equal to 1"),
        ("run.initial_capital", 0, "greater than 0"),
        ("risk_and_sizing.cash_buffer_percentage", 1.0, "less than 1"),
        ("risk_and_sizing.cash_buffer_percentage", -0.1, "greater than or equal to 0"),
        ("risk_and_sizing.atr_multiplier", -1.75, "greater than 0"),
        ("risk_and_sizing.cap_high", 1.2, "less than or equal to 1"),
        ("execution_and_costs.transaction_cost_est", 1.0, "less than 1"),
        ("execution_and_costs.passive_trade_rate", 1.01, "less than or equal to 1"),
        ("execution_and_costs.cooldown_counter_threshold", -1, "greater than or equal to 0"),
        ("signals.moving_average.mavg_stepsize", 1, "greater than or equal to 2"),
        ("signals.donchian.rank_window", 6000, "less than or equal to 5000"),
        ("stops.limit_buffer_bps", 10000, "less than 10000"),
        ("stops.limit_buffer_atr", 101, "less than or equal to 100"),
        ("stops.limit_max_bps", 5, "greater than or equal to 10"),
        # not among those that are known
        ("risk_and_sizing.sleeve_risk_mode", "caps", "'cap' or 'target'"),
        ("risk_and_sizing.cap_mode", "dynamic", "'conditional' or 'static'"),
        ("risk_and_sizing.covariance", "shrunk", "'sample', 'ewm' or 'ledoit_wolf'"),
        ("risk_and_sizing.cap_leftover", "equal", "'headroom', 'signal' or 'cash'"),
        ("risk_and_sizing.stop_loss_strategy", "Trailing", "'Chandelier' or 'PercentageTrail'"),
        ("risk_and_sizing.trail_percentage", 1.0, "less than 1"),
        ("data.price_or_returns_calc", "returns", "'price'"),
        ("run.long_only", False, "True"),
        ("signals.activation.use_activation", True, "False"),
        ("exchange.kind", "binance", "'simulated', 'paper' or 'coinbase'"),
        ("exchange.clock", "local", "'wall' or 'exchange'"),
        ("stops.level_above_market", "skip", "'clamp' or 'keep'"),
        # of the wrong form
        ("run.start_date", "2022-4-1", "a day as YYYY-MM-DD"),
        ("run.start_date", "2022-02-30", "day"),
        ("universe.tickers", ["BTCUSD"], "a product's id in capitals, as BTC-USD"),
        ("universe.tickers", [], "at least 1 item"),
        ("exchange.starting_cash", "15,000", "a decimal in quotes"),
        ("exchange.starting_cash", 15000.5, "a decimal in quotes"),
        ("exchange.starting_cash", "-1", "at least 0"),
        ("exchange.starting_cash", "NaN", "finite"),
    ],
)
def test_a_bad_value(refused: Refused, strategy: Values, key: str, value: Any, part: str) -> None:
    """File, key, what came and what was expected."""
    section, _, last = key.rpartition(".")
    put(section, **{last: value})(strategy)
    lines = refused(strategy).splitlines()

    (line,) = [x for x in lines if x.startswith(f"@/mine.yaml: {key}")]
    assert part in line
    if not isinstance(value, dict | list):
        assert f"got {value!r}" in line


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("stop_loss_strategy", STOP_STRATEGIES),
        ("covariance", METHODS),
        ("cap_mode", CAP_MODES),
        ("cap_leftover", CAP_LEFTOVERS),
        ("sleeve_risk_mode", SLEEVE_RISK_MODES),
        ("cap_use_metric", CAP_METRICS),
    ],
)
def test_what_can_be_chosen_is_what_the_table_holds(key: str, table: Mapping[str, Any]) -> None:
    """A name that the schema takes has its entry, and an entry can be named."""
    assert get_args(RiskSection.model_fields[key].annotation) == tuple(table)


def weights(*numbers: float) -> Change:
    def change(strategy: dict[str, Any]) -> None:
        for sleeve, number in zip(strategy["universe"]["sleeves"].values(), numbers, strict=True):
            sleeve["weight"] = number

    return change


def with_ticker(sleeve: str | None, ticker: str) -> Change:
    def change(strategy: dict[str, Any]) -> None:
        universe = strategy["universe"]
        (universe["sleeves"][sleeve] if sleeve else universe)["tickers"].append(ticker)

    return change


def put(section: str, **values: Any) -> Change:
    def change(strategy: dict[str, Any]) -> None:
        holder = strategy
        for part in section.split(".") if section else ():
            holder = holder.setdefault(part, {})
        holder |= values

    return change


def trail_without_ratchet(strategy: dict[str, Any]) -> None:
    strategy["risk_and_sizing"]["stop_loss_strategy"] = "PercentageTrail"
    strategy["stops"] = {"ratchet": False}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (weights(0.5, 0.15, 0.25), "universe: sleeve weights must sum to 1, they sum to 0.9"),
        (weights(0.5, 0.15, 0.3500001), "they sum to 1.0000001"),
        (with_ticker(None, "DOGE-USD"), "universe: DOGE-USD is in no sleeve"),
        (with_ticker("AI", "DOGE-USD"), "universe: DOGE-USD is in a sleeve but not in tickers"),
        (with_ticker("AI", "BTC-USD"), "universe: BTC-USD is in two sleeves, L1_Core and AI"),
        (with_ticker(None, "BTC-USD"), "universe: tickers lists BTC-USD more than once"),
        (put("run", start_date="2025-08-01"), "run: start_date 2025-08-01 is after end_date"),
        (put("signals.moving_average", fast_mavg=200), "fast_mavg 200 must be below slow_mavg 200"),
        (put("signals.donchian", rank_window=55), "rank_window 55 must be at least entry_rolling"),
        (
            put("signals.filters.rolling_r2", lower_r_sqr_limit=0.9),
            "lower_r_sqr_limit 0.9 must be below upper_r_sqr_limit 0.9",
        ),
        (put("risk_and_sizing", cap_low=0.7), "cap_low 0.7 must not be above cap_high 0.6"),
        (trail_without_ratchet, "stop_loss_strategy PercentageTrail needs stops.ratchet true"),
    ],
)
def test_values_that_do_not_fit_together(
    refused: Refused, strategy: Values, change: Change, part: str
) -> None:
    """Named by their section and both values."""
    change(strategy)

    message = refused(strategy)

    assert message.startswith("@/mine.yaml: ")
    assert part in message


def test_two_quote_currencies(refused: Refused, strategy: Values) -> None:
    """Equity is counted in one."""
    universe = strategy["universe"]
    universe["tickers"][0] = "BTC-EUR"
    universe["sleeves"]["L1_Core"]["tickers"][0] = "BTC-EUR"

    assert "all tickers must share one quote currency" in refused(strategy)


def test_everything_that_is_wrong_is_told_at_once(refused: Refused, strategy: Values) -> None:
    """So that one look mends it."""
    strategy["run"]["warmup_days"] = 0
    strategy["stops"] = {"ratchett": True}
    del strategy["portfolio"]["name"]

    assert len(refused(strategy).splitlines()) == 3


def test_a_mapping_is_judged_like_a_file(strategy: Values) -> None:
    """A run's own record, named by its source."""
    strategy["run"]["warmup_days"] = 0
    with pytest.raises(ParameterError, match=r"^session\.json: run\.warmup_days: got 0; "):
        config_from_mapping(strategy, source="session.json")


def test_no_secret_has_a_key() -> None:
    """Passwords and keys come from the environment or from files, never from parameters."""
    names = {name for section in Config.model_fields.values() for name in _names(section)}

    assert not {n for n in names if any(w in n for w in ("secret", "passw", "token"))}


def _names(field: Any) -> list[str]:
    return list(getattr(field.annotation, "model_fields", {}))


@pytest.mark.parametrize("name", ["", "Demo", "prod", "../demo"])
def test_only_the_profiles_there_are(name: str) -> None:
    """Named."""
    with pytest.raises(ParameterError, match="profile must be one of demo, paper, live, got"):
        profile_file(name)
