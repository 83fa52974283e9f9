"""OIDC issuers for labs: they sign tokens and publish their keys on loopback, under the name of the issuer they play.

:class:`ClusterIssuer` mints Kubernetes service-account tokens as an EKS cluster does, :class:`GitHubIssuer` the tokens
of GitHub Actions jobs.  Both are honest: a token says where its bearer really runs, so a fork gets the fork's subject.
A real cluster's API server takes :class:`ClusterIssuer`'s place by its URL; nothing else knows the difference.

Left out: authentication of whoever asks for a token, since a lab calls these methods itself.

Pages: "Managing Service Accounts" and "TokenRequest" (Kubernetes documentation), "Learn how EKS Pod Identity grants
pods access to AWS services" and "IAM roles for service accounts" (Amazon EKS User Guide), "OpenID Connect reference"
(GitHub Docs, with the subject format of repositories created since 2026-07-15).
"""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, ClassVar

from labs.aws import jwt
from labs.aws.serving import Serving, answer
from labs.errors import PermanentError, TemporaryError

AUDIENCE = "sts.amazonaws.com"  # of tokens for AssumeRoleWithWebIdentity
POD_IDENTITY_AUDIENCE = "pods.eks.amazonaws.com"
GITHUB = "https://token.actions.githubusercontent.com"
DISCOVERY = "/.well-known/openid-configuration"


class Issuer:
    """An issuer with one signing key.  A context manager: it answers inside the ``with`` block.

    :param url: the issuer's public name, ``https://…`` without a trailing slash
    """

    lifetime: ClassVar[int] = 3600  # seconds

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: jwt.PrivateKey | None = None
        self.key_id = uuid.uuid4().hex
        self.answers = True  # False: the key set cannot be had, as in an outage
        self._serving = Serving(self)

    @property
    def _key(self) -> jwt.PrivateKey:
        """The signing key, made when it is first needed: that takes up to half a second."""
        if self._made is None:
            self._made = jwt.new_key()
        return self._made

    @property
    def host(self) -> str:
        """The name in ARNs and condition keys: the URL without ``https://``."""
        return self.url.removeprefix("https://")

    @property
    def location(self) -> str:
        """Where it answers on this machine.

        :raises PermanentError: it was not started
        """
        if not self._serving.url:
            raise PermanentError(f"The issuer {self.url} is not running.", "Start it first.")
        return self._serving.url

    def start(self) -> Issuer:
        """Answer on a free loopback port; a second call changes nothing."""
        self._serving.start()
        return self

    def stop(self) -> None:
        """Stop answering; a second call changes nothing."""
        self._serving.stop()

    def __enter__(self) -> Any:
        return self.start()

    def leave(self) -> None:
        """Begin to stop, and do not wait for it."""
        self._serving.leave()

    def __exit__(self, *error: object) -> None:
        self.stop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The public documents over HTTP (ASGI)."""
        if scope["type"] == "http":
            found = self.documents(scope["path"]) if scope["method"] == "GET" else None
            await answer(send, 200 if found else 404, found or {"error": "not found"})

    def announce(self, endpoint: str, account: str, cluster: str = "") -> None:
        """Tell the AWS endpoint where this issuer answers, for roles of ``account``.

        :param endpoint: the gateway's host listener
        :param cluster: name of the EKS cluster whose issuer this is, "" for none
        :raises TemporaryError: the gateway does not answer
        """
        _tell(endpoint, account=account, issuer=self.url, location=self.location, cluster=cluster)

    def documents(self, path: str) -> dict[str, Any] | None:
        """What the issuer publishes under a path, ``None`` where there is nothing."""
        if path == DISCOVERY:
            return {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        if path == "/keys" and self.answers:
            return {"keys": [jwt.public_jwk(self._key, self.key_id)]}
        return None

    def rotate(self) -> None:
        """A new signing key; tokens signed with the old one are worth nothing from now on."""
        self._made = None
        self.key_id = uuid.uuid4().hex

    def mint(self, subject: str, audience: str | list[str] = AUDIENCE, **claims: Any) -> str:
        """A signed token.

        :param claims: further claims; they also override ``iat``, ``nbf`` and ``exp`` (seconds since 1970)
        """
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + self.lifetime}
        body = {"iss": self.url, "sub": subject, "aud": audience, "jti": str(uuid.uuid4()), **times, **claims}
        return jwt.sign(body, self._key, self.key_id)


def forget(endpoint: str, account: str, url: str, cluster: str = "") -> None:
    """Take back :meth:`Issuer.announce`; raises as it does."""
    _tell(endpoint, account=account, issuer=url, location="", cluster=cluster)


def _tell(endpoint: str, **about: str) -> None:
    query = urllib.parse.urlencode(about)
    request = urllib.request.Request(f"{endpoint}/_lab/issuers?{query}", method="POST", data=b"")
    try:
        with urllib.request.urlopen(request, timeout=5):
            pass
    except (OSError, urllib.error.HTTPError) as error:
        raise TemporaryError(f"The AWS endpoint {endpoint} did not take the issuer's address: {error}") from error


class ClusterIssuer(Issuer):
    """The issuer of one EKS cluster.

    :param identifier: 32 hexadecimal digits, as in ``oidc.eks.REGION.amazonaws.com/id/IDENTIFIER``
    """

    lifetime = 86_400  # what EKS projects into pods

    def __init__(self, identifier: str, region: str = "us-east-1") -> None:
        super().__init__(self.url_of(identifier, region))

    @staticmethod
    def url_of(identifier: str, region: str = "us-east-1") -> str:
        """The URL of a cluster's issuer."""
        return f"https://oidc.eks.{region}.amazonaws.com/id/{identifier.upper()}"

    def service_account_token(
        self, namespace: str, name: str, *, pod: str = "", audience: str = AUDIENCE, **claims: Any
    ) -> str:
        """The token that the kubelet projects into a pod of this service account.

        :param pod: the pod's name; "" mints a token that is bound to no pod
        """
        about: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": _uid(self.url, namespace, name)},
        }
        if pod:
            about["pod"] = {"name": pod, "uid": _uid(self.url, namespace, "pod", pod)}
        subject = f"system:serviceaccount:{namespace}:{name}"
        return self.mint(subject, [audience], **{"kubernetes.io": about, **claims})


