"""
Files that a person wrote, read by the rules of YAML 1.2, and what is never shown of them.

Whatever a file holds, the command line ends with exit 2 and names file and line; no traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.app.profile import PROJECT, command
from tf_lib.errors import ParameterError
from tf_lib.parameters import load_config
from tf_lib.text.written import MOST_DEPTH, MOST_NODES, read_yaml, yaml_text

SECRET = "kX9vQ2mT7bL4sR8wZ1nC6jF3hD5gP0aYeUiOqWxVtBcMlKrNzSyJdHfGpAoEuI1234567890abcdefghijklmn=="
STRATEGY = PROJECT / "parameters" / "strategy_v020.yaml"
KEY_FILES = {
    "ed25519.json": f'{{"id": "0f1e", "privateKey": "{SECRET}"}}',
    "ecdsa.json": (
        '{"name": "organizations/1/apiKeys/2", "privateKey": '
        f'"-----BEGIN EC PRIVATE KEY-----\\n{SECRET}\\n-----END EC PRIVATE KEY-----\\n"}}'
    ),
    "plain.pem": f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----\n",
    "env.sh": f"export COINBASE_API_KEY=organizations/1\nCOINBASE_API_SECRET='{SECRET}'\n",
    "listed.yaml": f"- privateKey: {SECRET}\n",
    "nested.yaml": f"exchange:\n  key: {{name: a, privateKey: {SECRET}}}\n",
}


def read(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ParameterError) as found:
        read(folder, text)
    return str(found.value)


def decide(folder: Path, config: Path) -> tuple[int, str]:
    """Call a command that reads a parameter file before all else."""
    options = ("--as-of", "2024-03-01", "--candles", str(folder), "--portfolio", str(config))
    return command("decide", "--config", str(config), *options)


def pieces(secret: str) -> list[str]:
    return [secret[at : at + 8] for at in range(len(secret) - 8)]


# -- what words mean -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.25", -0.25),
        ("+7", 7),
        ("010", 10),
        ("0", 0),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("'1'", "1"),
        ("'0x10'", "0x10"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("!!int '12'", 12),
        ("=", "="),
        ("[010, NO]", [10, "NO"]),
    ],
)
def test_words(tmp_path: Path, word: str, value: object) -> None:
    """The core rules of YAML 1.2: numbers are decimal, only true and false are truth values."""
    found = read(tmp_path, f"key: {word}\n")["key"]

    assert found == value
    assert type(found) is type(value)


def test_keys_are_text(tmp_path: Path) -> None:
    """A sleeve may be called NO, 1 or null; a key in quotes is no merge key."""
    found = read(tmp_path, 'NO: 1\n7: 2\nnull: 3\n2024-01-01: 4\n"<<": 5\n')

    assert found == {"NO": 1, "7": 2, "null": 3, "2024-01-01": 4, "<<": 5}


def test_a_sleeve_called_no(tmp_path: Path) -> None:
    """Through the schema, and back from what a run writes."""
    path = tmp_path / "mine.yaml"
    universe = "universe: {tickers: [NO-USD], sleeves: {NO: {weight: 1e0, tickers: [NO-USD]}}}"
    path.write_text(f"extends: {STRATEGY}\n{universe}\n", encoding="utf-8")
    config = load_config(path)
    again = tmp_path / "config.yaml"
    again.write_text(yaml_text(config.to_mapping()), encoding="utf-8")

    assert config.universe.sleeve_of == {"NO-USD": "NO"}
    assert load_config(again) == config


@pytest.mark.parametrize("word", ["0x10", "0o10", "0b1", "-0x1F"])
def test_a_number_that_is_not_decimal(tmp_path: Path, word: str) -> None:
    """Neither 16 nor text in silence, and the word itself, which may be a secret, is not shown."""
    said = refusal(tmp_path, f"a: 1\nb:\n  c: {word}\n")

    assert said.startswith(f"{tmp_path}/mine.yaml: is not valid YAML: line 3: ")
    assert "not decimal" in said
    assert word not in said


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12))
@example("1e3")
@example("0x10")
@example("NO")
@example("010")
@example("<<")
@example(".inf")
@example("2024-01-01")
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """As the same text, whatever it looks like."""
    folder = tmp_path_factory.mktemp("yaml")
    content = {"key": text, "number": 1.0e-9, "list": [text, 10]}

    assert read(folder, yaml_text(content)) == content


# -- merge keys and anchors ------------------------------------------------------------------------


def test_merge_keys(tmp_path: Path) -> None:
    """Own keys win wherever they stand; of several mappings the first wins."""
    text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *base, b: 5}
two:
  b: 6
  <<: [*base, *more]
"""
    found = read(tmp_path, text)

    assert found["one"] == {"a": 1, "b": 5}
    assert found["two"] == {"a": 1, "b": 6, "c": 4}


