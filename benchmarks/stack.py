"""What everything together takes: ``python benchmarks/stack.py [--seconds N]``, from a clone whose environment is made.

Starts the course as a learner does (``lab start``: JupyterLab, AWS, the grader), one kernel that has imported what
notebooks import, the cluster with its three nodes, the ingress, DNS, and the shop with two pods of each role behind an
Ingress; asks for a page through it; then prints, by who it is, the proportional set size (PSS), and of everything
the share of one core while nobody does anything.  All in a state folder of its own, which is gone afterwards.
In the container that is like Binder's: ``docs/binder.md``.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import websocket

from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import Cluster
from labs.scenarios.shop_on_cluster import Shop

ROOT = Path(__file__).resolve().parents[1]
LAB = [sys.executable, "-m", "labs.cli"]
TICKS = os.sysconf("SC_CLK_TCK")
MEMORY_GOAL, IDLE_GOAL = 1100, 10
PATIENCE = 180.0
HOST = "shop.test"
STARTED = ("kubernetes", "ingress", "dns")
IMPORTS = "import boto3, ipywidgets\nfrom labs import aws, check, lab, visuals"


@contextlib.contextmanager
def course(workspace: Path) -> Iterator[tuple[str, int]]:
    """JupyterLab's address with its token, and the process to end."""
    command = [*LAB, "start", "--no-browser", "--workspace", str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("ready: "):
                break
        else:
            raise SystemExit(f"lab start ended with {process.wait()}")
        yield line.split()[1], process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()


def kernel(address: str) -> None:
    """Have JupyterLab start one, and run the imports of a notebook in it."""
    base, _, token = address.partition("?token=")
    server = re.match(r"https?://[^/]+", base)
    assert server is not None
    with httpx.Client(base_url=server[0], headers={"Authorization": f"token {token}"}, timeout=60) as jupyter:
        made = jupyter.post("/api/kernels", json={"name": "python3"}).raise_for_status().json()
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "1", "username": "", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell",
               "content": {"code": IMPORTS, "silent": False}}
    url = f"{server[0].replace('http', 'ws', 1)}/api/kernels/{made['id']}/channels?token={token}"
    with contextlib.closing(websocket.create_connection(url, timeout=PATIENCE)) as channels:
        channels.send(json.dumps(message))
        said: dict[str, Any] = {}
        while said.get("msg_type") != "execute_reply":
            said = json.loads(channels.recv())
        if said["content"]["status"] != "ok":
            raise SystemExit(f"the kernel says {said['content']}")


def shop(home: Path) -> None:
    """Two pods of each role behind an Ingress, and a page through it."""
    space = Cluster(home / "kubeconfig").space("shop")
    space.make()
    made = Shop(space)
    made.apply(store="memory", replicas={"backend": 2, "frontend": 2})
    made.wait()
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "frontend", "port": {"name": "http"}}}}
    space.apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop"}, "spec": {
        "ingressClassName": "traefik", "rules": [{"host": HOST, "http": {"paths": [path]}}]}})
    listeners = Listeners.read(home)
    end = time.monotonic() + PATIENCE
    while (answer := httpx.get(f"http://127.0.0.1:{listeners.http}/", headers={"Host": HOST})).status_code != 200:
        if time.monotonic() > end:
            raise SystemExit(f"the shop answers {answer.status_code} through the ingress")
        time.sleep(0.1)


def everybody(home: Path, first: int) -> dict[int, str]:
    """Pid → whose it is: what carries the home's mark, the course's own process, and what is below them."""
    parents, marks = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                pid = int(entry.name)
                parents[pid] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                environment = dict(each.partition("=")[::2] for each in (entry / "environ").read_text().split("\0"))
                if environment.get("LABS_SERVICE_OF") == str(home):
                    marks[pid] = environment.get("LABS_SERVICE", "supervisor")
    marks[first] = "jupyter"
    found = {}
    for pid in parents:
        above = pid
        while above and above not in marks:
            above = parents.get(above, 0)
        if above:
            found[pid] = marks[above]
    return found


def pss(pid: int) -> float:
    """Of a process, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def measured(pids: Mapping[int, str]) -> dict[str, tuple[float, float, int]]:
    """By whose it is: PSS in MB, seconds of processor time used so far by those that run, and processes."""
    found: dict[str, tuple[float, float, int]] = collections.defaultdict(lambda: (0.0, 0.0, 0))
    for pid, name in pids.items():
        with contextlib.suppress(OSError):
            memory = pss(pid)
            used = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / TICKS
            before = found[name]
            found[name] = (before[0] + memory, before[1] + used, before[2] + 1)
    return dict(found)


def described(pid: int, name: str) -> str:
    """PSS in MB, whose it is, and the command of a process."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return f"{pss(pid):7.1f} {name:24} {command[:160]}"
    return "0 gone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of idleness")
    parser.add_argument("--processes", action="store_true", help="list each, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        home = Path(folder, "home")
        os.environ |= {"LABS_HOME": str(home), "PYTHONPATH": str(ROOT)}
        try:
            with course(Path(folder, "workspace")) as (address, process):
                kernel(address)
                subprocess.run([*LAB, "up", *STARTED], check=True, timeout=600)
                shop(home)
                time.sleep(10)      # start-up is over
                before = measured(everybody(home, process))
                time.sleep(options.seconds)
                after = measured(pids := everybody(home, process))
                told = {pid: described(pid, name) for pid, name in pids.items()} if options.processes else {}
        finally:
            subprocess.run([*LAB, "down"], check=False, timeout=120)
    for pid, text in sorted(told.items(), key=lambda item: -float(item[1].split()[0])):
        print(f"{pid:8} {text}")
    share = {name: 100 * (after[name][1] - before.get(name, (0, 0, 0))[1]) / options.seconds for name in after}
    print(f"{'':24}{'PSS, MB':>9}{'of a core':>11}{'processes':>11}")
    for name, (memory, _, count) in sorted(after.items(), key=lambda item: -item[1][0]):
        print(f"{name:24}{memory:9.0f}{share[name]:10.2f}%{count:11}")
    memory = sum(each[0] for each in after.values())
    print(f"{'all':24}{memory:9.0f}{sum(share.values()):10.2f}%{sum(each[2] for each in after.values()):11}")
    print(f"{'goal':24}{MEMORY_GOAL:9}{IDLE_GOAL:10}%")


if __name__ == "__main__":
    main()
