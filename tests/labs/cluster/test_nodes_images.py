"""Images on the nodes: pulled, refused and run as a kubelet with containerd does it."""

from __future__ import annotations

import base64
import functools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.images import layers, transfer
from labs.cluster.images.credentials import Access
from labs.cluster.images.layers import Item
from labs.cluster.images.names import Name
from labs.cluster.images.store import Store, of_home
from labs.cluster.network import plane
from labs.cluster.nodes import roots
from labs.cluster.nodes.environment import ConfigError
from labs.cluster.nodes.images import Image
from labs.jail import NOBODY, Spec, rungs
from tests.labs.cluster import waiting
from tests.labs.cluster.images import making
from tests.labs.cluster.images import registry_for_tests as serving

NODES = 1
BACKOFF = "0.5,2"
WITHIN = 100.0
pytestmark = pytest.mark.timeout(400)
until = functools.partial(waiting.until, within=WITHIN)
Kubectl = Callable[..., subprocess.CompletedProcess[str]]
Object = dict[str, Any]


PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:1001:\nmore:x:77:app\n"


def small(store: Store, folder: Path) -> None:
    """The image ``small:1``: a shell and a few programs, with a user, variables and a working folder."""
    making.programs(folder, "sh", "cat", "id", "ls", "sleep", "uname", "rm")
    items = [layers.item(folder, str(path.relative_to(folder))) for path in folder.rglob("*") if path.is_file()]
    files = [Item("etc/passwd", PASSWD, mode=0o644), Item("etc/group", GROUP, mode=0o644),
             Item("home/app", uid=1000, gid=1001), Item("private", mode=0o700), Item("open", mode=0o777)]
    plain = [Item(each.path, each.source, mode=0o755) for each in items]
    making.made_of(store, plain, files, name="small:1", Entrypoint=["sh", "-c"], Cmd=["echo $GREETING; sleep 600"],
                   Env=["PATH=/bin", "GREETING=hello from the image"], WorkingDir="/home/app", User="app")


