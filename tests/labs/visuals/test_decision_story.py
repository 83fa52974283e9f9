"""The steps told of a decision, and their text and SVG forms."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from labs.aws.iam import Policy
from labs.visuals.story import VERDICTS, tell
from labs.visuals.svg import SHAPES, TONES, as_svg
from labs.visuals.text import as_text

SVG = "{http://www.w3.org/2000/svg}"


def marked(gate, mark):
    return [line["text"].strip() for d in gate["documents"] for line in d["lines"] if line["mark"] == mark]


def by_name(story, name):
    return next(gate for gate in story["gates"] if gate["name"] == name)


def test_gates_keep_the_decisions_order_after_the_deny_check(decision):
    story = tell(decision)
    assert [g["type"] for g in story["gates"]] == ["explicit deny check", *(g["type"] for g in decision["gates"])]


def test_an_explicit_deny_stops_the_walk_at_the_first_gate(make):
    story = tell(make("deny"))
    check, *others = story["gates"]
    assert story["stop"] == 0
    assert (check["word"], check["shape"], check["tone"]) == ("Explicit deny", "octagon", "deny")
    assert {gate["word"] for gate in others} == {"Not reached"}
    assert "OfficeOnly" in check["sentence"]
    lines = marked(check, "decides")
    assert lines[0] == "{"
    assert '"Sid": "OfficeOnly",' in lines
    assert '"Sid": "ReadShop",' not in lines
    assert not any(s["decides"] for gate in others for s in gate["statements"])
    assert "stands in this gate" in by_name(story, "Identity-based policies")["sentence"]


def test_an_implicit_deny_stops_at_the_gate_to_blame_and_marks_what_failed(make):
    story = tell(make("implicit"))
    gate = story["gates"][story["stop"]]
    assert gate["name"] == "Permissions boundary"
    assert gate["word"] == "Implicit deny"
    assert marked(gate, "fails") == ['"Action": "dynamodb:*",']
    assert [g["word"] for g in story["gates"][story["stop"] + 1 :]] == ["Not reached"]
    assert marked(by_name(story, "Identity-based policies"), "decides")[1] == '"Sid": "ReadShop",'


def test_no_policy_at_all_is_an_implicit_deny_of_the_identity_gate(make):
    story = tell(make("nothing"))
    assert story["gates"][story["stop"]]["name"] == "Identity-based policies"
    assert story["outcome"]["word"] == "Denied"


def test_an_allowed_request_passes_every_gate(make):
    story = tell(make("allow"))
    assert story["stop"] is None
    assert all(gate["reached"] for gate in story["gates"])
    assert {"Not reached", "Explicit deny", "Implicit deny"}.isdisjoint(g["word"] for g in story["gates"])


def test_a_resource_policy_that_decides_by_itself_ends_the_walk(make):
    story = tell(make("final"))
    gate = story["gates"][story["stop"]]
    assert (gate["name"], gate["word"]) == ("Resource-based policy", "Final allow")
    assert by_name(story, "Identity-based policies")["word"] == "Not reached"
    assert story["outcome"]["word"] == "Allowed"


def test_one_policy_at_two_levels_is_two_documents_each_with_its_own_marks(make):
    gate = by_name(tell(make("allow")), "Service control policies")
    marks = [{line["mark"] for line in d["lines"] if line["mark"]} for d in gate["documents"]]
    assert marks == [{"decides"}, {"matches"}]
    assert [s["document"] for s in gate["statements"]] == [0, 1]


def test_the_deny_check_reads_denials_of_every_policy_and_marks_the_one_that_matched(make):
    decision = make("deny")
    scp = Policy({"Statement": [{"Sid": "Guard", "Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}, "guard")
    gate = decision["gates"][1]
    gate["documents"].append({"name": "guard", "arn": "", "document": scp.document})
    gate["statements"].append(
        {"policy": "guard", "sid": "Guard", "index": 0, "effect": "Deny", "matched": False, "action": False}
    )
    check = tell(decision)["gates"][0]
    assert [(s["sid"], s["matched"]) for s in check["statements"]] == [("Guard", False), ("OfficeOnly", True)]
    assert [d["name"] for d in check["documents"]] == ["guard", "shop-reader"]
    assert marked(check, "fails") == ['"Action": "iam:*",']


def test_verdicts_differ_in_word_and_shape_not_only_in_colour():
    assert len({word for word, _, _ in VERDICTS.values()}) == len(VERDICTS)
    by_tone = {}
    for word, shape, tone in VERDICTS.values():
        by_tone.setdefault(tone, []).append((word, shape))
    assert all(len(set(pairs)) == len(pairs) for pairs in by_tone.values())
    denials = {shape for _, shape, tone in VERDICTS.values() if tone == "deny"}
    assert denials.isdisjoint(shape for _, shape, tone in VERDICTS.values() if tone == "allow")


def test_a_story_is_json_and_the_decision_is_left_alone(decision):
    before = json.dumps(decision, sort_keys=True)
    assert json.loads(json.dumps(tell(decision))) == tell(decision)
    assert json.dumps(decision, sort_keys=True) == before


@pytest.mark.parametrize(
    ("arn", "short"),
    [
        ("arn:aws:iam::111122223333:user/team/alice", "alice"),
        ("arn:aws:sts::111122223333:assumed-role/deploy/ci", "deploy/ci"),
        ("arn:aws:iam::111122223333:root", "root user"),
        ("*", "anybody"),
        ("sns.amazonaws.com", "sns.amazonaws.com"),
    ],
)
def test_a_caller_is_called_by_a_name_a_person_would_say(make, arn, short):
    decision = make("nothing")
    decision["request"]["principal"]["arn"] = arn
    assert tell(decision)["request"]["short"] == short


# ---------------------------------------------------------------- text


def test_the_text_form_holds_the_whole_trace(decision):
    story, text = tell(decision), as_text(tell(decision))
    request = decision["request"]
    for part in (request["principal"]["arn"], request["action"], request["resource"], "aws:SourceIp = "):
        assert part in text
    assert decision["message"] in text
    for gate in story["gates"]:
        assert f"{gate['name']}: {gate['word'].upper()}" in text
    for gate in decision["gates"]:
        for statement in gate["statements"]:
            assert statement["why"] in text
    assert text.count("<- decided here") == (story["stop"] is not None)


def test_the_text_form_points_at_the_deciding_lines(make):
    pointed = [line for line in as_text(tell(make("deny"))).splitlines() if line.lstrip().startswith(">")]
    assert '"Sid": "OfficeOnly",' in pointed[1]
    assert not any("ReadShop" in line for line in pointed)


# ---------------------------------------------------------------- SVG


def test_the_svg_is_well_formed_and_named_for_those_who_cannot_see_it(decision):
    story = tell(decision)
    root = ET.fromstring(as_svg(story))
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]
    assert story["outcome"]["word"] in title.text
    for gate in story["gates"]:
        assert gate["announcement"] in desc.text
    texts = [node.text for node in root.iter(f"{SVG}text")]
    for n, gate in enumerate(story["gates"], start=1):
        assert f"{n}  {gate['name']}" in texts
        assert gate["word"] in texts


def test_the_svg_marks_the_deciding_statement(make):
    root = ET.fromstring(as_svg(tell(make("deny"))))
    assert "decides" in [node.text for node in root.iter(f"{SVG}text")]
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("width") == "4" and r.get("fill") == TONES["deny"][0]]
    sid = next(float(t.get("y")) for t in root.iter(f"{SVG}text") if t.text and '"OfficeOnly"' in t.text)
    other = next(float(t.get("y")) for t in root.iter(f"{SVG}text") if t.text and '"ReadShop"' in t.text)
    tops = [float(bar.get("y")) for bar in bars]
    assert any(top < sid <= top + 18 for top in tops)
    assert not any(top < other <= top + 18 for top in tops)


def test_the_svg_stays_inside_its_box_and_rows_do_not_overlap(decision):
    root = ET.fromstring(as_svg(tell(decision)))
    _, _, width, height = map(float, root.get("viewBox").split())
    for node in root.iter(f"{SVG}text"):
        x, y, size = float(node.get("x")), float(node.get("y")), float(node.get("font-size"))
        assert 0 < y < height
        if node.get("text-anchor") != "end":
            assert x + len(node.text or "") * size * 0.5 <= width, node.text
    ys = [float(g.get("transform").split()[1].rstrip(")")) for g in root.iter(f"{SVG}g")][1:]
    assert all(b - a >= 29 for a, b in pairwise(ys))


def test_the_svg_is_the_same_bytes_each_time_and_its_ids_differ_between_pictures(make):
    assert as_svg(tell(make("deny"))) == as_svg(tell(make("deny")))
    ids = {ET.fromstring(as_svg(tell(make(n)))).get("aria-labelledby") for n in ("deny", "allow", "final")}
    assert len(ids) == 3


def test_markup_in_a_policy_is_shown_not_obeyed(make):
    decision = make("deny")
    evil = '<script>alert("&")</script>'
    decision["request"]["resource"] = evil
    decision["gates"][4]["documents"][0]["name"] = evil
    root = ET.fromstring(as_svg(tell(decision)))
    assert not list(root.iter(f"{SVG}script"))
    assert any(evil in (t.text or "") for t in root.iter(f"{SVG}text"))


def test_a_control_character_in_a_name_leaves_the_svg_well_formed(make):
    decision = make("deny")
    decision["request"]["principal"]["arn"] = "arn:aws:iam::111122223333:user/a\x00b\x1b"
    ET.fromstring(as_svg(tell(decision)))


def test_a_long_document_is_cut_to_a_window_around_what_decided(make):
    decision = make("deny")
    gate = next(g for g in decision["gates"] if g["type"] == "identity-based policy")
    filler = [{"Sid": f"S{n}", "Effect": "Allow", "Action": "ec2:*", "Resource": "*"} for n in range(40)]
    document = gate["documents"][0]["document"]
    gate["documents"][0]["document"] = {**document, "Statement": [*filler, *document["Statement"]]}
    for statement in gate["statements"]:
        statement["index"] += 40
    texts = [t.text or "" for t in ET.fromstring(as_svg(tell(decision))).iter(f"{SVG}text")]
    assert any('"OfficeOnly"' in text for text in texts)
    assert not any('"S1"' in text for text in texts)
    assert any("more lines" in text for text in texts)


def test_every_shape_is_drawn():
    assert {shape for _, shape, _ in VERDICTS.values()} <= SHAPES.keys()


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("tone", TONES)
def test_svg_text_contrasts_with_what_it_stands_on(tone):
    ink, fill = TONES[tone]
    for ground in (fill, "#ffffff"):
        high, low = sorted((_luminance(ink), _luminance(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5
