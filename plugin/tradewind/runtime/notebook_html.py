"""An executed notebook as one HTML page, for people who have no Jupyter at hand.

nbconvert makes the better pages and is used where it is installed; it is large, and nobody should have to
install it to look at a failed step. What a browser must not run is not passed on: HTML that a cell has shown
is put into a frame without scripts.
"""

from __future__ import annotations

import html
import importlib
import json
import re
from typing import Any

__all__ = ["page"]

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1a1a1a}"
    "pre{font:13px/1.45 ui-monospace,monospace;margin:.4em 0;padding:.6em}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}"
    "pre.code{background:#f4f5f7;border-left:3px solid #7a8699}pre.error{background:#fdecea}"
    "pre.text{border-left:3px solid #dfe3e8}img{max-width:100%}"
    "iframe{width:100%;height:24em;border:1px solid #dfe3e8}"
)


def page(notebook: Any, title: str) -> str:
    """Return the page.

    Args:
        notebook: as nbformat has it, version 4.
        title: of the page.
    """
    try:
        exporter = importlib.import_module("nbconvert").HTMLExporter()
    except ImportError:
        return plain_page(notebook, title)
    exporter.embed_images = True
    made: str = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})[0]
    return made


def plain_page(notebook: Any, title: str) -> str:
    """The page without nbconvert: Markdown stays text."""
    body = "\n".join(cell_html(cell) for cell in notebook["cells"])
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head><body><h1>{name}</h1>\n{body}\n</body></html>\n"
    )


def cell_html(cell: Any) -> str:
    source = text_of(cell.get("source", ""))
    if cell.get("cell_type") != "code":
        return block("text", source)
    return "\n".join([block("code", source), *(output_html(each) for each in cell.get("outputs", ()))])


def output_html(output: Any) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return block("text", text_of(output.get("text", "")))
    if kind == "error":
        return block("error", text_of(output.get("traceback", ()), "\n"))
    data = output.get("data", {})
    for image in ("image/png", "image/jpeg"):
        if image in data:
            content = html.escape(text_of(data[image]).replace("\n", ""))
            return f'<img alt="output" src="data:{image};base64,{content}">'
    if "text/html" in data:
        # An empty sandbox: no scripts, no forms, an origin of its own.
        return f'<iframe sandbox srcdoc="{html.escape(text_of(data["text/html"]))}"></iframe>'
    for form in ("text/markdown", "text/plain"):
        if form in data:
            return block("text", text_of(data[form]))
    return block("text", json.dumps(data, indent=2, ensure_ascii=False, default=str))


def block(kind: str, text: str) -> str:
    return f'<pre class="{kind}">{html.escape(ANSI.sub("", text))}</pre>'


def text_of(given: Any, separator: str = "") -> str:
    """Notebooks hold text as such, or as a list of lines."""
    return given if isinstance(given, str) else separator.join(str(line) for line in given)
