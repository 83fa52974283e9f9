"""The old front of lab h2: what is made of Ingresses, a real nginx with it, and what becomes of that."""

from __future__ import annotations

import concurrent.futures
import copy
import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labs import locks
from labs.aws.learner import seed
from labs.cluster.space import complete, until
from labs.errors import PermanentError
from labs.scenarios import settle
from labs.scenarios.h_networking import ingress_nginx, old_front
from labs.scenarios.h_networking.asking import Answer, Place, ask, count
from labs.scenarios.h_networking.h2 import H2, asked, ingress, nginx, path, rule, secret, where
from labs.scenarios.h_networking.ingress_nginx import PREFIX, Backend, render
from labs.services import launch
from labs.toolbox import programs
from tests.programs import CLUSTER, need

VALUES = settle(H2().values(seed("learner")), "0" * 12)
HOST, SHOP = VALUES["host"], VALUES["prefix"]
WEB, NEXT = (VALUES["apps"][each] for each in ("web", "next"))
FOUND = old_front.found()
needs_nginx = pytest.mark.skipif(FOUND is None, reason=old_front.missing())
Object = dict[str, Any]


def old(main: dict[str, str] | None = None, canary: dict[str, str] | None = None) -> list[Object]:
    """The learner's two Ingresses, with some annotations otherwise."""
    made = copy.deepcopy(nginx(VALUES))
    for each, more in zip(made, (main, canary), strict=True):
        each["metadata"]["annotations"] |= {f"{PREFIX}{key}": value for key, value in (more or {}).items()}
    return made


def plain() -> list[Object]:
    """An Ingress without annotations."""
    rules = [rule(HOST, path("/shop", "Prefix", WEB), path("/once", "Exact", NEXT), path("/idle", "Prefix", "idle"),
                  path("/let", "ImplementationSpecific", NEXT))]
    wild = rule(f"*.{HOST}", path("/", "Prefix", NEXT))
    return [ingress("plain", "nginx", [*rules, wild])]


PODS = {Backend(WEB, "80"): ["127.0.0.1:1", "127.0.0.1:2"], Backend(NEXT, "80"): ["127.0.0.1:3"]}


# --- what is made of Ingresses ------------------------------------------------------------------------------------


def test_each_block_stands_below_the_annotation_it_comes_from() -> None:
    said = [each.strip() for each in render(old(), PODS, 1, 2).partition(ingress_nginx.MARKER)[2].splitlines()]
    share, header = VALUES["share"], VALUES["header"]
    for note, block in (
        (f'# Ingress shop-canary: canary-weight: "{share}"', "split_clients $request_id $share_0 {"),
        (f'# Ingress shop-canary: canary-by-header: "{header}", canary-by-header-value: "yes"',
         f"map $http_{header.lower().replace('-', '_')} $chosen_0 {{"),
        ('# use-regex: "true"', f'location ~* "^{SHOP}(/|$)(.*)" {{'),
        ('# ssl-redirect: "true"', "if ($scheme = http) {"),
        ('# rewrite-target: "/$2"', f'rewrite "(?i){SHOP}(/|$)(.*)" "/$2" break;'),
    ):
        assert said[said.index(note) + 1] == block
    assert f"{share}% {NEXT}-80;" in said
    assert f"* {WEB}-80;" in said
    assert sorted(each for each in said if each.startswith("server 127")) == [
        f"server 127.0.0.1:{number} max_fails=0;" for number in (1, 2, 3)]


