"""Services that are started, killed at any moment, and stopped without a trace; all with real processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from labs.errors import PermanentError
from labs.services import catalog, control, launch, supervisor
from labs.services import state as places

REPAIRED_WITHIN = 10.0


def ask(port: int) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def wait_for(condition, what: str, deadline: float = REPAIRED_WITHIN):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"after {deadline} s still not: {what}")


def state(name: str = "tiny") -> control.Status:
    return next(row for row in control.status() if row.name == name)


def test_up_returns_when_the_service_answers(tiny, labs_home):
    said = []
    (context,) = control.up(["tiny"], said.append)
    assert ask(context.port)["home"] == str(labs_home)
    assert places.endpoint("tiny") == context.endpoint
    assert "ready in" in said[-1]
    assert (state().state, state().pid) == ("running", ask(context.port)["pid"])


def test_up_again_leaves_a_running_service_alone(tiny):
    (first,) = control.up(["tiny"])
    pid = ask(first.port)["pid"]
    assert control.up(["tiny"]) == [first]
    assert ask(first.port)["pid"] == pid


def test_needs_start_first(tiny):
    assert [context.name for context in control.up(["second"])] == ["tiny", "second"]
    assert state("tiny").endpoint != state("second").endpoint


def test_parts_start_after_the_whole_and_stop_with_it(tiny):
    control.up(["second"])
    assert [context.name for context in control.up(["whole"])] == ["tiny", "whole", "half"]
    assert sorted(control.down(["whole"])) == ["half", "tiny", "whole"]
    assert {name: state(name).state for name in ("second", "half")} == {"second": "running", "half": "stopped"}
    assert [context.name for context in control.up(["half"])] == ["tiny", "whole", "half"]


def test_down_removes_what_outlives_a_service_also_one_that_was_only_prepared(tiny, labs_home, monkeypatch):
    kept = labs_home / "kept"
    control.up(["keeper", "tiny"])
    assert kept.exists()
    assert control.down(["tiny"]) == ["tiny"]
    assert kept.exists()
    assert control.down(["keeper"]) == ["keeper"]
    assert not kept.exists()
    monkeypatch.setenv("TINY_PREPARED", "1")
    with pytest.raises(PermanentError, match="keeper cannot start"):
        control.up(["keeper"])
    assert kept.exists()
    assert control.down() == ["keeper"]
    assert not kept.exists()
    assert control.down() == []


def test_what_cannot_be_removed_is_said_and_tried_again(tiny, labs_home):
    control.up(["keeper"])
    used = labs_home / "kept.used"
    used.touch()
    with pytest.raises(PermanentError, match="What keeper left could not be removed: it is in use"):
        control.down()
    assert state("keeper").state == "stopped"
    used.unlink()
    assert control.down() == ["keeper"]
    assert not (labs_home / "kept").exists()


def test_services_do_not_inherit_somebodys_aws_settings(tiny, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    (context,) = control.up(["tiny"])
    assert ask(context.port)["aws"] == []


def test_the_supervisor_listens_on_no_port(tiny):
    control.up(["tiny"])
    pid = int((places.home() / "supervisor.pid").read_text())
    opened = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    with open("/proc/net/tcp") as tcp, open("/proc/net/tcp6") as tcp6:
        inodes = {line.split()[9] for line in (*tcp.readlines()[1:], *tcp6.readlines()[1:])}
    assert not opened & {f"socket:[{inode}]" for inode in inodes}
    assert places.short_path("supervisor.sock").stat().st_mode & 0o077 == 0


def test_taken_port_is_avoided_said_and_remembered(tiny):
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        places.make_home()
        places.write_json(places.home() / "endpoints.json", {"tiny": f"http://127.0.0.1:{taken}"})
        (context,) = control.up(["tiny"])
        assert context.port != taken
        control.down()
    assert control.up(["tiny"])[0].port == context.port, "the port stays the same from then on"


def test_two_homes_at_once_get_a_port_each(tiny, tmp_path):
    command = [sys.executable, "-c", "from labs.services import up, endpoint; up(['tiny']); print(endpoint('tiny'))"]
    homes = [str(tmp_path / name) for name in ("one", "two")]

    def run(home: str, code: list[str]) -> str:
        return subprocess.run(code, env={**os.environ, "LABS_HOME": home}, capture_output=True, text=True, check=True,
                              timeout=60).stdout.strip()

    try:
        with ThreadPoolExecutor() as pool:
            first, second = pool.map(lambda home: run(home, command), homes)
        assert first != second
        assert [ask(int(url.rsplit(":", 1)[1]))["home"] for url in (first, second)] == homes
    finally:
        for home in homes:
            run(home, [sys.executable, "-c", "from labs.services import down; down()"])


def test_killed_service_comes_back(tiny):
    (context,) = control.up(["tiny"])
    for _ in range(3):
        pid = ask(context.port)["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda old=pid: ask(context.port)["pid"] != old, "the service answers again")


def test_children_of_a_killed_service_do_not_pile_up(tiny):
    tiny("parent")
    (context,) = control.up(["tiny"])
    for _ in range(2):
        pid = ask(context.port)["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda old=pid: ask(context.port)["pid"] != old, "the service answers again")
    assert len(launch.find(str(places.home()), "tiny")) == 2, "the service and the child of its present run"


@pytest.mark.parametrize("repair", [control.status, control.keep, lambda: control.up(["tiny"])],
                         ids=["status", "keep", "up"])
def test_killed_supervisor_is_recovered(tiny, repair):
    (context,) = control.up(["tiny"])
    old = ask(context.port)["pid"]
    os.kill(int((places.home() / "supervisor.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{old}"), "the kernel ends the unwatched service")
    repair()
    assert wait_for(lambda: ask(context.port)["pid"] != old, "the service answers again, on the same port")
    assert len(launch.find(str(places.home()), "tiny")) == 1


def test_hung_supervisor_is_replaced(tiny, monkeypatch):
    monkeypatch.setattr(supervisor, "ANSWERED_WITHIN", 0.5)
    (context,) = control.up(["tiny"])
    hung = int((places.home() / "supervisor.pid").read_text())
    os.kill(hung, signal.SIGSTOP)
    control.keep()
    assert int((places.home() / "supervisor.pid").read_text()) != hung
    wait_for(lambda: ask(context.port), "the service answers again")


def test_stale_state_of_a_killed_machine_is_no_obstacle(tiny):
    places.make_home()
    (places.home() / "supervisor.pid").write_text(f"{os.getpid()}\n")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(places.short_path("supervisor.sock")))
    (context,) = control.up(["tiny"])
    assert ask(context.port)


def test_crashing_service_fails_with_reason_last_lines_and_log(tiny):
    tiny("crash")
    began = time.monotonic()
    with pytest.raises(PermanentError) as caught:
        control.up(["tiny"])
    assert time.monotonic() - began < 8, "it does not wait for the deadline"
    for part in ("Exited too quickly", "tiny: the disk is on fire", str(places.log_file("tiny"))):
        assert part in str(caught.value)
    assert state().state == "failed"
    tiny("good")
    control.up(["tiny"])
    assert state().state == "running"


def test_service_that_never_answers_fails_at_its_deadline(tiny, monkeypatch):
    tiny("mute")
    service = catalog.find("tiny")
    monkeypatch.setitem(catalog.BUILT_IN, "tiny", catalog.Service(service.name, service.command, service.ready,
                                                                  port=service.port, deadline=1.0))
    with pytest.raises(PermanentError, match=r"not ready after 1\.\d s: GET / on port \d+: .*refused"):
        control.up(["tiny"])
    assert not launch.find(str(places.home()), "tiny"), "a failed service is not left running"


def test_changed_command_line_replaces_the_process(tiny):
    (context,) = control.up(["tiny"])
    old = ask(context.port)["pid"]
    tiny("stubborn")
    assert control.up(["tiny"])[0].port == context.port
    assert ask(context.port)["pid"] != old


@pytest.mark.parametrize("mode", ["good", "parent"])
def test_down_leaves_no_process_and_no_socket(tiny, mode):
    tiny(mode)
    (context,) = control.up(["tiny"])
    assert control.down() == ["tiny"]
    assert launch.find(str(places.home())) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", context.port)) != 0
    assert not (places.home() / "supervisor.sock").exists()
    assert control.down() == [], "and may be repeated"


def test_down_after_the_supervisor_was_killed_leaves_nothing(tiny):
    control.up(["second"])
    os.kill(int((places.home() / "supervisor.pid").read_text()), signal.SIGKILL)
    assert sorted(control.down()) == ["second", "tiny"]
    assert launch.find(str(places.home())) == []


def test_service_that_ignores_sigterm_is_ended_too(tiny):
    tiny("stubborn")
    control.up(["tiny"])
    control.down()
    assert launch.find(str(places.home())) == []


def test_one_service_can_be_stopped(tiny):
    control.up(["second"])
    assert control.down(["second"]) == ["second"]
    assert (state("second").state, state("tiny").state) == ("stopped", "running")


def test_concurrent_ups_start_one_process(tiny):
    command = [sys.executable, "-c", "from labs.services import up; up(['tiny'])"]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert len(launch.find(str(places.home()), "tiny")) == 1


def test_home_with_awkward_characters(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "50% of mine, 'quoted' ünd"))
    try:
        (context,) = control.up(["tiny"])
        assert ask(context.port)["home"] == os.environ["LABS_HOME"]
    finally:
        control.down()


def test_long_home(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path / ("x" * 150)))
    try:
        (context,) = control.up(["tiny"])
        assert ask(context.port)
    finally:
        control.down()
    assert not places._shelf().exists()


def test_unknown_service_names_those_there_are(tiny):
    with pytest.raises(PermanentError, match=r"no service 'tyni'.*\n.*aws.*tiny"):
        control.up(["tyni"])


def test_circle_of_needs_is_named(tiny):
    with pytest.raises(PermanentError, match="loop → loop"):
        control.up(["loop"])


def test_wrong_engine_is_refused_before_anything_starts(labs_home, monkeypatch):
    monkeypatch.setenv("LABS_AWS_ENGINE", "minstack")
    with pytest.raises(PermanentError, match="ministack, moto or localstack"):
        control.up(["aws"])
