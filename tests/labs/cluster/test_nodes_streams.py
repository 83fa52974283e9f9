"""What kubectl does with a running container, against a real control plane: exec, attach, cp, port-forward."""

from __future__ import annotations

import base64
import functools
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.nodes import spdy
from tests.labs.cluster import waiting

NODES = 2
BACKOFF = "0.5,2"
until = functools.partial(waiting.until, within=20.0)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
SERVER = """
import http.server, os, signal, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * 3000000 if self.path == "/big" else b"hello from the pod"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
print("serving", flush=True)
http.server.ThreadingHTTPServer((os.environ["POD_IP"], 18081), Handler).serve_forever()
"""


def pod(name: str, command: list[str], **container: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [{"name": "main", "image": "host", "command": command, **container}],
        "terminationGracePeriodSeconds": 2, "restartPolicy": container.pop("policy", "Always")}}


@pytest.fixture(scope="module")
def running(kubectl: Kubectl) -> Kubectl:
    """kubectl, when the pods of these tests run."""
    echo = "import sys\nprint('ready', flush=True)\nfor line in sys.stdin: print('heard', line.strip(), flush=True)\n" \
           "print('over', flush=True)"
    terminal = "import os, signal, sys\nsignal.signal(signal.SIGWINCH, lambda *_: print(os.get_terminal_size(), " \
               "flush=True))\nprint(sys.stdin.isatty(), flush=True)\nfor line in sys.stdin: print('read', line)"
    items = [
        pod("web", ["python3", "-u", "-c", SERVER], env=[{"name": "COLOUR", "value": "blue"}], workingDir="/usr",
            ports=[{"containerPort": 18081}]),
        pod("listener", ["python3", "-u", "-c", echo], stdin=True, stdinOnce=True) | {},
        pod("terminal", ["python3", "-u", "-c", terminal], stdin=True, tty=True)]
    items[1]["spec"]["restartPolicy"] = "Never"
    kubectl("apply", "--validate=false", "-f", "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    for name in ("web", "listener", "terminal"):
        until(lambda name=name: kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}").stdout == "Running",
              f"{name} runs")
        until(lambda name=name: kubectl("logs", name).stdout, f"{name} is up")
    return kubectl


def program(kubectl: Kubectl, *more: str) -> list[str]:
    """The command line of kubectl."""
    return [*kubectl("version", "--client").args[:3], *more]


def test_exec_is_inside_the_container(running: Kubectl) -> None:
    said = running("exec", "web", "--", "sh", "-c", "echo $COLOUR; pwd; id -u; echo wrong >&2; exit 3", status=3)
    assert said.stdout.split() == ["blue", "/usr", str(65534 if os.getuid() == 0 else os.getuid())]
    assert said.stderr == "wrong\ncommand terminated with exit code 3\n"
    running("exec", "web", "--", "sh", "-c", "echo x > $HOME/left")
    assert running("exec", "web", "-c", "main", "--", "cat", running(
        "exec", "web", "--", "sh", "-c", "echo $HOME/left").stdout.strip()).stdout == "x\n"


def test_exec_passes_input_on_and_closes_it(running: Kubectl) -> None:
    assert running("exec", "-i", "web", "--", "cat", stdin="one\ntwo\n").stdout == "one\ntwo\n"
    text = "0123456789abcdef" * 2**16       # 1 MiB, more than any buffer on the way
    assert running("exec", "-i", "web", "--", "cat", stdin=text).stdout == text
    assert running("exec", "web", "--", "cat", stdin="not passed on").stdout == ""


@pytest.mark.parametrize(("command", "status", "said"), [
    (["no-such-program"], 1, 'exec: "no-such-program": executable file not found in $PATH'),
    (["/no/such"], 1, 'exec: "/no/such": stat /no/such: no such file or directory'),
    (["sh", "-c", "no-such-program"], 127, "command terminated with exit code 127"),
    (["sh", "-c", "/usr"], 126, "command terminated with exit code 126"),
])
def test_what_cannot_be_executed_is_said_as_upstream(running: Kubectl, command: list[str], status: int,
                                                     said: str) -> None:
    assert said in running("exec", "web", "--", *command, status=status).stderr
    if status == 1:
        assert "OCI runtime exec failed" in running("exec", "web", "--", *command, status=status).stderr


