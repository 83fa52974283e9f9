"""The JavaScript and the style of a widget, as anywidget takes them."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def module(name: str) -> str:
    """``NAME.js`` of this folder behind ``elements.js``: a widget's text is loaded by itself and can import no file."""
    return "".join((_HERE / file).read_text(encoding="utf-8") for file in ("elements.js", f"{name}.js"))


def style(name: str) -> Path:
    """``NAME.css`` of this folder."""
    return _HERE / f"{name}.css"
