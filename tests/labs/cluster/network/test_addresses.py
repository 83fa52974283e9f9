"""Addresses and their ends on loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.cluster.network import addresses
from labs.cluster.network.addresses import Ranges


@pytest.mark.parametrize(("address", "end"), [
    ("10.244.1.7", "127.244.1.7"), ("10.96.0.1", "127.96.0.1"), ("127.0.0.1", "127.0.0.1"), ("10.1.2.3", "10.1.2.3")])
def test_an_address_of_the_cluster_has_its_end_on_loopback(address: str, end: str) -> None:
    assert Ranges().end(address) == end
    assert Ranges().shown(end) == address


def test_a_second_cluster_takes_other_ends_and_both_keep_theirs(tmp_path: Path) -> None:
    one, door = addresses.claim(tmp_path / "one")
    two, other = addresses.claim(tmp_path / "two")
    try:
        assert one.offset != two.offset
        assert two.end("10.244.3.4") != one.end("10.244.3.4")
        assert two.shown(two.end("10.244.3.4")) == "10.244.3.4"
    finally:
        door.close()
        other.close()
    again, door = addresses.claim(tmp_path / "two")
    door.close()
    assert again == two
    assert json.loads((tmp_path / "two").read_text())["pods"] == two.pods


def test_ports_of_the_system_are_moved_and_no_others() -> None:
    assert [addresses.port(each) for each in (0, 1, 80, 1023, 1024, 8080)] == [0, 30001, 30080, 31023, 1024, 8080]


def test_what_a_restart_finds_spoilt_is_chosen_anew(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{")
    _, door = addresses.claim(tmp_path / "network.json")
    door.close()