@pytest.mark.parametrize("value", ["7", "[1, 2]", "text"])
def test_a_merge_key_of_no_mapping(tmp_path: Path, value: str) -> None:
    """Says what it takes."""
    assert "line 2: << takes a mapping" in refusal(tmp_path, f"a: 1\n<<: {value}\n")


def test_anchors_that_multiply(tmp_path: Path) -> None:
    """A few lines that stand for a billion values end at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]

    assert f"more than {MOST_NODES} values" in refusal(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a {<<: *a}\n"])
def test_an_anchor_that_holds_itself(tmp_path: Path, text: str) -> None:
    """Endless, and so refused."""
    assert "mine.yaml: is not valid YAML: line 1: " in refusal(tmp_path, text)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\nb: {{ x }}\n", "line 2: a key must be a name"),
        ("a: 1\n[a]: 1\n", "line 2: a key must be a name"),
        ("a: 1\n{a: b}: 1\n", "line 2: a key must be a name"),
        ("? [a]\n: [1]\n", "line 1: a key must be a name"),
        ("a: " + "[" * (MOST_DEPTH + 1) + "\n", f"line 1: nested more than {MOST_DEPTH} deep"),
        ("a: " + "[" * 200_000 + "\n", "deep"),
        ("a: " + "{a: " * 50_000 + "\n", "deep"),
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' stands twice, first on line 1"),
        ("{a: 1, a: 2}\n", "line 1: key 'a' stands twice, first on line 1"),
        ("a: {b: 1,\n b: 1}\n", "line 2: key 'b' stands twice, first on line 1"),
        ("<<: {a: 1}\n<<: {a: 2}\n", "line 2: key '(a key that is no name)' stands twice"),
        ("a: *b\n", "line 1: "),
        ("a: !!binary aGk=\n", "line 1: its tag"),
        ("a: !!timestamp 2024-01-01\n", "line 1: its tag"),
        ("a: !!set {b}\n", "line 1: its tag"),
        ("a: !!python/name:os.system x\n", "line 1: its tag"),
        ("a: !!int x\n", "line 1: its tag"),
        ("a: " + "9" * 5000 + "\n", "line 1: a number of more than"),
        ("a: 1\n---\nb: 2\n", "line 2: "),
        ("a: 'open\n", "line"),
        ("a: \x07\n", "is not valid YAML"),
    ],
)
def test_a_file_that_is_refused(tmp_path: Path, text: str, part: str) -> None:
    """Through the command line: exit 2, the file and the line."""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")

    code, said = decide(tmp_path, path)

    assert code == 2
    assert said.startswith(f"error: {path}: is not valid YAML: ")
    assert part in said


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("run: {warmup_days: 1:30}", "run.warmup_days: got '1:30'; Input should be"),
        ("run:\n  warmup_days: 1e400", "run.warmup_days: got inf"),
        ("run: {warmup_days: 1_000}", "a number is written in plain digits"),
        ("run: {long_only: yes}", "run.long_only: got 'yes'"),
    ],
)
def test_a_value_of_another_kind(tmp_path: Path, text: str, part: str) -> None:
    """The key, what was expected, and its line."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {STRATEGY}\n{text}\n", encoding="utf-8")

    code, said = decide(tmp_path, path)

    assert code == 2
    assert part in said
    assert f"(line {len(text.splitlines()) + 1})" in said


# -- what is never shown ---------------------------------------------------------------------------


