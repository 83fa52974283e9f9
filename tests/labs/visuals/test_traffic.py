"""The way of a request as a picture: what it says of a way that was gone, and of one that ended."""

from __future__ import annotations

from xml.etree import ElementTree

from labs.visuals import Hop, Journey, TrafficPicture
from labs.visuals.traffic import STOPPED, UNREACHED

CAME = Journey("GET https://shop.test/", "req-1", "a" * 32, "200 in 5.0 ms", (
    Hop("browser", "Connection", "127.0.0.1:8443", facts=("TLSv1.3",), ms=1.5, source="its own connection"),
    Hop("cluster", "Service", "shop/web", shown={"kind": "Service", "metadata": {"name": "<web> & co"}}),
    Hop("cluster", "Container", "web :8080", ms=3.5, source="the pod's log")))
ENDED = Journey("GET https://shop.test/", "req-2", "b" * 32, "404 in 2.0 ms", (
    Hop("browser", "Connection", "127.0.0.1:8443", ms=1.0),
    Hop("edge", "Ingress route", "shop.test/", STOPPED, why="no Ingress has a rule for the host <shop.test>"),
    Hop("cluster", "Service", "", UNREACHED)))


def test_every_hop_is_told_with_its_time_and_source() -> None:
    text = TrafficPicture(CAME).text
    assert "[+]  1 browser  Connection         127.0.0.1:8443  1.5 ms\n       TLSv1.3\n" in text
    assert "       (from its own connection)\n[+]  2 cluster" in text
    assert "request id req-1, trace id aaaa" in text
    assert CAME.stopped is None
    assert CAME.summary == "GET https://shop.test/: 200 in 5.0 ms, over 3 hops"


def test_the_end_of_a_way_says_where_and_why() -> None:
    assert ENDED.stopped is ENDED.hops[1]
    assert "The way ended at: Ingress route shop.test/. no Ingress has a rule for" in ENDED.summary
    assert "[x]  2 edge     Ingress route" in TrafficPicture(ENDED).text
    assert "[ ]  3 cluster  Service" in TrafficPicture(ENDED).text


def test_the_widget_gets_the_objects_as_yaml_and_the_looks_of_states() -> None:
    hops = TrafficPicture(ENDED).story["hops"]
    assert [hop["tone"] for hop in hops] == ["allow", "deny", "muted"]
    assert TrafficPicture(CAME).story["hops"][1]["shown"] == "kind: Service\nmetadata:\n  name: <web> & co\n"


def test_the_static_forms_are_beside_the_widget_and_the_svg_is_valid() -> None:
    for journey in (CAME, ENDED):
        picture = TrafficPicture(journey)
        root = ElementTree.fromstring(picture.svg)
        assert root.find("{http://www.w3.org/2000/svg}title").text == journey.summary  # type: ignore[union-attr]
        assert picture.svg == TrafficPicture(journey).svg
        data, _ = picture._repr_mimebundle_()
        assert data["text/plain"] == picture.text
        assert data["image/svg+xml"] == picture.svg


def test_the_longest_hop_has_the_longest_bar() -> None:
    svg = TrafficPicture(CAME).svg
    assert 'width="150" height="4"' in svg
    assert f'width="{150 * 1.5 / 3.5:g}" height="4"' in svg
