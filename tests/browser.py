"""A real Chromium for the tests that look at a page: the one of ``$CHROMIUM``, or the one on PATH."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="no chromium on PATH (name one in $CHROMIUM), or no playwright (dev dependency)",
)


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """Playwright's ``Browser`` without a window; it is closed at the end.

    :param flags: more command-line switches of Chromium
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()