class GitHubIssuer(Issuer):
    """GitHub's issuer: one for all repositories in the world, hence a trust policy has to name the repository."""

    def __init__(self) -> None:
        super().__init__(GITHUB)

    def job_token(
        self,
        repository: str,
        *,
        ref: str = "refs/heads/main",
        pull_request: int = 0,
        environment: str = "",
        workflow: str = "deploy",
        actor: str = "",
        audience: str = AUDIENCE,
        immutable: bool = True,
        **claims: Any,
    ) -> str:
        """The token that a job of this repository gets with ``permissions: id-token: write``.

        :param repository: ``owner/name`` of the repository that the workflow runs in; for a fork, the fork
        :param pull_request: number of the pull request that started the job, 0 for none
        :param immutable: subject with the owner's and the repository's ids, the default for repositories created since
            2026-07-15; otherwise with the names alone
        """
        owner = repository.partition("/")[0]
        owner_id, repository_id = number_of(owner), number_of(repository)
        if pull_request:
            ref = f"refs/pull/{pull_request}/merge"
        path = f".github/workflows/{workflow}.yml"
        job: dict[str, Any] = {
            "repository": repository,
            "repository_id": repository_id,
            "repository_owner": owner,
            "repository_owner_id": owner_id,
            "repository_visibility": "public",
            "ref": ref,
            "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
            "event_name": "pull_request" if pull_request else "push",
            "workflow": workflow,
            "workflow_ref": f"{repository}/{path}@{ref}",
            "job_workflow_ref": f"{repository}/{path}@{ref}",
            "actor": actor or owner,
            "actor_id": number_of(actor or owner),
            "runner_environment": "github-hosted",
            "run_id": str(number_of(f"{repository}{ref}run")),
            "run_attempt": "1",
            **({"environment": environment} if environment else {}),
        }
        where = subject_of(repository, immutable)
        context = f"environment:{environment}" if environment else "pull_request" if pull_request else f"ref:{ref}"
        return self.mint(f"{where}:{context}", audience, **{**job, **claims})


def subject_of(repository: str, immutable: bool = True) -> str:
    """The part of GitHub's subject that names a repository: ``repo:owner@id/name@id``, or without the ids."""
    owner, _, name = repository.partition("/")
    if immutable:
        return f"repo:{owner}@{number_of(owner)}/{name}@{number_of(repository)}"
    return f"repo:{repository}"


def number_of(name: str) -> str:
    """A stable stand-in for the number that GitHub gives an owner or a repository: nine digits."""
    return str(100_000_000 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 900_000_000)


def _uid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))