def as_config(path: Path) -> tuple[int, str]:
    return command("status", "--config", str(path), "--runs", str(path.parent / "runs"))


def as_base(path: Path) -> tuple[int, str]:
    mine = path.with_name("mine.yaml")
    mine.write_text(f"extends: {path.name}\n", encoding="utf-8")
    return as_config(mine)


def as_grid(path: Path) -> tuple[int, str]:
    return command(
        "sweep", "--config", str(STRATEGY), "--grid", str(path),
        "--candles", str(path.parent), "--out", str(path.parent / "out"),
    )  # fmt: skip


def as_portfolio(path: Path) -> tuple[int, str]:
    return command(
        "decide", "--config", str(STRATEGY), "--portfolio", str(path),
        "--candles", str(path.parent), "--as-of", "2024-03-01",
    )  # fmt: skip


def as_faults(path: Path) -> tuple[int, str]:
    return command("simulator", "--candles", "synthetic", "--faults", str(path))


def as_products(path: Path) -> tuple[int, str]:
    return command("simulator", "--candles", "synthetic", "--products", str(path))


def as_candles(path: Path) -> tuple[int, str]:
    """Name the file as a ticker's candles; the message then names that file."""
    folder = path.with_name("candles")
    folder.mkdir()
    (folder / "BTC-USD.csv").symlink_to(path)
    mine = path.with_name("mine.yaml")
    universe = "{tickers: [BTC-USD], sleeves: {All: {weight: 1.0, tickers: [BTC-USD]}}}"
    mine.write_text(f"extends: {STRATEGY}\nuniverse: {universe}\n", encoding="utf-8")
    code, said = command(
        "backtest", "--config", str(mine), "--candles", str(folder), "--out", str(folder / "out")
    )
    return code, said.replace(str(folder / "BTC-USD.csv"), str(path))


def as_doctor(path: Path) -> tuple[int, str]:
    return command("doctor", "--config", str(path), "--runs", str(path.parent / "runs"))


@pytest.mark.parametrize(
    "reader",
    [as_config, as_base, as_grid, as_portfolio, as_faults, as_doctor, as_products, as_candles],
)
@pytest.mark.parametrize("name", KEY_FILES)
def test_an_api_key_file(tmp_path: Path, name: str, reader: Any) -> None:
    """Is named for what it is, wherever it is taken for another file; nothing of it is shown."""
    path = tmp_path / name
    path.write_text(KEY_FILES[name], encoding="utf-8")

    code, said = reader(path)

    assert code == 2
    assert f"{path}: this is an API key file" in said
    assert not [piece for piece in pieces(SECRET) if piece in said]
    assert "apiKeys" not in said


@pytest.mark.parametrize(
    "text",
    [
        "passphrase: {secret}",
        "exchange: {{passphrase: {secret}}}",
        "exchange: {{kee_file: [{secret}]}}",
        "exchange: [{secret}]",
        "universe: {{sleeves: {{Core: {secret}}}}}",
        "universe: {{sleeves: {{Core: {{weight: 1.0, tickers: [BTC-USD], more: {secret}}}}}}}",
        "extends: [{secret}]",
        "extends: {{key: {secret}}}",
        "{secret}",
        "- {secret}",
        "{secret}: 1",
        "run: {{warmup_days: {secret}}}",
        "passphrase: {secret}\npassphrase: {secret}",
        "passphrase: '{secret}",
        "passphrase: &{secret} *{secret}x",
        "passphrase: !{secret} 1",
        "TF_SMTP_PASS={secret}",
    ],
)
@pytest.mark.parametrize("reader", [as_config, as_grid, as_portfolio, as_faults])
def test_values_of_keys_that_nobody_knows(tmp_path: Path, text: str, reader: Any) -> None:
    """Nor any other text that may be a secret: not with a hint, not in a list, not in an error."""
    path = tmp_path / "file.yaml"
    path.write_text(text.format(secret=SECRET.rstrip("=")) + "\n", encoding="utf-8")

    code, said = reader(path)

    assert code == 2
    assert said.startswith(f"error: {tmp_path}")
    assert not [piece for piece in pieces(SECRET) if piece in said]
