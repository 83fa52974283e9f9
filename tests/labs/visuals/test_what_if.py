"""The workbench: an edit is evaluated at once, and a slip is explained, never raised."""

from __future__ import annotations

import json

import pytest

from labs.aws.iam import Policy, PolicySet, PrincipalType, decision_to_dict
from labs.errors import PermanentError
from labs.visuals import what_if

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
DENY = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
TABLES = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}


@pytest.fixture
def bench():
    return what_if()


def word(bench):
    return bench.picture.story["outcome"]["word"]


def test_the_example_is_allowed_until_its_policy_is_taken_away(bench):
    assert (bench.decision.allowed, word(bench)) == (True, "Allowed")
    bench.fields["identity"].value = ""
    assert (bench.decision.allowed, word(bench)) == (False, "Denied")


@pytest.mark.parametrize(
    ("field", "content", "denied_by"),
    [
        ("identity", DENY, "identity-based policy"),
        ("identity", [ALLOW, DENY], "identity-based policy"),
        ("boundary", TABLES, "permissions boundary"),
        ("session", TABLES, "session policy"),
        ("session", [], "session policy"),
        ("scps", TABLES, "service control policy"),
        ("scps", [ALLOW, TABLES], "service control policy"),
        ("scps", [[ALLOW, DENY]], "service control policy"),
        ("vpc_endpoint", {"Statement": {**TABLES["Statement"][0], "Principal": "*"}}, "VPC endpoint policy"),
        (
            "resource_policy",
            {"Version": "2012-10-17", "Statement": {**DENY["Statement"], "Principal": "*"}},
            "resource-based policy",
        ),
    ],
)
def test_each_policy_field_reaches_its_gate(bench, field, content, denied_by):
    bench.fields["identity"].value = json.dumps(ALLOW)
    bench.fields[field].value = json.dumps(content)
    assert bench.problems == {}
    assert bench.decision.denied_by == denied_by
    assert bench.picture.decision == decision_to_dict(bench.decision)


def test_two_policies_in_one_level_are_allowed_by_either(bench):
    bench.fields["scps"].value = json.dumps([[ALLOW, TABLES]])
    assert bench.decision.allowed


def test_a_condition_is_judged_by_the_context_rows(bench):
    office = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    bench.fields["identity"].value = json.dumps(
        {"Version": "2012-10-17", "Statement": [{**ALLOW["Statement"][0], "Condition": office}]}
    )
    assert bench.decision.allowed
    bench.set_context("aws:SourceIp", "192.0.2.1")
    assert not bench.decision.allowed
    bench.set_context("aws:SourceIp", "")
    assert "aws:SourceIp" not in bench.decision.request.context


def test_a_context_value_in_brackets_is_multivalued(bench):
    bench.set_context("aws:TagKeys", '["team", "cost"]')
    assert bench.decision.request.context["aws:TagKeys"] == ("team", "cost")
    bench.set_context("aws:TagKeys", '["team", 7]')
    assert "texts only" in bench.problems["context"]


def test_another_principal_type_brings_its_own_arn_unless_one_was_written(bench):
    bench.fields["principal_type"].value = str(PrincipalType.ROLE)
    assert bench.decision.request.principal.arn.endswith(":assumed-role/deploy/alice")
    assert bench.decision.request.principal.role_arn.endswith(":role/deploy")
    bench.fields["principal_arn"].value = "arn:aws:sts::111122223333:assumed-role/mine/x"
    bench.fields["principal_type"].value = str(PrincipalType.USER)
    assert bench.fields["principal_arn"].value == "arn:aws:sts::111122223333:assumed-role/mine/x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Version":\n  x}', "line 2, column 3"),
        ("{", "line 1, column 2"),
        ('"a text"', "this one is a text"),
        ("[1]", "this one is a number"),
        ("true", "this one is true or false"),
        ('{"Statement": [{"Effect": "Alow", "Action": "s3:*", "Resource": "*"}]}', "AWS would refuse"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_slip_is_explained_beside_its_field_and_the_last_picture_stays(bench, text, message):
    before = bench.picture.text
    bench.fields["identity"].value = text
    assert message in bench.problems["identity"]
    assert message in bench._messages["identity"].value
    assert "Identity-based policies" in bench._status.value
    assert bench.picture.text == before
    bench.fields["identity"].value = json.dumps(DENY)
    assert bench.problems == {}
    assert bench._messages["identity"].value == bench._status.value == ""
    assert word(bench) == "Denied"


def test_a_slip_in_markup_is_shown_as_text(bench):
    bench.fields["identity"].value = json.dumps({**ALLOW, "<img src=x>": 1})
    assert "<img" not in bench._messages["identity"].value


@pytest.mark.parametrize("field", ["action", "resource", "principal_arn", "account", "resource_account"])
@pytest.mark.parametrize("text", ["", ":", "*", "arn:", "${aws:username}", "\x00", "é" * 3000])
def test_no_text_in_a_request_field_raises(bench, field, text):
    bench.fields[field].value = text
    assert bench.picture.svg.startswith("<svg ")
    assert bench.decision.request.action == bench.fields["action"].value.strip()


def test_every_control_is_labelled(bench):
    assert all(field.description for field in bench.fields.values())


def test_a_trust_policy_must_allow_by_itself(bench):
    bench.fields["action"].value = "sts:AssumeRole"
    bench.fields["resource"].value = "arn:aws:iam::111122223333:role/deploy"
    bench.fields["identity"].value = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    )
    assert bench.decision.denied_by == "resource-based policy"


def test_given_policies_keep_their_names_until_they_are_edited():
    given = PolicySet(identity=(Policy(ALLOW, "reader", "arn:aws:iam::111122223333:policy/reader"),), scps=((),))
    bench = what_if(what_if().decision.request, given)
    assert bench.policies.identity == given.identity
    bench.fields["identity"].value = json.dumps(DENY)
    assert bench.policies.identity[0].name == "Identity policy"


def test_a_recorded_request_and_plain_documents_are_taken():
    request = decision_to_dict(what_if().decision)["request"]
    bench = what_if(request, {"identity": ALLOW, "boundary": json.dumps(TABLES)})
    assert bench.decision.denied_by == "permissions boundary"
    assert decision_to_dict(bench.decision)["request"] == request


@pytest.mark.parametrize(("request_", "policies"), [({}, None), (7, None), (None, {"identities": ALLOW})])
def test_another_shape_is_refused_with_what_to_pass(request_, policies):
    with pytest.raises(PermanentError):
        what_if(request_, policies)


def test_the_output_carries_the_pictures_text_and_svg(bench):
    data, _metadata = bench._repr_mimebundle_()
    assert data["text/plain"] == bench.picture.text
    assert data["image/svg+xml"] == bench.picture.svg
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == bench.model_id
