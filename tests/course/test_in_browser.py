"""What a learner does: start the course, run b1 or e5 top to bottom, see the picture, fail a check, repair, pass.

A real Chromium drives the JupyterLab that ``scripts/start`` opens.  With ``SCREENSHOTS=DIR`` it leaves pictures there.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser import chromium, needs_chromium
from tests.programs import CLUSTER, need

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "b_iam_security/b1_policy_evaluation.ipynb"
INCIDENT = "e_kubernetes/e5_incident_room.ipynb"
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    needs_chromium,
]


@pytest.fixture
def course(labs_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL that ``scripts/start`` prints, for a workspace of its own."""
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Cells outside the window are otherwise not in the page.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    command = [ROOT / "scripts" / "start", "--no-browser", "--workspace", tmp_path / "workspace", "--port", "8999"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("ready: "):
            break
    else:
        pytest.fail(f"scripts/start ended with {process.wait()}: {said}")
    yield line.removeprefix("ready: ").strip()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.fixture
def page(course: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """JupyterLab with b1 (or the notebook that the test asks for) open, its kernel ready."""
    notebook = getattr(request, "param", NOTEBOOK)
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 1500})
        opened.set_default_timeout(60_000)
        address, _, token = course.partition("?")
        opened.goto(f"{address.partition('/lab/')[0]}/lab/tree/{notebook}?{token}")
        opened.locator(".jp-Notebook .jp-Cell").first.wait_for()
        opened.locator('.jp-NotebookPanel [data-status="idle"]').first.wait_for(state="attached")
        yield opened


def picture(page: Any, name: str) -> None:
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/{name}.png")


def run_all(page: Any) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def cell(page: Any, text: str) -> Any:
    """The code cell whose source holds ``text``."""
    return page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea-editor", has_text=text)).first


def solution(grade_id: str, notebook_path: str = NOTEBOOK) -> str:
    notebook = nbformat.read(ROOT / "notebooks" / notebook_path, as_version=4)
    (source,) = (c.source for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)
    return str(source).replace("### BEGIN SOLUTION\n", "").replace("\n### END SOLUTION", "")


def test_a_learner_runs_b1_sees_why_fails_repairs_and_passes(page: Any) -> None:
    for instructors in ("Nbgrader", "Validate", "Create Assignment"):
        assert page.get_by_text(instructors, exact=True).count() == 0
    run_all(page)
    outputs = page.locator(".jp-OutputArea-output")
    check = cell(page, 'check("b1-q2")')
    check.get_by_text("✗").first.wait_for()
    page.locator(".pe-stage").first.wait_for()
    widget = page.locator(".pe").first
    widget.scroll_into_view_if_needed()
    assert outputs.get_by_text("AccessDenied").count() > 0, "the live endpoint said no"
    step = widget.locator('[aria-current="step"]')
    step.focus()
    seen = [step.get_attribute("aria-label")]
    while widget.get_by_role("button", name="Forward").is_enabled():
        page.keyboard.press("ArrowRight")
        seen.append(step.get_attribute("aria-label"))
        assert seen[-1] != seen[-2], "the request walks on by key"
    assert widget.get_by_text("identity-based policy").count() > 0
    picture(widget, "1-widget")
    check.scroll_into_view_if_needed()
    picture(page, "2-failed-check")

    answer = cell(page, "policy = {}")
    answer.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(solution("b1-q2-answer"))
    page.keyboard.press("Shift+Enter")
    check.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    check.get_by_text("✓ passed").first.wait_for()
    check.scroll_into_view_if_needed()
    picture(page, "3-passed-check")
    assert check.get_by_text("✗").count() == 0


@pytest.fixture
def programs_of_the_cluster() -> None:
    need(*CLUSTER)


def rewrite(page: Any, answer: Any, source: str) -> None:
    """Put another source into a cell and run it."""
    answer.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")


@pytest.mark.parametrize("page", [INCIDENT], indirect=True, ids=["e5"])
def test_a_learner_sees_the_incident_names_the_causes_and_repairs(programs_of_the_cluster: None, page: Any) -> None:
    page.set_default_timeout(240_000)
    run_all(page)
    check = cell(page, 'check("e5-q1")')
    check.get_by_text("✗").first.wait_for()
    view = page.locator(".cv").first
    view.scroll_into_view_if_needed()
    assert view.locator(".cv-node").count() >= 4, "three nodes and the lab's own"
    assert view.locator(".cv-pod").count() >= 6
    outputs = page.locator(".jp-OutputArea-output")
    assert outputs.get_by_text("no matches for kind").count() > 0, "the API server refused the old manifest"
    picture(view, "4-incident")

    rewrite(page, cell(page, "causes = dict.fromkeys"), solution("e5-q1-answer", INCIDENT))
    check.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    check.get_by_text("✓ passed").first.wait_for()
    picture(page, "5-causes")

    repair = cell(page, 'check("e5-q2")')
    rewrite(page, cell(page, "repairs = {}"), solution("e5-q2-answer", INCIDENT))
    repair.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    repair.get_by_text("✓ passed").first.wait_for()
    picture(page, "6-repaired")