@pytest.fixture(scope="module")
def home(cluster_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if len(rungs.unavailable()) == 2:
        pytest.skip("no rung here shows a root file system")
    small(of_home(cluster_home), tmp_path_factory.mktemp("small"))
    return cluster_home


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": list(containers), "terminationGracePeriodSeconds": 1, **spec}}


def container(name: str = "main", image: str = "small:1", **more: Any) -> Object:
    return {"name": name, "image": image, **more}


class Seen:
    """kubectl, and what the tests look at."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl

    def apply(self, *objects: Object) -> None:
        # validation begins with a description of the whole API, which a busy host does not give in time
        self.kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "List", "items": objects}))

    def statuses(self, name: str) -> dict[str, Object]:
        found = json.loads(self.kubectl("get", "pod", name, "-o", "json").stdout)
        return {each["name"]: each for each in found["status"].get("containerStatuses", [])}

    def state(self, name: str, kind: str, each: str = "main") -> Object:
        last: list[Object] = [{}]

        def found() -> Any:
            last[0] = self.statuses(name).get(each, {})
            return last[0].get("state", {}).get(kind)

        try:
            return until(found, f"{name} is {kind}")
        except AssertionError as error:
            raise AssertionError(f"{error}; seen: {json.dumps(last[0])}") from None

    def waits(self, name: str, each: str, reason: str) -> str:
        def found() -> str:
            said = self.statuses(name).get(each, {}).get("state", {}).get("waiting", {})
            return said.get("message", "") if said.get("reason") == reason else ""
        return until(found, f"{name}/{each} waits for {reason}")

    def log(self, name: str, each: str = "main") -> str:
        return until(lambda: self.kubectl("logs", name, "-c", each, status=None).stdout, f"{name} says something")

    def events(self, name: str) -> list[tuple[str, str]]:
        listed = self.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
        return [(each["reason"], each["message"]) for each in json.loads(listed.stdout)["items"]]


@pytest.fixture
def seen(home: Path, kubectl: Kubectl) -> Any:
    yield Seen(kubectl)
    kubectl("delete", "pods,secrets", "--all", "--force", "--grace-period=0", "--wait=false")


def test_container_is_what_its_image_says(seen: Seen, home: Path) -> None:
    seen.apply(pod("plain", container()))
    seen.state("plain", "running")
    assert seen.log("plain") == "hello from the image\n"
    digest = of_home(home).find(Name.parse("small:1"))["digest"]
    assert seen.statuses("plain")["main"]["imageID"] == f"docker.io/library/small@{digest}"
    assert ("Pulled", 'Container image "small:1" already present on machine') in seen.events("plain")
    listed = until(lambda: json.loads(seen.kubectl("get", "nodes", "-o", "json").stdout)["items"][0]["status"].get(
        "images"), "the node lists its images")
    assert {"docker.io/library/small:1", f"docker.io/library/small@{digest}"} <= {
        name for each in listed for name in each["names"]}


def test_container_has_a_root_of_its_own(seen: Seen) -> None:
    look = ["id; pwd; echo $HOME; cat /etc/hostname; cat /etc/hosts; echo x > /open/changed && cat /open/changed; "
            "echo x > /tmp/x; ls $PYTHONPATH; cat /etc/resolv.conf; ls /usr/share /work /root; sleep 600"]
    two = [container(name, args=look) for name in ("one", "two")]
    seen.apply(pod("named", *two, hostAliases=[{"ip": "1.2.3.4", "hostnames": ["alias.example"]}]))
    seen.state("named", "running", "one")
    text = until(lambda: (said := seen.log("named", "one")) and "ls:" in said and said, "it has looked around")
    lines = text.splitlines()
    assert lines[0].startswith("uid=1000(app) gid=1001(app)")
    assert lines[1:4] == ["/home/app", "/home/app", "named"]
    assert "1.2.3.4\talias.example" in lines
    assert any(line.endswith("\tnamed") for line in lines)
    assert "x" in lines
    assert "nbgrader" not in text
    assert ("sitecustomize.py" in lines) == bool(plane.notified()), "its Python programs need it to see the network"
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in lines
    assert seen.kubectl("exec", "named", "-c", "one", "--", "cat", "/open/changed").stdout == "x\n"
    seen.state("named", "running", "two")
    assert seen.log("named", "two").count("\nx\n") == 1


def test_an_image_as_a_volume(seen: Seen) -> None:
    """"Use an Image Volume With a Pod" (Kubernetes documentation)."""
    look = ["cat /other/etc/group; echo x > /other/open/x || echo fixed; sleep 600"]
    seen.apply(
        pod("reader", container(args=look, volumeMounts=[{"name": "files", "mountPath": "/other"}]),
            volumes=[{"name": "files", "image": {"reference": "small:1"}}]),
        pod("missing", container(volumeMounts=[{"name": "files", "mountPath": "/other"}]),
            volumes=[{"name": "files", "image": {"reference": "no-such:1", "pullPolicy": "Never"}}]))
    seen.state("reader", "running")
    assert until(lambda: "fixed" in (said := seen.log("reader")) and said, "it has looked").startswith(GROUP.decode())
    until(lambda: any("not present with pull policy of Never" in said for reason, said in seen.events("missing")
                      if reason == "FailedMount"), "the volume cannot be made")


def test_security_context_decides_who_it_is(seen: Seen) -> None:
    look = ["id -u; id -g; id -G; echo x > /private/x && echo wrote; echo x > /open/x && echo open; sleep 600"]
    seen.apply(
        pod("users",
            container("root", args=look, securityContext={"runAsUser": 0}),
            container("other", args=look, securityContext={"runAsUser": 33, "runAsGroup": 34}),
            container("fixed", args=look, securityContext={"runAsUser": 0, "readOnlyRootFilesystem": True}),
            container("refused", securityContext={"runAsUser": 0, "runAsNonRoot": True}),
            container("unsure", securityContext={"runAsNonRoot": True}), securityContext={"fsGroup": 55}))
    for name in ("root", "other", "fixed"):
        seen.state("users", "running", name)
    said = {name: until(lambda name=name: (text := seen.log("users", name)).count("\n") >= 4 and text.splitlines(),
                        f"{name} has looked") for name in ("root", "other", "fixed")}
    ours = os.getuid() == 0
    bubblewrap = "bubblewrap" not in rungs.unavailable()
    assert said["root"][0] == ("0" if bubblewrap or not ours else str(NOBODY))
    assert said["other"][:2] == ["33", "34"]
    assert "wrote" in said["root"]
    assert ("wrote" in said["other"]) == (not ours), "an ordinary user owns every file of an image"
    assert "open" in said["other"]
    if ours:
        assert "55" in said["other"][2].split()
    assert not {"wrote", "open"} & set(said["fixed"])
    why = "CreateContainerConfigError"
    assert "container's runAsUser breaks non-root policy" in seen.waits("users", "refused", why)
    assert "image has non-numeric user (app)" in seen.waits("users", "unsure", why)


def test_image_that_cannot_be_had_says_why(seen: Seen) -> None:
    with serving.RegistryForTests() as registry:
        seen.apply(pod("poor", container("unknown", f"{registry.host}/none:1"),
                       container("nobody", "127.0.0.1:9/none:1"), container("invalid", "UPPER/x:1"),
                       container("never", "absent:1", imagePullPolicy="Never")))
        for name, words in (("unknown", "not found: MANIFEST_UNKNOWN: manifest unknown"),
                            ("nobody", "dial tcp 127.0.0.1:9: connect: connection refused")):
            message = seen.waits("poor", name, "ImagePullBackOff")
            assert message.startswith('Back-off pulling image "')
            assert "ErrImagePull: rpc error: code = " in message
            assert words in message
    assert seen.waits("poor", "never", "ErrImageNeverPull") == \
        'Container image "absent:1" is not present with pull policy of Never'
    assert "must be lowercase" in seen.waits("poor", "invalid", "InvalidImageName")
    told = {"Pulling", "Failed", "BackOff", "ErrImageNeverPull", "InspectFailed"}
    until(lambda: told <= {reason for reason, _ in seen.events("poor")}, "events of every kind")


def test_pull_secret_opens_a_registry(seen: Seen, home: Path) -> None:
    with serving.RegistryForTests("bearer") as registry:
        name = Name.parse(f"{registry.host}/private/small:1")
        transfer.push(of_home(home), Name.parse("small:1"), name, Access((serving.USER, serving.PASSWORD)))
        seen.apply(pod("locked", container(image=str(name))))
        assert "UNAUTHORIZED" in seen.waits("locked", "main", "ImagePullBackOff")
        auth = base64.b64encode(f"{serving.USER}:{serving.PASSWORD}".encode()).decode()
        config = json.dumps({"auths": {registry.host: {"auth": auth}}})
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {
            ".dockerconfigjson": config}, "type": "kubernetes.io/dockerconfigjson"}
        always = container(image=str(name), imagePullPolicy="Always")
        seen.apply(secret, pod("opened", always, imagePullSecrets=[{"name": "missing"}, {"name": "key"}]))
        seen.state("opened", "running")
        told = dict(seen.events("opened"))
        assert told["Pulling"] == f'Pulling image "{name}"'
        assert "Image size: " in told["Pulled"]
        assert "including waiting" in told["Pulled"]
        again = pod("again", container(image=f"{name.repository_name}@{of_home(home).find(name)['digest']}"))
        seen.apply(again)
        seen.state("again", "running")
        assert "already present on machine" in dict(seen.events("again"))["Pulled"]


# --- without a cluster ----------------------------------------------------------------------------------------------


@pytest.fixture
def image(tmp_path: Path) -> Image:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_bytes(PASSWD + b"broken\n")
    (root / "etc/group").write_bytes(GROUP)
    return Image("it", "it@x", (), root=str(root))


@pytest.mark.parametrize(("named", "own", "whole", "found"), [
    ("", {}, {}, (0, 0, ())), ("app", {}, {}, (1000, 1001, (77,))), ("1000", {}, {}, (1000, 1001, (77,))),
    ("5", {}, {}, (5, 0, ())), ("app:more", {}, {}, (1000, 77, (77,))), ("5:6", {}, {}, (5, 6, ())),
    ("app", {"runAsUser": 0}, {}, (0, 0, ())), ("", {"runAsGroup": 9}, {"runAsUser": 8}, (8, 9, ())),
    ("app", {}, {"supplementalGroups": [3], "fsGroup": 4}, (1000, 1001, (3, 4, 77))),
    ("app", {}, {"supplementalGroups": [3], "supplementalGroupsPolicy": "Strict"}, (1000, 1001, (3,)))])
def test_user_of_a_container(image: Image, named: str, own: Object, whole: Object, found: tuple[Any, ...]) -> None:
    import dataclasses

    image = dataclasses.replace(image, user=named)
    owner = roots.user(image, {"metadata": {}, "spec": {"securityContext": whole}}, {"securityContext": own})
    assert (owner.uid, owner.gid, owner.groups) == found


def test_user_the_image_does_not_know(image: Image) -> None:
    import dataclasses

    with pytest.raises(roots.UserError, match="unable to find user who: no matching entries in passwd file"):
        roots.user(dataclasses.replace(image, user="who"), {"spec": {}}, {})
    described = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}}
    with pytest.raises(ConfigError, match="runAsNonRoot and image will run as root"):
        roots.user(image, described, {"name": "c", "securityContext": {"runAsNonRoot": True}})


def test_plain_rung_runs_what_needs_no_other_file(image: Image) -> None:
    folder = Path(image.root, "bin")
    folder.mkdir()
    (folder / "text").write_text("#!/bin/sh\n")
    (folder / "text").chmod(0o755)
    static = b"\x7fELF\x02" + bytes(27) + (64).to_bytes(8, "little") + bytes(14) + (56).to_bytes(2, "little") + (
        1).to_bytes(2, "little") + bytes(6) + (1).to_bytes(4, "little") + bytes(52)
    (folder / "static").write_bytes(static)
    (folder / "static").chmod(0o755)
    (folder / "loaded").write_bytes(static[:64] + (3).to_bytes(4, "little") + static[68:])
    (folder / "loaded").chmod(0o755)
    spec, command = roots.without_root(Spec(), image, ["static", "x"], {"PATH": "/bin"})
    assert (spec.readable, command) == ((image.root,), [str(folder / "static"), "x"])
    for name in ("text", "/bin/loaded", "none"):
        with pytest.raises(ConfigError, match="needs bubblewrap or PRoot"):
            roots.without_root(Spec(), image, [name], {"PATH": "/bin"})


@pytest.mark.parametrize(("said", "number"), [
    ("", 15), ("SIGINT", 2), ("usr1", 10), ("9", 9), ("SIG", 15), ("999", 15)])
def test_stop_signal_is_the_images(said: str, number: int) -> None:
    assert roots.stop_signal(Image("it", "it@x", (), stop_signal=said)) == number
