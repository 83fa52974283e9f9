"""Judging in Kubernetes Jobs, against an API server of this test's own that runs each Job's command as a process.

It speaks the few calls that are needed as the API reference describes them; a cluster takes its place once the course
has one.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from labs.errors import PermanentError, TemporaryError

REPOSITORY = Path(__file__).resolve().parents[2]
MADE = "2026-11-25T00:00:00Z"


class Cluster:
    """Jobs, ConfigMaps and pods of one namespace; ``image`` decides what becomes of a Job."""

    def __init__(self, folder):
        self.folder, self.jobs, self.configs, self.pods, self.ran = folder, {}, {}, {}, []
        self.lock, self.closed = threading.Condition(), False
        self.released = threading.Event()
        base = "/apis/batch/v1/namespaces/marks/jobs"
        core = "/api/v1/namespaces/marks"
        self.app = Starlette(
            routes=[
                Route(base, self.create_job, methods=["POST"]),
                Route(base, self.list_jobs, methods=["GET"]),
                Route(base + "/{name}", self.read_job, methods=["GET"]),
                Route(base + "/{name}", self.delete_job, methods=["DELETE"]),
                Route(core + "/configmaps", self.create_config, methods=["POST"]),
                Route(core + "/pods", self.list_pods, methods=["GET"]),
                Route(core + "/pods/{name}/log", self.log, methods=["GET"]),
            ]
        )

    async def create_job(self, request):
        body = await request.json()
        name = body["metadata"]["name"]
        with self.lock:
            if name in self.jobs:
                return refused(409, f'jobs.batch "{name}" already exists')
            body["metadata"] |= {"uid": f"uid-{len(self.ran)}", "resourceVersion": "1"}
            body["status"] = {}
            self.jobs[name] = body
        return JSONResponse(body, 201)

    async def read_job(self, request):
        job = self.jobs.get(request.path_params["name"])
        return JSONResponse(job) if job else refused(404, "not found")

    async def delete_job(self, request):
        name = request.path_params["name"]
        with self.lock:
            self.jobs.pop(name), self.configs.pop(name, None), self.pods.pop(name, None)
            self.lock.notify_all()
        return JSONResponse({"kind": "Status", "status": "Success"})

    async def create_config(self, request):
        body = await request.json()
        name = body["metadata"]["name"]
        with self.lock:
            if name in self.configs:
                return refused(409, f'configmaps "{name}" already exists')
            self.configs[name] = body
        assert body["metadata"]["ownerReferences"][0]["uid"] == self.jobs[name]["metadata"]["uid"]
        threading.Thread(target=self.run, args=(name,), daemon=True).start()
        return JSONResponse(body, 201)

    def run(self, name):
        """What a kubelet does: the files as links into a hidden folder, the command, its exit status and log."""
        job = self.jobs[name]
        container = job["spec"]["template"]["spec"]["containers"][0]
        if container["image"] == "absent":
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
            self.pods[name] = {"phase": "Pending", "containerStatuses": [status(waiting)]}
            return
        data = self.folder / name / "..data"
        data.mkdir(parents=True)
        for file, content in self.configs[name]["binaryData"].items():
            (data / file).write_bytes(base64.b64decode(content))
            (data.parent / file).symlink_to(f"..data/{file}")
        command = [word.replace("/submission", str(data.parent)) for word in container["command"]]
        self.ran.append(command)
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable if word == "python" else word for word in command]
        if container["image"] == "broken":
            command[command.index("--student") - 1] = "/nowhere.ipynb.gz"
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        self.released.wait(60)
        log = done.stderr + done.stdout
        if container["image"] == "old":
            log = log.replace('"grader": "', '"grader": "0')
        with self.lock:
            self.pods[name] = {"phase": "Succeeded" if not done.returncode else "Failed", "log": log}
            ended = {"type": "Complete", "status": "True"}
            if done.returncode:
                ended = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 2"}
            job["status"] = {"conditions": [ended]}
            self.lock.notify_all()

    async def list_jobs(self, request):
        name = request.query_params["fieldSelector"].removeprefix("metadata.name=")
        until = time.monotonic() + float(request.query_params["timeoutSeconds"])

        def events():
            before = None
            while time.monotonic() < until and not self.closed:
                with self.lock:
                    job = self.jobs.get(name)
                    text = json.dumps({"type": "MODIFIED", "object": job} if job else {"type": "DELETED", "object": {}})
                    if text == before:
                        self.lock.wait(0.1)
                        continue
                before = text
                yield text + "\n"

        return StreamingResponse(events(), media_type="application/json")

    async def list_pods(self, request):
        name = request.query_params["labelSelector"].removeprefix("batch.kubernetes.io/job-name=")
        pod = self.pods.get(name)
        named = {"name": f"{name}-x", "creationTimestamp": MADE}
        there = {"metadata": named, "spec": {"containers": []}, "status": pod}
        return JSONResponse({"kind": "PodList", "apiVersion": "v1", "items": [there] if pod else []})

    async def log(self, request):
        return PlainTextResponse(self.pods[request.path_params["name"].removesuffix("-x")]["log"])


def status(state):
    return {"name": "judge", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def refused(code, message):
    return JSONResponse({"kind": "Status", "status": "Failure", "code": code, "message": message}, code)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = Cluster(tmp_path / "pods")
    made.released.set()
    server = uvicorn.Server(uvicorn.Config(made.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    entry = {"clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}]}
    entry |= {"users": [{"name": "u", "user": {}}], "current-context": "x"}
    entry |= {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}
    (tmp_path / "kubeconfig").write_text(json.dumps(entry))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    yield made
    made.closed = server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def generated():
    """What generate_assignment makes of the course's notebook; kept, since it takes seconds."""
    return {}


