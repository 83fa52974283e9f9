"""The widget object: its MIME parts, where its decision comes from, and what is said when there is none."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import nbformat
import pytest
from botocore.exceptions import ClientError
from nbconvert import HTMLExporter

from labs.aws.iam import decision_from_dict
from labs.errors import PermanentError
from labs.visuals import explain, policy_evaluation
from labs.visuals.picture import PolicyEvaluation

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_importing_the_package_loads_no_widgets_and_no_boto3():
    code = "import sys, labs.visuals; print([m for m in ('ipywidgets', 'anywidget', 'boto3') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"


def test_an_unknown_name_is_refused_with_the_names_there_are():
    import labs.visuals

    with pytest.raises(AttributeError, match="policy_evaluation"):
        labs.visuals.nothing_like_this  # noqa: B018 - the attribute access is the test


def test_the_public_names_stay_functions_after_their_modules_are_loaded():
    import labs.visuals

    assert callable(labs.visuals.policy_evaluation)
    assert callable(labs.visuals.what_if)


def test_the_output_carries_widget_text_and_svg(decision):
    picture = policy_evaluation(decision)
    data, _metadata = picture._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == picture.model_id
    assert data["text/plain"] == picture.text == str(picture)
    assert data["image/svg+xml"].startswith("<svg ")


def test_nbconvert_shows_the_svg_where_no_widget_state_was_saved(make):
    data, metadata = policy_evaluation(make("deny"))._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("picture", outputs=[output])])
    html, _resources = HTMLExporter().from_notebook_node(notebook)
    assert "s3:GetObject by deploy/ci: Denied" in html or "data:image/svg+xml;base64," in html
    assert "PolicyEvaluation object" not in html


def test_setting_a_decision_redraws_and_keeps_the_step_within_the_walk(make):
    picture = policy_evaluation(make("deny"))
    picture.step = 99
    picture.decision = make("allow")
    assert picture.story["outcome"]["word"] == "Allowed"
    assert picture.step == len(picture.story["gates"]) + 1


@pytest.mark.parametrize("wrap", [decision_from_dict, lambda d: {"decision": d, "call": {}, "time": ""}, dict])
def test_a_decision_is_taken_in_each_of_its_forms(make, wrap):
    decision = make("deny")
    assert explain(wrap(decision)).text == PolicyEvaluation(decision).text


@pytest.mark.parametrize("wrong", [7, "text", {}, {"decision": {}}, []])
def test_something_that_is_no_decision_is_refused(wrong):
    with pytest.raises(PermanentError, match="no decision"):
        policy_evaluation(wrong)


def test_an_error_without_a_request_id_cannot_be_explained():
    with pytest.raises(PermanentError, match="no request id"):
        explain(ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"))


def test_an_endpoint_that_does_not_answer_is_named_with_what_to_do():
    with pytest.raises(PermanentError, match=r"127\.0\.0\.1:9.*\n.*lab up aws"):
        policy_evaluation(request_id="abc", endpoint="http://127.0.0.1:9")


@pytest.fixture
def stranger():
    """Somebody else's server: what ``AWS_ENDPOINT_URL`` may name by mistake.  Set ``status`` and ``body`` on it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[]"), (200, b"{}"), (404, b"gone"), (404, b"[]"), (500, b'{"error": "x"}'), (302, b"")],
)
def test_a_server_that_is_not_the_gateway_is_told_apart_from_one_without_denials(stranger, status, body):
    stranger.status, stranger.body = status, body
    with pytest.raises(PermanentError, match="not the lab's gateway"):
        policy_evaluation(request_id="abc", endpoint=f"http://127.0.0.1:{stranger.server_port}")
