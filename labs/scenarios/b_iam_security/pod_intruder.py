"""What somebody does who can run code in a pod of the shop: use its token at the Kubernetes API, try the network.

Runs inside the pod, as text, after a line ``ORDER = {…}``: step → what to try.  Prints one JSON object, step → what
came of it.  Ways to say what to try:

    {"token": true}                     is there a service account's token?  ``no token`` or who one is with it
    {"call": [method, path, body]}      one call of the API server; ``{namespace}`` in the path is the pod's own
    {"pod": spec}                       start a pod, wait for its end, read what it wrote
    {"connect": [host, port]}           open a connection: ``connected``, ``no answer``, or why not

Each answer is ``{"got": text, "succeeded": bool}``.  Standard library.
"""

import errno
import http.client
import json
import os
import socket
import ssl
import threading
import time

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"
PATIENCE = 10.0     # seconds for an answer of the API server
SILENCE = 2.5       # seconds until a connection counts as unanswered
RUN = 15.0          # seconds for a pod that was started


def own(name):
    with open(ACCOUNT + name) as file:
        return file.read()


def api(method, path, body=None):
    """(status, answer) of the API server: an object, or text."""
    headers = {"Authorization": f"Bearer {own('token')}", "Content-Type": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    connection = http.client.HTTPSConnection(
        os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"]), timeout=PATIENCE,
        context=ssl.create_default_context(cafile=ACCOUNT + "ca.crt"))
    try:
        connection.request(method, path.replace("{namespace}", own("namespace")),
                           None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def told(status, said):
    message = said.get("message", "") if isinstance(said, dict) else said
    return {"got": f"{status} {message}".strip()[:500], "succeeded": status < 300}


def token(_):
    try:
        said = api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                   {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})[1]
    except FileNotFoundError:
        return {"got": "no token", "succeeded": False}
    return {"got": f"is {said['status']['userInfo']['username']}", "succeeded": True}


def call(what):
    try:
        return told(*api(*what))
    except FileNotFoundError:
        return {"got": "no token", "succeeded": False}


def pod(spec):
    """Start a pod and see what it does; it is deleted afterwards."""
    pods = "/api/v1/namespaces/{namespace}/pods"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "intruder-"},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **spec}}
    try:
        status, said = api("POST", pods, body)
    except FileNotFoundError:
        return {"got": "no token", "succeeded": False}
    if status >= 300:
        return told(status, said)
    name, end, phase = said["metadata"]["name"], time.monotonic() + RUN, "Pending"
    try:
        while phase not in ("Succeeded", "Failed") and time.monotonic() < end:
            time.sleep(0.1)
            phase = api("GET", f"{pods}/{name}")[1].get("status", {}).get("phase", phase)
        wrote = str(api("GET", f"{pods}/{name}/log")[1]).strip()
    finally:
        api("DELETE", f"{pods}/{name}")
    return {"got": f"the pod was started ({phase}); it says: {wrote[-300:]}", "succeeded": True}


def connect(where):
    """What is denied gets no answer."""
    host, port = where
    try:
        socket.create_connection((host, port), SILENCE).close()
    except TimeoutError:
        return {"got": "no answer", "succeeded": False}
    except OSError as error:
        # refused, or no way there: nobody stopped the packet on its way
        return {"got": errno.errorcode.get(error.errno, "") + f" {error.strerror or error}", "succeeded": True}
    return {"got": "connected", "succeeded": True}


def main(order):
    """Try everything, connections at the same time."""
    seen = {}

    def one(step, kind, what):
        try:
            seen[step] = {"token": token, "call": call, "pod": pod, "connect": connect}[kind](what)
        except (OSError, http.client.HTTPException) as error:
            seen[step] = {"got": f"failed: {error!r}", "succeeded": False, "broken": True}

    threads = [threading.Thread(target=one, args=(step, *next(iter(what.items())))) for step, what in order.items()]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    print(json.dumps({step: seen[step] for step in order}))


if __name__ == "__main__":
    main(ORDER)  # noqa: F821 (the line before this text)
