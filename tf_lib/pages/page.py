"""
Page: one offline HTML page around a body; everything it needs is inside it.

No script, no font and no style is fetched, so that a page opens from a disk, a mail or a phone.
"""

from __future__ import annotations

import os
import re
from html import escape, unescape
from pathlib import Path

from tf_lib.text.glossary import TITLE, explained

_TAG = re.compile(r"<[^>]*>")

CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #222;
       max-width: 68rem; margin: 0 auto; padding: 1rem; background: #fff; }
h1 { font-size: 1.5rem; margin: 0.4em 0; } h2 { font-size: 1.15rem; margin: 1.8em 0 0.3em; }
p { margin: 0.4em 0; max-width: 46rem; }
a { color: #0072b2; }
img { max-width: min(100%, 46rem); height: auto; display: block; margin: 0.6em 0; }
table { border-collapse: collapse; font-size: 0.84rem; font-variant-numeric: tabular-nums;
        margin: 0.5em 0; }
th, td { padding: 0.25em 0.7em 0.25em 0; border-bottom: 1px solid #e8e8e8; white-space: nowrap;
         vertical-align: top; }
th { color: #6b6b6b; font-weight: 600; }
td:last-child { white-space: normal; min-width: 12em; }
.tf-table td:first-child { position: sticky; left: 0; background: #fff; }
pre { font-size: 0.8rem; overflow-x: auto; margin: 0.3em 0; white-space: pre-wrap; }
.tf-scroll { overflow-x: auto; }
.tf-failed { border-left: 6px solid #d55e00; background: #fdeadd; padding: 0.7em 1em;
             margin: 0.6em 0; }
.tf-quiet { color: #6b6b6b; font-size: 0.85rem; }
details { margin-top: 2.5em; } dt { font-weight: 600; } dd { margin: 0 0 0.5em 1.2em; }
tr.bad td, tr.bad td:first-child { background: #fde3d3; }
tr.warn td, tr.warn td:first-child { background: #fff4d6; }
@media print { body { max-width: none; } }
"""


def write_page(path: Path, title: str, body: str) -> None:
    """
    Write a whole page around a body: beside, then renamed, so that no half page is seen.

    Below it stands, folded, what the words mean that it uses.
    """
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n{body}\n{_words_of(body)}</body>\n</html>\n"
    )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _words_of(body: str) -> str:
    """Return the entries of the glossary that a body uses, or nothing."""
    found = explained(unescape(_TAG.sub(" ", body)))
    entries = "".join(
        f"<dt>{escape(entry)}</dt><dd>{escape(means)}</dd>\n" for entry, means in found
    )
    if not found:
        return ""
    return f'<details class="tf-quiet"><summary>{TITLE}</summary>\n<dl>{entries}</dl></details>\n'