@pytest.fixture
def submission(course, generated):
    """(the restored notebook of a student with the right answer, the released one)"""
    from graders.nbgrader_plugins.restored import restored

    if not generated:
        assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
        generated["text"] = course.released.read_text()
    course.released.parent.mkdir(parents=True, exist_ok=True)
    course.released.write_text(generated["text"])
    document = json.loads(generated["text"])
    document["cells"][1]["source"] = "evens = [0, 2, 4, 6, 8]"
    (course.root / "handed-in.ipynb").write_text(json.dumps(document))
    return restored(course.root / "handed-in.ipynb", course.released)[0], course.released


def test_a_job_judges_as_this_process_does(cluster, submission, grader):
    from graders.dispatch import Here, jobs_of

    notebook, released = submission
    found = jobs_of("image", "marks")(grader).judged(notebook, released, "ada", {})
    assert found == Here(grader).judged(notebook, released, "ada", {})
    assert found["t1-q1"].verdict.points == 3
    assert len(cluster.ran) == 1
    assert not cluster.jobs, "a Job whose verdicts were read is removed"


def test_a_kept_verdict_needs_no_job(cluster, submission, grader):
    from graders.dispatch import Here, jobs_of

    kept = Here(grader).judged(*submission, "ada", {})
    assert jobs_of("image", "marks")(grader).judged(*submission, "ada", kept) == kept
    assert not cluster.ran


def test_a_job_of_a_killed_run_is_taken_up_again(cluster, submission, grader):
    from graders.dispatch import jobs_of

    cluster.released.clear()
    first = jobs_of("image", "marks")(grader)
    killed = type(first)(grader, "image", "marks", first.batch, first.core, seconds=1)
    with pytest.raises(TemporaryError, match="did not end in 1 s: it has no pod"):
        killed.judged(*submission, "ada", {})
    cluster.released.set()
    assert first.judged(*submission, "ada", {})["t1-q1"].verdict.points == 3
    assert len(cluster.ran) == 1


def test_what_a_pod_waits_for_is_told(cluster, submission, grader):
    from graders.dispatch import jobs_of

    made = jobs_of("absent", "marks")(grader)
    impatient = type(made)(grader, "absent", "marks", made.batch, made.core, seconds=1.5)
    with pytest.raises(TemporaryError, match="ImagePullBackOff: no such image"):
        impatient.judged(*submission, "ada", {})


@pytest.mark.parametrize(
    ("image", "said"), [("broken", "PodFailurePolicy.*nowhere.ipynb.gz"), ("old", "another version of the graders")]
)
def test_what_trying_again_cannot_mend_is_permanent(cluster, submission, grader, image, said):
    from graders.dispatch import jobs_of

    with pytest.raises(PermanentError, match=said):
        jobs_of(image, "marks")(grader).judged(*submission, "ada", {})


@pytest.mark.filterwarnings("ignore")
def test_a_batch_in_jobs_gives_the_same_gradebook_and_says_what_failed(cluster, course):
    from graders.batch import grade
    from graders.dispatch import jobs_of

    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    document = json.loads(course.released.read_text())
    for student, answer in (("ada", "evens = [0, 2, 4, 6, 8]"), ("bob", "evens = [2]")):
        document["cells"][1]["source"] = answer
        path = course.root / "submitted" / student / "t_testing" / course.released.name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
    failed = grade("t_testing", course.root, 2, dispatch=jobs_of("broken", "marks"))
    assert all("nowhere" in one.problem for one in failed)
    done = grade("t_testing", course.root, 2, dispatch=jobs_of("image", "marks"))
    assert [(one.student, one.points, one.problem) for one in done] == [("ada", 3.0, ""), ("bob", 2.0, "")]
    assert len(cluster.ran) == 4
    again = grade("t_testing", course.root, 2, dispatch=jobs_of("image", "marks"))
    assert [one.again for one in again] == [False, False]
    assert len(cluster.ran) == 4, "what is recorded needs no Job"


def test_no_cluster_says_what_to_set(monkeypatch, tmp_path):
    from graders.dispatch import jobs_of

    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(PermanentError, match="KUBECONFIG"):
        jobs_of("image", "marks")
