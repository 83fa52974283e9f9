"""Ports: choosing one, and whose it is."""

import os
import socket
import subprocess
import sys

import pytest

from labs.errors import PermanentError
from labs.services import ports


@pytest.fixture
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_taken_port_is_passed_over(listening):
    assert not ports.is_free(listening)
    assert listening < ports.choose(listening) < listening + ports.SEARCHED


def test_remembered_port_comes_first(listening):
    free = ports.choose(listening)
    assert ports.choose(4566, remembered=free) == free


def test_port_of_another_service_is_not_chosen(listening):
    first = ports.choose(listening)
    assert ports.choose(listening, taken=frozenset({first})) > first


def test_no_free_port_is_an_error_with_a_remedy(listening, monkeypatch):
    monkeypatch.setattr(ports, "SEARCHED", 1)
    with pytest.raises(PermanentError, match="ss -ltnp"):
        ports.choose(listening)


def test_the_listener_is_known_and_others_are_not(listening):
    assert ports.listens(os.getpid(), listening)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        assert not ports.listens(other.pid, listening)
        other.communicate(b"\n")


def test_a_process_that_is_gone_listens_nowhere(listening):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not ports.listens(gone.pid, listening)