def test_exec_where_there_is_no_container(running: Kubectl) -> None:
    assert "not found" in running("exec", "nobody", "--", "true", status=1).stderr
    assert "container nothere is not valid for pod web" in running("exec", "web", "-c", "nothere", "--", "true",
                                                                   status=1).stderr


class Terminal:
    """kubectl behind a terminal."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.execve(command[0], command, {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm"})
        self.seen = b""

    def until(self, text: bytes) -> None:
        end = time.monotonic() + 15
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 4096)

    def send(self, text: bytes) -> None:
        os.write(self.master, text)

    def end(self) -> int:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                if select.select([self.master], [], [], 0.2)[0]:
                    self.seen += os.read(self.master, 4096)
            except OSError:
                break
        found, status = os.waitpid(self.pid, os.WNOHANG)
        if not found:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def test_exec_with_a_terminal_has_job_control_and_a_size(running: Kubectl, cluster_home: Path) -> None:
    import fcntl
    import struct
    import termios

    terminal = Terminal(program(running, "exec", "-it", "web", "--", "sh"), cluster_home)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    os.kill(terminal.pid, signal.SIGWINCH)
    terminal.send(b"echo up-$TERM\n")
    terminal.until(b"up-xterm")
    terminal.send(b"sleep 60\n")
    time.sleep(0.7)
    terminal.send(b"\x03")
    terminal.send(b"python3 -c 'import os; print(os.get_terminal_size())'; exit 4\n")
    terminal.until(b"columns=77, lines=33")
    assert terminal.end() == 4


def test_attach_shows_what_comes_and_stdin_once_ends_with_the_first(running: Kubectl) -> None:
    said = running("attach", "-i", "listener", stdin="one\ntwo\n")
    assert said.stdout == "heard one\nheard two\nover\n"
    until(lambda: running("get", "pod", "listener", "-o", "jsonpath={.status.phase}").stdout == "Succeeded", "its end")
    assert running("logs", "listener").stdout == "ready\nheard one\nheard two\nover\n"


def test_attach_to_a_terminal(running: Kubectl, cluster_home: Path) -> None:
    assert running("logs", "terminal").stdout == "True\n"
    terminal = Terminal(program(running, "attach", "-it", "terminal"), cluster_home)
    terminal.until(b"columns=")
    terminal.send(b"typed\n")
    terminal.until(b"read typed")
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.end()
    assert running("get", "pod", "terminal", "-o", "jsonpath={.status.containerStatuses[0].restartCount}").stdout == "0"


def test_cp_both_ways(running: Kubectl, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "there").write_bytes(content)
    home = running("exec", "web", "--", "sh", "-c", "echo $HOME").stdout.strip()
    running("cp", str(tmp_path / "there"), f"web:{home}/copied")
    running("cp", f"web:{home}/copied", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


@pytest.fixture
def forwarded(running: Kubectl) -> Iterator[Callable[..., tuple[int, subprocess.Popen[str]]]]:
    """Starts port-forwards, gives the local port of each, and ends them."""
    started: list[subprocess.Popen[str]] = []

    def start(remote: int) -> tuple[int, subprocess.Popen[str]]:
        process = subprocess.Popen(program(running, "port-forward", "pod/web", f":{remote}"), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"Forwarding from 127.0.0.1:(\d+)", line)
        assert found, line
        return int(found[1]), process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def test_port_forward_carries_connections_one_beside_the_other(forwarded: Any) -> None:
    port, _ = forwarded(18081)
    url = f"http://127.0.0.1:{port}"
    open_one = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    with socket.create_connection(("127.0.0.1", port), timeout=10):     # says nothing, and stops nobody
        assert open_one(url, timeout=10).read() == b"hello from the pod"
        assert len(open_one(f"{url}/big", timeout=10).read()) == 3_000_000
        assert open_one(url, timeout=10).read() == b"hello from the pod"


def test_port_forward_to_where_nobody_listens_says_so(forwarded: Any) -> None:
    port, process = forwarded(18082)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        assert connection.recv(10) == b""
    output, _ = process.communicate(timeout=15)
    assert "error forwarding port 18082 to pod web" in output
    assert "connection refused" in output


CLIENT = """
import sys
from kubernetes import client, config, stream
api = client.CoreV1Api(config.new_client_from_config(sys.argv[1]))
streams = dict(stdout=True, stderr=True, stdin=False, tty=False)
print(stream.stream(api.connect_get_namespaced_pod_exec, "web", "default", command=["echo", "hi"], **streams))
opened = stream.stream(api.connect_get_namespaced_pod_exec, "web", "default", command=["sh", "-c", "exit 9"],
                       _preload_content=False, **streams)
