#!/usr/bin/env bash
# papermill 2.7.0 reads the text of a parameter in two ways, by the option it comes with.
#
# `-p name value` goes through int() and float(), `-y 'name: value'` through YAML 1.1. So 010 is
# 10 with the one and 8 with the other, 1:30 a text or ninety, 1e3 a number or a text; and 1_000
# is a thousand with both. A ticker or an account called nan or infinity becomes a float with -p.
# Seen: the table that is printed.
# Exit code 0 while it is so, 1 when it has changed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check papermill==2.7.0
"$folder/env/bin/python" - <<'PYTHON'
import yaml
from papermill.cli import _resolve_type

expected = {
    "010": ("10", "8"),
    "1:30": ("'1:30'", "90"),
    "1e3": ("1000.0", "'1e3'"),
    "0x10": ("'0x10'", "16"),
    "1_000": ("1000", "1000"),
    "nan": ("nan", "'nan'"),
    "no": ("'no'", "False"),
}
seen = {
    text: (repr(_resolve_type(text)), repr(yaml.safe_load(f"x: {text}")["x"])) for text in expected
}
for text, (with_p, with_y) in seen.items():
    print(f"{text:6} -p {with_p:8} -y {with_y}")
raise SystemExit(seen != expected)
PYTHON