@pytest.mark.parametrize(("main", "canary", "told"), [
    ({"auth-url": "https://x"}, {}, f"{PREFIX}auth-url.*It knows.*use-regex, rewrite-target, ssl-redirect, canary"),
    ({}, {"canary-by-cookie": "beta"}, f"Ingress shop-canary has the annotation {PREFIX}canary-by-cookie"),
    ({"configuration-snippet": "return 200;"}, {}, "configuration-snippet"),
    ({}, {"canary-weight": "half"}, "canary-weight is 'half'.*number from 0 to 100"),
    ({}, {"canary-weight": "101"}, "number from 0 to 100"),
    ({"use-regex": "yes"}, {}, "use-regex is 'yes'"),
    ({}, {"canary-by-header": "X Beta"}, "canary-by-header is 'X Beta'"),
    ({"canary": "true"}, {}, "are canaries of the same path"),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_what_is_not_supported_is_named_with_what_is(main: dict[str, str], canary: dict[str, str], told: str) -> None:
    with pytest.raises(PermanentError, match=f"(?s){told}"):
        render(old(main, canary), PODS, 1, 2)


def test_a_canary_of_nothing_is_refused() -> None:
    made = old()
    made[1]["spec"]["rules"][0]["host"] = "other.test"
    with pytest.raises(PermanentError, match=r"shop-canary is a canary, and no other Ingress has .* of other\.test"):
        render(made, PODS, 1, 2)


def test_other_controllers_annotations_are_not_looked_at() -> None:
    made = old()
    made[0]["metadata"]["annotations"]["nginx.org/rewrites"] = "serviceName=web rewrite=/"
    assert render(made, PODS, 1, 2) == render(old(), PODS, 1, 2)


# --- a real nginx -------------------------------------------------------------------------------------------------


class Few:
    """A namespace as far as the controller asks for it, with pods that are servers of the test."""

    def __init__(self) -> None:
        self.name, self.cluster = "few", SimpleNamespace(end=lambda address: address)
        self.pods: dict[str, list[int]] = {}

    def list(self, kind: str) -> list[Object]:
        if kind == "Service":
            return [{"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 80}]}}
                    for name in self.pods]
        return [{"metadata": {"labels": {"kubernetes.io/service-name": name}},
                 "ports": [{"name": "http", "port": one}],
                 "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}},
                               {"addresses": ["127.9.9.9"], "conditions": {"ready": False}}]}
                for name, ports in self.pods.items() for one in ports]

    def get(self, kind: str, name: str) -> Object | None:
        import base64

        data = secret(VALUES)["stringData"]
        return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}}


