"""Somebody buys something, with a real Chromium and no JavaScript.  ``SCREENSHOTS=DIR`` leaves pictures there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import chromium, needs_chromium
from tests.labs.shop.conftest import environment_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    needs_chromium,
]


@pytest.fixture
def page(run_shop: Any, login: dict[str, str]) -> Iterator[Any]:
    """The shop's first page, on PostgreSQL."""
    backend = run_shop(**environment_of(login))
    frontend = run_shop("frontend", SHOP_BACKEND_URL=backend.url, SHOP_BACKEND_SECONDS="10")
    with chromium() as browser:
        context = browser.new_context(java_script_enabled=False, viewport={"width": 900, "height": 700})
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.problems = []
        opened.on("console", lambda message: opened.problems.append(message.text) if message.type == "error" else None)
        opened.goto(frontend.url)
        yield opened


def picture(page: Any, name: str) -> None:
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/shop-{name}.png")


def test_somebody_buys_something_without_javascript(page: Any) -> None:
    picture(page, "products")
    page.get_by_role("button", name="Put Espresso cup into the basket").click()
    page.get_by_role("link", name="Products").click()
    page.get_by_role("link", name="Scale").click()
    page.get_by_label("How many").fill("2")
    page.get_by_role("button", name="Into the basket").click()
    page.get_by_label("How many of Espresso cup", exact=True).fill("3")
    page.get_by_role("button", name="Change how many of Espresso cup").click()
    assert page.get_by_text("107.70 €").is_visible()
    picture(page, "basket")
    page.get_by_role("button", name="Buy").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    assert page.get_by_text("3 × Espresso cup").is_visible()
    picture(page, "order")
    page.go_back()  # and buys again by mistake: the basket is gone
    page.goto(page.url)
    assert not page.problems  # the content security policy hinders none of our own pages
