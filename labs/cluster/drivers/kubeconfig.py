"""A cluster that you own already: ``LABS_KUBERNETES=kubeconfig``.

``LABS_KUBECONFIG`` (else ``KUBECONFIG``, else ``~/.kube/config``) and ``LABS_KUBECONTEXT`` (else its current context)
say which.  A namespace of a lab is ``labs-NAME`` and carries a label with the labs' name and the state folder's own
mark; reset deletes namespaces with both, and nothing else.  Nothing is installed in the cluster, so its pods get no
roles in the AWS endpoint, which they do not reach either.

As a process: ``kubectl proxy``, closed but for four public documents.  It is what `lab status` watches, and where the
AWS endpoint reads the keys of the cluster's issuer.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import sys
from pathlib import Path

from labs.cluster.controlplane.services import get
from labs.cluster.drivers import base
from labs.cluster.drivers.base import MANAGED, MANAGER, kubectl, run
from labs.cluster.identity import issuer
from labs.errors import LabError, PermanentError, TemporaryError
from labs.services import control, state
from labs.services.catalog import Context, Service
from labs.toolbox import programs

PREFIX = "labs-"
OWNER = "production-labs/home"
"""Label with the mark of the state folder that made a namespace."""
DELETED_WITHIN = 120.0
_DOCUMENTS = "^(/readyz|/version|/\\.well-known/openid-configuration|/openid/v1/jwks)$"


def mark(home: Path) -> str:
    """Tells the namespaces of one state folder from those of another on the same cluster."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def origin() -> tuple[Path, str]:
    """(file, context or "" for its current one), as the user set them; PermanentError when there is no file."""
    named = os.environ.get("LABS_KUBECONFIG") or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = Path(named or "~/.kube/config").expanduser().absolute()
    if not path.is_file():
        raise PermanentError(f"There is no kubeconfig {path}.", "Set LABS_KUBECONFIG to the file of your cluster.")
    if path == state.home() / "kubeconfig":
        raise PermanentError(f"{path} is the labs' own copy.", "Set LABS_KUBECONFIG to the file of your cluster.")
    return path, os.environ.get("LABS_KUBECONTEXT", "")


class Kubeconfig:
    """The driver."""

    name = "kubeconfig"

    def service(self) -> Service:
        """``kubectl proxy`` on the cluster's public documents."""
        return Service("kubernetes", _command, _ready, port=6443, start=False, deadline=60.0,
                       prepare=lambda: None if programs.find(programs.tool("kubectl")) else
                       [sys.executable, "-m", "labs.toolbox.programs", "kubectl"])

    def namespace(self, wanted: str) -> str:
        """``labs-NAME``, made with our labels where it is not there.

        :raises PermanentError: somebody else made one of that name
        """
        name = wanted if wanted.startswith(PREFIX) else PREFIX + wanted
        labels = {MANAGED: MANAGER, OWNER: mark(state.home())}
        found = kubectl("get", "namespace", name, "--ignore-not-found", "-o", "json")
        if found:
            seen = json.loads(found)["metadata"].get("labels") or {}
            if {key: seen.get(key) for key in labels} != labels:
                raise PermanentError(f"The namespace {name} of this cluster was not made by this lab.",
                                     "Remove or rename it, or choose another cluster.")
            return name
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        kubectl("create", "-f", "-", stdin=json.dumps(body))
        return name

    def load_image(self, name: str, archive: Path) -> None:
        """:raises PermanentError: always: how images come to these nodes is the owner's affair"""
        raise PermanentError(f"{name} cannot be loaded into a cluster that is not the labs' own.",
                             f"Push {archive} to a registry that its nodes reach.")

    def reset(self) -> list[str]:
        """Delete the namespaces that this state folder made."""
        if not any(row.name == "kubernetes" and row.state == "running" for row in control.status()):
            raise PermanentError("The cluster is not joined.", "Run `lab up kubernetes`.")
        mine = f"{MANAGED}={MANAGER},{OWNER}={mark(state.home())}"
        names = kubectl("get", "namespaces", "-l", mine, "-o", "jsonpath={.items[*].metadata.name}").split()
        if names:
            kubectl("delete", "namespace", *names, f"--timeout={DELETED_WITHIN:.0f}s", within=DELETED_WITHIN + 30)
        left = kubectl("get", "namespaces", "-l", mine, "-o", "name").split()
        if left:
            raise TemporaryError(f"still there: {', '.join(left)}")
        return ["kubernetes: what the labs made there is gone, the rest is untouched",
                *(f"  removed namespace {name}" for name in sorted(names))]


def _command(context: Context) -> list[str]:
    path, chosen = origin()
    return [sys.executable, "-m", "labs.cluster.drivers.kubeconfig", "--home", str(context.home),
            "--port", str(context.port), "--file", str(path), "--context", chosen]


def _ready(context: Context) -> None:
    """The cluster answers through the proxy."""
    get(http.client.HTTPConnection("127.0.0.1", context.port or 0, timeout=5), "/readyz")


def main() -> None:
    """Copy the context to ``HOME/kubeconfig``, say where the issuer's keys are, and become the proxy."""
    parser = argparse.ArgumentParser(prog="python -m labs.cluster.drivers.kubeconfig", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, required=True, help="of the proxy")
    parser.add_argument("--file", type=Path, required=True, help="kubeconfig of the cluster")
    parser.add_argument("--context", default="", help="in that file; its current one when empty")
    given = parser.parse_args()
    os.umask(0o077)
    program = programs.find(programs.tool("kubectl"))
    if program is None:
        sys.exit("kubectl is not here; run `lab tools fetch kubectl`")
    copy = given.home / "kubeconfig"
    try:
        text = run([str(program.path), "config", "view", "--minify", "--flatten", "--raw", "-o", "json",
                    *(["--context", given.context] if given.context else [])],
                   within=base.ANSWERED_WITHIN, KUBECONFIG=str(given.file))
        state.write_private(copy, text)
        about = json.loads(kubectl("get", "--raw", issuer.DISCOVERY, kubeconfig=copy))
        issuer.publish(given.home, about["issuer"], f"http://127.0.0.1:{given.port}", "", keys=issuer.JWKS)
    except (LabError, ValueError, KeyError) as error:
        sys.exit(f"{given.file}: {error}")
    os.execv(program.path, [
        str(program.path), "proxy", "--kubeconfig", str(copy), "--address=127.0.0.1", f"--port={given.port}",
        f"--accept-paths={_DOCUMENTS}", "--reject-methods=^(POST|PUT|PATCH|DELETE)$"])


DRIVER = Kubeconfig()

if __name__ == "__main__":
    main()
