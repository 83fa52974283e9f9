"""Markdown of a submission as HTML that runs nothing: in feedback files and in formgrader."""

from __future__ import annotations

from typing import Any

import bleach
from jinja2 import pass_context
from markupsafe import Markup
from nbconvert.filters import markdown2html_mistune

TAGS = frozenset({
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "table", "tbody",
    "td", "th", "thead", "tr", "tt", "u", "ul",
})  # fmt: skip
ATTRIBUTES = {"*": ["class"], "a": ["href", "title"], "abbr": ["title"], "td": ["align"], "th": ["align"]}
PROTOCOLS = frozenset({"http", "https", "mailto"})


@pass_context
def markdown2html(context: Any, source: str) -> Markup:
    """Takes the place of nbconvert's filter of this name: the same HTML, of harmless tags and attributes only.

    Scripts, event handlers, ``javascript:`` links, pictures, frames and forms become text, or go; mathematics stays.
    """
    cleaned = bleach.clean(markdown2html_mistune(source), tags=TAGS, attributes=ATTRIBUTES, protocols=PROTOCOLS)
    return Markup(cleaned)
