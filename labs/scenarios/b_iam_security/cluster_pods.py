"""Pods of labs b2 and b6 on the learner's own Kubernetes, where that is up and joined to the lab's AWS endpoint.

Real pods of real service accounts: the API server signs their tokens, its policy and the endpoint's webhook put them in
place.  Only the embedded cluster, whose nodes run programs of this machine without an image.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from labs.aws.issuer import AUDIENCE
from labs.cluster.controlplane.services import connect, get
from labs.cluster.identity import issuer
from labs.errors import PermanentError, TemporaryError
from labs.services import state
from labs.toolbox import programs

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

SECONDS = 60.0
"""For a pod from its creation to its end."""
ROLE = "eks.amazonaws.com/role-arn"
MANAGED = "app.kubernetes.io/managed-by"


class ClusterPods:
    """The learner's cluster; in the place of :class:`labs.aws.issuer.ClusterIssuer` as far as lab b2 uses one.

    :param lab: whose namespaces it makes, and removes
    """

    def __init__(self, url: str, lab: str = "b2") -> None:
        self.url = url
        self._ours = f"{MANAGED}=labs-{lab}"
        found = programs.find(programs.tool("kubectl"))
        if found is None:
            raise PermanentError("kubectl is not here.", "Run `lab tools fetch kubectl`.")
        self._kubectl = [str(found.path), "--kubeconfig", str(state.home() / "kubeconfig"), "--request-timeout=10s"]

    def start(self) -> ClusterPods:
        """It runs already."""
        return self

    def stop(self) -> None:
        """It goes on running."""

    def announce(self, endpoint: str, account: str, cluster: str = "") -> None:
        """The endpoint of this state folder knows it; what played it before is forgotten."""
        from labs.aws.issuer import forget

        forget(endpoint, account, self.url, cluster)

    def service_account_token(
        self, namespace: str, name: str, *, pod: str = "", audience: str = AUDIENCE, **claims: Any
    ) -> str:
        """A token of the API server's ("TokenRequest"); ``pod`` is not looked at: that needs the pod to run.

        :raises PermanentError: claims of one's own, which only who plays an issuer can set
        """
        if claims:
            raise PermanentError(f"The cluster's API server does not sign these claims: {', '.join(claims)}.")
        self._account(namespace, name)
        return self._call("create", "token", name, "-n", namespace, "--audience", audience).strip()

    def run(self, namespace: str, account: str, program: str, environment: Mapping[str, str], *, role: str = "",
            wanted: str = "") -> str:
        """Run a Python program in a pod to its end, and return what it printed.

        :param role: ARN for the service account's annotation, "" for none
        :param wanted: volume that the pod must have been given
        :raises TemporaryError: it did not end well in time; the message holds what it said
        """
        phase, said = self.ended(namespace, account, program, environment, role=role, wanted=wanted)
        if phase == "Failed":
            raise TemporaryError(f"The pod of {namespace}/{account} failed: {said.strip()[-600:]}")
        return said

    def ended(self, namespace: str, account: str, program: str, environment: Mapping[str, str], *, role: str = "",
              wanted: str = "", host_network: bool = False) -> tuple[str, str]:
        """(phase, what it printed) of a program that came to an end in a pod, as :meth:`run` runs it.

        :raises TemporaryError: it did not end in time
        """
        self._account(namespace, account)
        self._call("annotate", "serviceaccount", account, "-n", namespace, "--overwrite",
                   f"{ROLE}={role}" if role else f"{ROLE}-")
        spec = {"serviceAccountName": account, "hostNetwork": host_network, "containers": [{
            "name": "app", "image": "host", "command": ["python3", "-c", program],
            "env": [{"name": name, "value": value} for name, value in environment.items()]}]}
        with self._pod(namespace, account, spec, wanted) as name:
            end = time.monotonic() + SECONDS
            while (phase := self._look(namespace, name)["status"].get("phase")) not in ("Succeeded", "Failed"):
                if time.monotonic() > end:
                    raise TemporaryError(f"The pod {namespace}/{name} is {phase} after {SECONDS:.0f} s.")
                time.sleep(0.1)
            return str(phase), self._call("logs", name, "-n", namespace)

    @contextlib.contextmanager
    def _pod(self, namespace: str, account: str, more: Mapping[str, Any], wanted: str) -> Iterator[str]:
        """A pod's name; it is gone afterwards.  Made again until it has the volume: what gives it learns of an
        annotation a moment later.
        """
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **more}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": f"{account}-"}, "spec": spec}
        end = time.monotonic() + SECONDS
        while True:
            made = json.loads(self._call("create", "-n", namespace, "-o", "json", "-f", "-", stdin=json.dumps(body)))
            name = str(made["metadata"]["name"])
            try:
                if not wanted or any(volume["name"] == wanted for volume in made["spec"]["volumes"]):
                    yield name
                    return
            finally:
                self._call("delete", "pod", name, "-n", namespace, "--wait=false")
            if time.monotonic() > end:
                raise TemporaryError(f"Pods of {namespace}/{account} got no volume {wanted} in {SECONDS:.0f} s.")
            time.sleep(0.2)

    def _look(self, namespace: str, name: str) -> dict[str, Any]:
        return dict(json.loads(self._call("get", "pod", name, "-n", namespace, "-o", "json")))

    def _account(self, namespace: str, name: str) -> None:
        end = time.monotonic() + SECONDS
        while (phase := self._phase(namespace)) == "Terminating":  # removed a moment ago
            if time.monotonic() > end:
                raise TemporaryError(f"The namespace {namespace} is still Terminating after {SECONDS:.0f} s.")
            time.sleep(0.2)
        if not phase:
            self._call("create", "namespace", namespace)
            self._call("label", "namespace", namespace, self._ours)
        if not self._call("get", "serviceaccount", name, "-n", namespace, "--ignore-not-found", "-o", "name"):
            self._call("create", "serviceaccount", name, "-n", namespace)

    def _phase(self, namespace: str) -> str:
        """``Active``, ``Terminating``, or "" where there is none."""
        return self._call("get", "namespace", namespace, "--ignore-not-found", "-o", "jsonpath={.status.phase}")

    def remove(self) -> list[str]:
        """Delete the namespaces that this made; a line for each."""
        found = self._call("get", "namespaces", "-l", self._ours, "-o", "name").split()
        if found:
            self._call("delete", *found, "--wait=false")
        return found

    def _call(self, *arguments: str, stdin: str = "") -> str:
        """kubectl's output; TemporaryError with what it said when it fails."""
        try:
            done = subprocess.run([*self._kubectl, *arguments], input=stdin, capture_output=True, text=True,
                                  timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise TemporaryError(f"kubectl {arguments[0]} did not end within {SECONDS:.0f} s.") from error
        if done.returncode != 0:
            raise TemporaryError(f"kubectl {' '.join(arguments[:2])}: {done.stderr.strip()[-600:]}")
        return done.stdout


def learners_cluster(aws: AwsAccount, url: str, lab: str = "b2") -> ClusterPods | None:
    """The cluster whose issuer has this URL, when it is up and ``aws`` is the learner's account beside it."""
    home, known = state.home(), state.endpoints()
    if issuer.published(home).get("issuer") != url or known.get("aws") != aws.endpoint or "nodes" not in known:
        return None
    if (state.read_json(home / "learner.json") or {}).get("account") != aws.account:
        return None
    try:
        get(connect(home, int(known["kubernetes"].rpartition(":")[2])), "/readyz")
        get(connect(home, int(known["nodes"].rpartition(":")[2]), "apiserver-kubelet-client"), "/healthz")
    except TemporaryError:
        return None
    return ClusterPods(url, lab)
