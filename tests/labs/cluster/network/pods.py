"""Pods for these tests: small Python servers that say who they are, and a client in a pod."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Object = dict[str, Any]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]

SERVER = """
import http.server, json, os, ssl, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = answered(self, self.rfile.read(length)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass

def answered(request, body):
    return json.dumps({"pod": os.environ["HOSTNAME"], "path": request.path.partition("?")[0],
                       "from": request.client_address[0]})

def serve(port, host="0.0.0.0"):
    server = http.server.ThreadingHTTPServer((host, port), Handler)
    if "CERTIFICATE" in os.environ:
        path = os.path.join(os.environ["HOME"], "pair.pem")
        with open(path, "w") as file:
            file.write(os.environ["CERTIFICATE"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
"""


def pod(name: str, code: str, ports: dict[str, int] | None = None, labels: dict[str, str] | None = None,
        ready: int | None = None, environment: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pod that runs a Python program.

    :param ports: declared ports by their names
    :param ready: the port a readiness probe connects to
    """
    container: Object = {
        "name": "main", "image": "host", "command": ["python3", "-u", "-c", code],
        "ports": [{"name": key, "containerPort": value} for key, value in (ports or {}).items()],
        "env": [{"name": key, "value": value} for key, value in (environment or {}).items()]}
    if ready is not None:
        container["readinessProbe"] = {"tcpSocket": {"port": ready}, "periodSeconds": 1, "timeoutSeconds": 5}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}}


def server(name: str, port: int = 8080, labels: dict[str, str] | None = None, host: str = "0.0.0.0",
           code: str = "", **more: Any) -> Object:
    """A pod with a web server that says its name."""
    return pod(name, f"{SERVER}{code}\nserve({port}, {host!r})", {"web": port}, labels or {"app": name}, port, **more)


def service(name: str, selector: dict[str, str] | None, *ports: Object, **spec: Any) -> Object:
    """A Service."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": list(ports) or [{"port": 80, "targetPort": "web"}],
                     **({"selector": selector} if selector else {}), **spec}}


def certificate(*names: str) -> tuple[str, str]:
    """(certificate, certificate and key) in PEM, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256()))
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    return text, text + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()).decode()


def apply(kubectl: Kubectl, *objects: Object, namespace: str = "default") -> None:
    """Make or change objects."""
    # without validation: it fetches all of the API's description first, 8 s on a busy machine
    kubectl("apply", "--validate=false", "-n", namespace, "-f", "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def wait_ready(kubectl: Kubectl, *names: str, namespace: str = "default") -> None:
    """Until these pods are ready."""
    done = kubectl("wait", "-n", namespace, "--for=condition=Ready", "--timeout=50s",
                   *(f"pod/{name}" for name in names), status=None)
    if done.returncode:
        seen = kubectl("get", "pods", "-n", namespace, "-o", "wide", status=None).stdout
        logs = "\n".join(kubectl("logs", "-n", namespace, name, status=None).stdout for name in names)
        raise AssertionError(f"{done.stderr}\n{seen}\n{logs}")