@contextmanager
def pod(app: str) -> Iterator[int]:
    """The port of a server that tells who it is and what it was asked, as the lab's pods do."""

    class Told(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"app": app, "pod": str(self.server.server_port), "path": self.path,
                               "headers": dict(self.headers)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Front:
    """A controller with nginx, its pods, and questions to it."""

    def __init__(self, folder: Path) -> None:
        assert FOUND is not None
        self.space = Few()
        self.lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
        assert locks.taken(self.lock, 0)
        self.controller = old_front.Controller(self.space, folder, FOUND.path, self.lock)
        self.folder = folder

    def end(self) -> None:
        """nginx hides its environment, by which others find what tests left; its lock is free when all of it ended."""
        self.controller.stop()
        os.close(self.lock)
        with (self.folder / "lock").open() as lock:
            assert locks.taken(lock, 0)

    def ask(self, path: str, headers: dict[str, str] | None = None, host: str = HOST, tls: bool = True) -> Answer:
        return ask(self.place(tls), host, path, headers)

    def place(self, tls: bool = True) -> Place:
        ports = json.loads((self.folder / old_front.TOLD).read_text())
        return Place("127.0.0.1", ports["https" if tls else "http"], tls)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """nginx with the two Ingresses: two pods of the shop, one of the next version."""
    made = Front(tmp_path)
    with ExitStack() as stack:
        shop = [stack.enter_context(pod(WEB)) for _ in range(2)]
        made.space.pods = {WEB: shop, NEXT: [stack.enter_context(pod(NEXT))], "idle": []}
        stack.callback(made.end)
        made.controller.serve(old())
        yield made


@needs_nginx
def test_it_answers_as_the_annotations_say(front: Front) -> None:
    tea = front.ask(f"{SHOP}/tea?size=2")
    assert (tea.status, tea.path) == (200, "/tea?size=2")
    assert (tea.headers["Host"], tea.headers["X-Forwarded-Proto"]) == (HOST, "https")
    assert front.ask(SHOP).path == "/"
    assert front.ask(f"{SHOP.upper()}/Tea").path == "/Tea", "patterns match without regard to case"
    assert front.ask(VALUES["similar"]).status == 404
    assert front.ask("/").status == 404
    assert front.ask(f"{SHOP}/", host="other.test", tls=False).status == 404
    plain_http = front.ask(f"{SHOP}/tea?size=2", tls=False)
    assert (plain_http.status, plain_http.location) == (308, f"https://{HOST}{SHOP}/tea?size=2")


@needs_nginx
def test_the_header_goes_before_the_dice(front: Front) -> None:
    early = {VALUES["header"]: "yes"}
    assert {front.ask(f"{SHOP}/x", early).app for _ in range(20)} == {NEXT}
    for other in ("YES", "yes!", "always"):
        assert WEB in {front.ask(f"{SHOP}/x", {VALUES["header"]: other}).app for _ in range(60)}, other
    shares = count(front.place(), HOST, f"{SHOP}/x", 600)
    assert set(shares) == {WEB, NEXT}
    assert abs(shares[NEXT] / 600 - VALUES["share"] / 100) < 0.08


@needs_nginx
def test_pods_take_turns_and_the_log_tells_each_request(front: Front) -> None:
    front.controller.serve(old(canary={"canary-weight": "0"}))
    pods = Counter(front.ask(f"{SHOP}/turn").pod for _ in range(20))
    assert sorted(pods.values()) == [10, 10]
    lines = [json.loads(line) for line in (front.folder / "access.log").read_text().splitlines()]
    assert {each["upstream"] for each in lines} == {f"127.0.0.1:{one}" for one in front.space.pods[WEB]}
    assert {(each["host"], each["uri"], each["status"]) for each in lines} == {(HOST, f"{SHOP}/turn", "200")}


@needs_nginx
@pytest.mark.parametrize(("canary", "with_header", "without"), [
    ({"canary-weight": "0"}, NEXT, WEB), ({"canary-weight": "100"}, NEXT, NEXT),
    ({"canary-weight": "0", "canary-by-header-value": 'a"b\\c$'}, WEB, WEB),
], ids=["nobody", "everybody", "another value"])
def test_the_ends_of_the_weight(front: Front, canary: dict[str, str], with_header: str, without: str) -> None:
    front.controller.serve(old(canary=canary))
    assert {front.ask(SHOP).app for _ in range(20)} == {without}
    assert {front.ask(SHOP, {VALUES["header"]: "yes"}).app for _ in range(20)} == {with_header}
    assert front.ask(SHOP, {VALUES["header"]: canary.get("canary-by-header-value", "yes")}).app == NEXT


@needs_nginx
def test_a_header_without_a_value_is_always_or_never(front: Front) -> None:
    made = old(canary={"canary-weight": "100"})
    del made[1]["metadata"]["annotations"][f"{PREFIX}canary-by-header-value"]
    front.controller.serve(made)
    assert {front.ask(SHOP, {VALUES["header"]: "never"}).app for _ in range(9)} == {WEB}
    assert {front.ask(SHOP, {VALUES["header"]: "perhaps"}).app for _ in range(9)} == {NEXT}


@needs_nginx
def test_without_patterns_paths_mean_what_the_ingress_api_says(front: Front) -> None:
    front.controller.serve(plain())
    for text, app in {"/shop": WEB, "/shop/": WEB, "/shop/a": WEB, "/shopping": "404", "/SHOP": "404", "/once": NEXT,
                      "/once/": "404", "/let": NEXT, "/letter": NEXT, "/idle": "503", "/": "404"}.items():
        answer = front.ask(text, tls=False)
        assert (answer.who, answer.path) == (app, text if answer.status == 200 else ""), text
    assert front.ask("/x", host=f"a.{HOST}", tls=False).app == NEXT
    assert front.ask("/x", host=f"a.b.{HOST}", tls=False).status == 404


@needs_nginx
def test_one_ingress_with_patterns_makes_patterns_of_the_others_paths(front: Front) -> None:
    front.controller.serve([*plain(), *old()])
    assert front.ask("/SHOPPING-list").app == WEB
    assert front.ask("/once/more").app == NEXT
    assert front.ask("/once/more", tls=False).status == 308, "where the host has a certificate that is the default"


@needs_nginx
def test_without_pods_the_canary_gets_nothing_and_the_shop_is_503(front: Front) -> None:
    shop, canary = front.space.pods[WEB], front.space.pods[NEXT]
    front.space.pods = {WEB: shop, NEXT: []}
    front.controller.follow()
    assert {front.ask(SHOP, {VALUES["header"]: "yes"}).app for _ in range(9)} == {WEB}
    front.space.pods = {WEB: [], NEXT: canary}
    front.controller.follow()
    assert front.ask(SHOP, {VALUES["header"]: "yes"}).status == 503


@needs_nginx
def test_what_nginx_refuses_changes_nothing(front: Front) -> None:
    before = (front.folder / "nginx.conf").read_text()
    with pytest.raises(PermanentError, match=r'nginx refuses .*unknown "nobody" variable'):
        front.controller.serve(old({"rewrite-target": "/$nobody"}))
    with pytest.raises(PermanentError, match="auth-url"):
        front.controller.serve(old({"auth-url": "https://x"}))
    assert (front.folder / "nginx.conf").read_text() == before
    front.controller.follow()
    assert front.ask(f"{SHOP}/tea").path == "/tea"


@needs_nginx
def test_an_annotations_text_stays_a_text(front: Front) -> None:
    """CVE-2025-1974 began where a text of an Ingress became directives."""
    with pytest.raises(PermanentError, match="nginx refuses"):
        front.controller.serve(old({"rewrite-target": '/$2" break; } location /got { return 200; } #\n$nobody'}))
    front.controller.serve(old({"rewrite-target": '/a";return 200;#\nload_module x;\\'}))
    assert front.ask(f"{SHOP}/tea").path.startswith("/a%22;return%20200;%23%0Aload_module%20x;")


@needs_nginx
def test_no_request_fails_while_pods_come_and_go(front: Front) -> None:
    over, place = threading.Event(), front.place()

    def load() -> list[Answer]:
        seen = []
        while not over.is_set():
            seen.append(ask(place, HOST, f"{SHOP}/load"))
        return seen

    with concurrent.futures.ThreadPoolExecutor(3) as clients:
        running = [clients.submit(load) for _ in range(3)]
        try:
            for _ in range(5):
                with pod(WEB) as fresh:
                    front.space.pods[WEB].append(fresh)
                    front.controller.follow()
                    asked_of = until(lambda fresh=fresh: str(fresh) in (front.folder / "access.log").read_text(), 20.0)
                    assert asked_of, "the new pod is asked"
                # it does not listen any more, and nginx does not know yet: the next pod is asked
                front.space.pods[WEB].remove(fresh)
                front.controller.follow()
        finally:
            over.set()
        seen = [answer for each in running for answer in each.result(30)]
    assert {each.status for each in seen} == {200}
    assert len({each.pod for each in seen}) == 8, "the three from the start, and five that came and went"


# --- the lab's hold on it -----------------------------------------------------------------------------------------


def test_where_nginx_is_missing_the_lab_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(programs, "_on_path", lambda program: [])
    space = SimpleNamespace(cluster=SimpleNamespace(kubeconfig=tmp_path / "kubeconfig"), name="few")
    assert H2().start(space, VALUES) is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    for way in ("no nginx", "`apt install nginx-light`", "`conda install -c conda-forge nginx`"):
        assert way in said
    with pytest.raises(PermanentError, match=r"(?s)does not run.*apt install nginx-light"):
        where(space, "old-front")
    assert old_front.stop(tmp_path) is False
    assert list(tmp_path.iterdir()) == []


def test_an_old_nginx_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, counts in (("1.18.0", False), ("1.20.2", True), ("1.29.4", True), ("2.0.0", True)):
        monkeypatch.setattr(programs, "find", lambda tool, version=version: programs.Found(Path("x"), version, "PATH"))
        assert bool(old_front.found()) is counts, version


@pytest.fixture
def shop(clusters: Any) -> Iterator[tuple[Any, Path]]:
    """The lab's pods in a namespace of the graders' cluster; its state folder."""
    need(*CLUSTER)
    with clusters.lease() as space:
        H2().furnish(space, VALUES)
        space.apply(secret(VALUES))
        yield space, Path(space.cluster.kubeconfig).parent
        old_front.stop(Path(space.cluster.kubeconfig).parent)


def servers(front: old_front.OldFront) -> set[str]:
    """Where the pods are that its configuration has."""
    return set(re.findall(r"server (\S+) max_fails", front.configuration()))


@needs_nginx
@pytest.mark.timeout(300)
def test_it_serves_real_pods_follows_them_and_leaves_nothing(shop: tuple[Any, Path]) -> None:
    space, home = shop
    front = H2().start(space, VALUES)
    assert front is not None
    tea = f"{SHOP}/tea?size=2"
    assert asked(space, VALUES, tea, through="old-front-tls", headers={VALUES["header"]: "yes"}) == (
        f"200 {NEXT} sees /tea?size=2")
    assert asked(space, VALUES, tea, through="old-front") == f"308 - → https://{HOST}{tea}"
    assert "split_clients" in front.configuration()
    assert "daemon off" not in front.configuration()
    assert "daemon off" in front.configuration(whole=True)
    assert [each["status"] for each in front.requests()] == ["200", "308"]

    over = threading.Event()

    def load() -> Counter[str]:
        seen: Counter[str] = Counter()
        while not over.is_set():
            answer = ask(front.https, HOST, tea)
            seen[answer.pod or str(answer)] += 1
        return seen

    with concurrent.futures.ThreadPoolExecutor(2) as clients:
        running = [clients.submit(load) for _ in range(2)]
        try:
            for replicas in (4, 3, 2):      # one at a time: of pods that die together a request may meet three
                space.scale(WEB, replicas)
                assert until(lambda: complete(space.get("Deployment", WEB)), 60.0)
                assert until(lambda n=replicas: len(servers(front)) == n + 1, 20.0)
                assert until(lambda: servers(front) <= {each["upstream"] for each in front.requests()}, 20.0)
        finally:
            over.set()
        seen = sum((each.result(60) for each in running), Counter())
    assert len(seen) == 5, f"four pods of the shop and one of the next version, and no failure: {seen}"

    with pytest.raises(PermanentError, match="auth-url"):
        front.serve(*old({"auth-url": "https://x"}))
    front.serve(*old(canary={"canary-weight": "0"}))
    assert set(count(front.https, HOST, tea, 40)) == {WEB}

    assert old_front.stop(home) is True, "as another process does, `lab reset h2`"
    assert not (home / old_front.NAME).exists()
    assert ask(front.https, HOST, tea).status == 0
    with pytest.raises(PermanentError, match="no answer"):
        front.serve(*old())
    front.stop()
    front.stop()


@needs_nginx
@pytest.mark.timeout(300)
def test_nginx_ends_with_whoever_keeps_it(shop: tuple[Any, Path]) -> None:
    space, home = shop
    for who in ("controller", "nginx", "lab down", "kernel"):
        front = old_front.OldFront(space, nginx(VALUES))
        controller = front._process.pid
        children = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
        if who == "kernel":
            front._process.stdin.close()
        elif who == "lab down":
            swept = launch.find(str(home), old_front.NAME)
            assert controller in swept
            launch.kill(swept, signal.SIGTERM)
        else:
            os.kill(controller if who == "controller" else int(children[0]), signal.SIGKILL)
        assert until(lambda front=front: ask(front.http, HOST).status == 0, 20.0), who
        with old_front.OldFront(space, nginx(VALUES)) as again:
            assert ask(again.https, HOST, SHOP).status == 200
        assert not (home / old_front.NAME).exists()
        front.stop()