opened.run_forever(timeout=10)
print(opened.returncode)
"""


def test_the_python_client_executes_too(running: Kubectl, cluster_home: Path) -> None:
    """It speaks v4.channel.k8s.io."""
    done = subprocess.run([sys.executable, "-c", CLIENT, str(cluster_home / "kubeconfig")], capture_output=True,
                          text=True, timeout=50, check=False)
    assert done.stdout.split() == ["hi", "9"], done.stderr


@pytest.mark.parametrize("protocol", ["channel.k8s.io", "base64.channel.k8s.io", "v4.base64.channel.k8s.io"])
def test_older_protocols_are_spoken(running: Kubectl, cluster_home: Path, protocol: str) -> None:
    """Kubernetes' own end-to-end tests speak the first one."""
    import websocket
    from kubernetes import config

    known = config.new_client_from_config(str(cluster_home / "kubeconfig")).configuration
    query = "command=sh&command=-c&command=echo+hi%3Bexit+3&stdout=1&stderr=1"
    address = f"{known.host.replace('https', 'wss')}/api/v1/namespaces/default/pods/web/exec?{query}"
    opened = websocket.create_connection(address, timeout=20, subprotocols=[protocol], sslopt={
        "ca_certs": known.ssl_ca_cert, "certfile": known.cert_file, "keyfile": known.key_file})
    said: dict[int, bytes] = {}
    while data := opened.recv():
        text = isinstance(data, str)
        channel, content = (int(data[0]), base64.b64decode(data[1:])) if text else (data[0], data[1:])
        assert text == ("base64" in protocol)
        said[channel] = said.get(channel, b"") + content
    opened.shutdown()
    assert said[1] == b"hi\n"
    assert b"exit status 3" in said[3]
    assert (b'"NonZeroExitCode"' in said[3]) == protocol.startswith("v4")


def test_exec_of_somebody_without_the_right_is_refused(running: Kubectl) -> None:
    refused = running("exec", "web", "--as=somebody", "--", "true", status=1)
    assert "cannot" in refused.stderr
    assert "pods" in refused.stderr


# --- the frames of SPDY -----------------------------------------------------------------------------------------


def test_headers_are_compressed_across_frames_as_the_protocol_says() -> None:
    """Both ends keep one state of compression for the whole connection."""
    import struct
    import zlib

    deflate = zlib.compressobj(zdict=spdy.DICTIONARY)
    connection = spdy.Connection()
    for stream in (1, 3):
        words = [b"streamtype", b"data", b"port", b"80"]
        plain = struct.pack("!I", 2) + b"".join(struct.pack("!I", len(each)) + each for each in words)
        block = deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)
        frame = struct.pack("!HHIIIBB", 0x8003, 1, len(block) + 10, stream, 0, 0, 0) + block
        assert connection.receive(frame[:9]) == []
        assert connection.receive(frame[9:]) == [spdy.Opened(stream, {"streamtype": "data", "port": "80"}, False)]
    with pytest.raises(spdy.ProtocolError, match="version 2"):
        connection.receive(struct.pack("!HHI", 0x8002, 6, 0))
    with pytest.raises(spdy.ProtocolError, match="cut off"):
        spdy.Connection().receive(struct.pack("!HHI", 0x8003, 6, 0))
