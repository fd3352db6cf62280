"""The file of the mail settings is read as a shell reads it, or said to be wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tf_lib.notify.mail_file import mail_environment, mail_file, read_mail_file

VALUES = st.text(st.sampled_from("abcXYZ019@.:/-_+= #!"), max_size=12)
QUOTES = st.sampled_from(["'", '"'])


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "tf_email.env"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_names_quotes_exports_and_comments(tmp_path: Path) -> None:
    text = (
        "# mail\n\nTF_SMTP_HOST=mail.example.com\n  export TF_SMTP_USER='me'  # who\n"
        'TF_EMAIL_TO="Me Myself <me@example.com>"\nTF_SMTP_PASS=\nPATH=/nowhere\n'
    )
    found, wrong = read_mail_file(written(tmp_path, text))

    assert wrong == []
    assert found == {
        "TF_SMTP_HOST": "mail.example.com",
        "TF_SMTP_USER": "me",
        "TF_EMAIL_TO": "Me Myself <me@example.com>",
        "TF_SMTP_PASS": "",
    }


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=VALUES, quote=QUOTES, is_exported=st.booleans())
def test_values_are_a_shells(tmp_path: Path, value: str, quote: str, is_exported: bool) -> None:
    line = f"{'export ' if is_exported else ''}TF_SMTP_PASS={quote}{value}{quote}"
    file = written(tmp_path, line)
    script = f". '{file}'; printf %s \"$TF_SMTP_PASS\""
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)

    assert read_mail_file(file)[0]["TF_SMTP_PASS"] == shell.stdout


@pytest.mark.parametrize(
    "line", ["TF_SMTP_PASS=two words", "TF_SMTP_PASS=$(date)", 'TF_SMTP_PASS="a$b"', "nonsense"]
)
def test_what_a_shell_would_run_is_not_taken(tmp_path: Path, line: str) -> None:
    """The message names the line and quotes nothing of it."""
    file = written(tmp_path, f"TF_SMTP_PORT=25\n{line}\n")
    found, wrong = read_mail_file(file)

    assert found == {"TF_SMTP_PORT": "25"}
    assert wrong == [f"{file}, line 2: not NAME=value, with quotes around spaces and $"]


def test_a_file_that_others_can_read_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "TF_SMTP_PORT=25\n")
    file.chmod(0o644)

    assert read_mail_file(file) == (
        {"TF_SMTP_PORT": "25"},
        [f"{file}: others can read it; chmod 600"],
    )


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602, 0o622])
def test_a_file_that_others_can_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    """They could have the mails go elsewhere; nothing of it is used."""
    file = written(tmp_path, "TF_SMTP_HOST=evil.example\n")
    file.chmod(mode)
    settings, (wrong,) = read_mail_file(file)

    assert settings == {}
    assert wrong.startswith(f"{file}: others can write it, so it is not believed")
    assert mail_environment({"HOME": str(tmp_path)}) == {"HOME": str(tmp_path)}


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A pipe that nobody writes to, a folder."""
    os.mkfifo(tmp_path / "tf_email.env")
    (tmp_path / "folder").mkdir()

    assert read_mail_file(tmp_path / "tf_email.env")[0] == {}
    assert read_mail_file(tmp_path / "folder") == (
        {},
        [f"{tmp_path}/folder cannot be read: Is a directory"],
    )


def test_what_is_no_text_is_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "tf_email.env"
    file.write_bytes(b"TF_SMTP_PORT=25\n\xff\n")

    assert read_mail_file(file) == ({}, [f"{file} cannot be read: it is not UTF-8 text (byte 17)"])


def test_the_environment_comes_first(tmp_path: Path) -> None:
    written(tmp_path, "TF_SMTP_HOST=a.example\nTF_SMTP_PORT=25\n")
    known = mail_environment({"HOME": str(tmp_path), "TF_SMTP_PORT": "587"})

    assert (known["TF_SMTP_HOST"], known["TF_SMTP_PORT"]) == ("a.example", "587")


def test_no_file_no_home_or_none_wanted(tmp_path: Path) -> None:
    assert read_mail_file(tmp_path / "absent") == ({}, [])
    assert mail_file({}) is None
    assert mail_file({"HOME": "/home/me", "TF_EMAIL_FILE": ""}) is None
    assert mail_environment({}) == {}
