"""Where answers are judged: in this process, or each submission in a Kubernetes Job of its own.

:mod:`graders.judging` has a third place, processes of this machine.

A Job runs ``python -m graders.judge`` (see there) in an image that holds this same repository and its locked
dependencies.  Its notebooks come in a ConfigMap that the Job owns, its verdicts are the last line of its pod's log.
Kubernetes documentation: "Jobs" (deadline, backoff limit, pod failure policy, clean-up), "ConfigMaps" (1 MiB at most),
"Pod Security Standards" (what "restricted" asks of a pod).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Protocol

from graders.exercise import find
from graders.notebook import answers, cells_of
from graders.receipts import Judged, grader_version
from labs.errors import PermanentError, TemporaryError

QUEUE_SECONDS = 900.0  # until a Job has ended: a pod may have to wait for a node, and a node for an image
JUDGE_SECONDS = 300  # a pod that runs longer is ended
KEPT_SECONDS = 3600  # a Job that nobody comes back for
LARGEST = 900 * 1024  # bytes of both notebooks, packed: a ConfigMap takes 1 MiB, in base64 and with its own text
USER = 1000
INSIDE = "/submission"
LABELS = {"app.kubernetes.io/name": "graders", "app.kubernetes.io/component": "judge"}
BROKEN = 2  # graders.judge's exit status where trying again cannot help


class Dispatcher(Protocol):
    """Gives verdicts on a rebuilt notebook; called from as many threads as there are jobs.

    ``local`` says that what it could not judge, nbgrader's plug-in in this process cannot judge either.
    """

    @property
    def local(self) -> bool:
        """See above."""

    def judged(self, notebook: Any, released: Path, student: str, kept: Mapping[str, Judged]) -> dict[str, Judged]:
        """The verdict on each check cell, by exercise.

        :param notebook: the released notebook with this student's answers in it, a NotebookNode
        :param released: the released notebook
        :param kept: verdicts of an earlier run, to be used instead of new ones
        Raises TemporaryError where trying again may help, PermanentError where it cannot.
        """

    def close(self) -> None:
        """Let go of what it holds; called once."""


class Here:
    """Judges with a :class:`graders.runner.Grader` of this process."""

    local = True

    def __init__(self, grader: Any) -> None:
        self._grader = grader

    def judged(self, notebook: Any, released: Path, student: str, kept: Mapping[str, Judged]) -> dict[str, Judged]:
        """See :class:`Dispatcher`."""
        cells, judged = cells_of(notebook), {}
        for name in checks(cells):
            registered = find(name)
            if name in kept:
                self._grader.remember(registered, student, kept[name])
            judged[name] = self._grader.judge_once(registered, answers(cells, registered.exercise.cells), student)
        return judged

    def close(self) -> None:
        """Nothing to let go of."""


def checks(cells: list[Any]) -> list[str]:
    """The ids of the exercises whose check cells these are, in order."""
    return [cell.grade_id for cell in cells if cell.is_check and cell.grade_id]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Judges in Jobs of the cluster that KUBECONFIG's current context names; verdicts go into ``grader``'s memory.

    A Job is named after what it judges: a run that was killed finds the ones it had begun, ended ones too.
    """

    grader: Any
    image: str
    namespace: str
    batch: Any  # kubernetes.client.BatchV1Api
    core: Any  # kubernetes.client.CoreV1Api
    seconds: float = QUEUE_SECONDS
    local: ClassVar[bool] = False

    def judged(self, notebook: Any, released: Path, student: str, kept: Mapping[str, Judged]) -> dict[str, Judged]:
        """See :class:`Dispatcher`.  What is too large for a ConfigMap is judged here."""
        here = Here(self.grader)
        wanted = checks(cells_of(notebook))
        files = packed(notebook, released)
        if all(name in kept for name in wanted) or sum(map(len, files.values())) > LARGEST:
            return here.judged(notebook, released, student, kept)
        job = manifest(files, self.image, self.namespace, student)
        said = self._said(job, files)
        if said.get("grader") != grader_version():
            raise PermanentError(
                f"The image {self.image} holds another version of the graders than this folder.",
                "Build it from this commit, and give it a tag or digest of its own.",
            )
        try:
            found = {name: Judged.from_json(each) for name, each in said["exercises"].items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise PermanentError(f"The pod of {job['metadata']['name']} printed verdicts of another shape.") from error
        if set(found) != set(wanted):
            raise PermanentError(f"The Job judged {sorted(found)}, expected {sorted(wanted)}.")
        return here.judged(notebook, released, student, found)

    def close(self) -> None:
        """Jobs end by themselves."""

    def _said(self, job: dict[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        name = job["metadata"]["name"]
        try:
            made = self._made(job)
            self._filled(made, files)
            self._ended(name)
            said = self._log(name)
            self.batch.delete_namespaced_job(name, self.namespace, propagation_policy="Background")
        except ApiException as error:
            what = f"Kubernetes refused to run {name}: {error.status} {_message(error)}"
            if error.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT) or (error.status or 0) >= 500:
                raise TemporaryError(what) from error
            raise PermanentError(what, f"Grading needs Jobs, ConfigMaps and pod logs in {self.namespace}.") from error
        except HTTPError as error:
            raise TemporaryError(f"The cluster does not answer: {error}", "kubectl cluster-info") from error
        return said

    def _made(self, job: dict[str, Any]) -> Any:
        """The Job, made now or by an earlier run; one that had failed is made anew."""
        from kubernetes.client.exceptions import ApiException

        name = job["metadata"]["name"]
        try:
            return self.batch.create_namespaced_job(self.namespace, job)
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        before = self.batch.read_namespaced_job(name, self.namespace)
        if not _condition(before, "Failed"):
            return before
        self.batch.delete_namespaced_job(name, self.namespace, propagation_policy="Foreground")
        for _ in self._changes(name):
            try:
                return self.batch.create_namespaced_job(self.namespace, job)
            except ApiException as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
        raise TemporaryError(f"The failed Job {name} of an earlier run was not removed in {self.seconds:.0f} s.")

    def _filled(self, job: Any, files: Mapping[str, bytes]) -> None:
        """The ConfigMap with the notebooks; the Job owns it, so that it goes with the Job."""
        from kubernetes.client.exceptions import ApiException

        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.metadata.name, "uid": job.metadata.uid}
        body = {
            "metadata": {"name": job.metadata.name, "labels": dict(LABELS), "ownerReferences": [owner]},
            "binaryData": {name: base64.b64encode(content).decode("ascii") for name, content in files.items()},
            "immutable": True,
        }
        try:
            self.core.create_namespaced_config_map(self.namespace, body)
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise

    def _changes(self, name: str) -> Iterator[Any]:
        """The Job as it is at first and after each change, until the time is up; None once it was deleted."""
        from kubernetes.watch import Watch

        until = time.monotonic() + self.seconds
        while (left := until - time.monotonic()) > 0:
            stream = Watch().stream(
                self.batch.list_namespaced_job,
                self.namespace,
                field_selector=f"metadata.name={name}",
                timeout_seconds=max(1, int(left)),
            )
            for event in stream:
                yield None if event["type"] == "DELETED" else event["object"]

    def _ended(self, name: str) -> None:
        for job in self._changes(name):
            if job is None:
                raise TemporaryError(f"The Job {name} was deleted before it had judged.")
            if _condition(job, "Complete"):
                return
            if failed := _condition(job, "Failed"):
                log = _end(self._pod_log(name))
                what = f"The Job {name} failed: {failed.reason}: {failed.message}; its pod said: {log}"
                if failed.reason == "PodFailurePolicy":
                    raise PermanentError(what)
                raise TemporaryError(what)
        raise TemporaryError(f"The Job {name} did not end in {self.seconds:.0f} s: {self._last_seen(name)}")

    def _pods(self, name: str) -> list[Any]:
        """Every pod that the Job has had."""
        chosen = f"batch.kubernetes.io/job-name={name}"
        return list(self.core.list_namespaced_pod(self.namespace, label_selector=chosen).items)

    def _last_seen(self, name: str) -> str:
        for pod in self._pods(name):
            for status in pod.status.container_statuses or []:
                if status.state.waiting:
                    return f"its pod waits: {status.state.waiting.reason}: {status.state.waiting.message}"
            for condition in pod.status.conditions or []:
                if condition.status == "False":
                    return f"its pod is {pod.status.phase}: {condition.reason}: {condition.message}"
            return f"its pod is {pod.status.phase}"
        return "it has no pod"

    def _pod_log(self, name: str) -> str:
        ended = sorted(self._pods(name), key=_worth_reading)
        return str(self.core.read_namespaced_pod_log(ended[-1].metadata.name, self.namespace)) if ended else ""

    def _log(self, name: str) -> dict[str, Any]:
        log = self._pod_log(name)
        for line in reversed(log.splitlines()):
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and "exercises" in said:
                    return said
        raise TemporaryError(f"The pod of {name} printed no verdicts; it said: {_end(log)}")


def packed(notebook: Any, released: Path) -> dict[str, bytes]:
    """Both notebooks by file name, compressed; the same content gives the same bytes."""
    import nbformat

    text = nbformat.writes(notebook)
    return {
        "submitted.ipynb.gz": gzip.compress(text.encode(), mtime=0),
        "released.ipynb.gz": gzip.compress(released.read_bytes(), mtime=0),
    }


def manifest(files: Mapping[str, bytes], image: str, namespace: str, student: str) -> dict[str, Any]:
    """A Job that judges these notebooks, with the least a pod can have."""
    content = [image, student, *(hashlib.sha256(files[name]).hexdigest() for name in sorted(files))]
    name = f"judge-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]}"
    command = ["python", "-m", "graders.judge", f"{INSIDE}/submitted.ipynb.gz"]
    command += ["--released", f"{INSIDE}/released.ipynb.gz", "--student", student]
    container = {
        "name": "judge",
        "image": image,
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
        "resources": {
            "requests": {"cpu": "500m", "memory": "512Mi"},
            "limits": {"memory": "1536Mi", "ephemeral-storage": "1Gi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "submission", "mountPath": INSIDE, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,  # nothing in here has business with the API server
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "submission", "configMap": {"name": name}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(LABELS)},
        "spec": {
            "backoffLimit": 2,
            "activeDeadlineSeconds": JUDGE_SECONDS * 3,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [BROKEN]}},
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {"metadata": {"labels": dict(LABELS)}, "spec": pod},
        },
    }


def jobs_of(image: str, namespace: str) -> Callable[[Any], Jobs]:
    """Makes :class:`Jobs` in KUBECONFIG's current context, or in the cluster that this process runs in.

    Raises PermanentError where neither is there.
    """
    from kubernetes import client, config

    try:
        config.load_config()
    except config.ConfigException as error:
        raise PermanentError(f"No Kubernetes cluster is configured: {error}", "Set KUBECONFIG.") from error
    api = client.ApiClient()
    return lambda grader: Jobs(grader, image, namespace, client.BatchV1Api(api), client.CoreV1Api(api))


def _end(log: str) -> str:
    """The last line of a log, where a program says what it died of."""
    return (log.strip() or "nothing").splitlines()[-1][-400:]


def _worth_reading(pod: Any) -> tuple[bool, Any]:
    """Sorts the pods of a Job: the one that succeeded is last, else the newest."""
    return pod.status.phase == "Succeeded", pod.metadata.creation_timestamp


def _condition(job: Any, kind: str) -> Any:
    return next((one for one in job.status.conditions or [] if one.type == kind and one.status == "True"), None)


def _message(error: Any) -> str:
    with suppress(ValueError, TypeError):
        return str(json.loads(error.body)["message"])
    return str(error.reason)
