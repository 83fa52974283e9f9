"""What somebody does who can run code in a pod: ask the metadata service, look around, use what was found.

Runs inside the pod, as text, with an order in the environment variable INTRUDER: ``{"steps": [...], "bucket", "keys",
"calls": [[service, operation, parameters]...]}``.  Prints one JSON object, step → what came of it:
``{"got": "credentials" | "HTTP 401" | "no answer" | …, "arn", "reads": {key: answer}, "calls": [answer…]}``.

Steps: ``v1`` and ``v2`` ask the metadata service over a plain socket, ``environment`` uses what the pod was given.
Standard library, and boto3 once there are credentials to use.
"""

import json
import os
import socket
import urllib.parse

PATIENCE = 20.0     # seconds for an answer that is on its way
SILENCE = 0.3       # seconds more for an answer that others overtook
OTHERS = 3
ROLES = "/latest/meta-data/iam/security-credentials/"


def request(address, method, path, headers=()):
    """(status, body) of one HTTP request over a plain socket; (0, "") where no answer comes.

    The answer to a PUT may run out of hops.  It counts as lost when OTHERS later requests were answered and it was not:
    a busy machine delays all of them alike.
    """
    lines = [f"{method} {path} HTTP/1.1", "Host: metadata", "Content-Length: 0", "Connection: close", *headers]
    try:
        with socket.create_connection(address, PATIENCE) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            if method == "PUT":
                for _ in range(OTHERS):
                    request(address, "GET", "/")
                connection.settimeout(SILENCE)
            data = connection.recv(65536)
            connection.settimeout(PATIENCE)
            while chunk := connection.recv(65536):
                data += chunk
    except OSError:
        return 0, ""
    head, _, body = data.decode().partition("\r\n\r\n")
    return (int(head.split()[1]), body) if head else (0, "")


def ask(address, method, path, headers=()):
    """The body; raises LookupError with the reason when there is none."""
    status, body = request(address, method, path, headers)
    if status != 200:
        why = "" if "<html>" in body else body.strip()[-300:]
        raise LookupError(": ".join(filter(None, [f"HTTP {status}", why])) if status else "no answer")
    return body


def metadata(version):
    """The node role's credentials, by version 1 or 2 of the metadata service; raises LookupError with the reason."""
    url = urllib.parse.urlsplit(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"))
    address, headers = (url.hostname, url.port or 80), []
    if version == 2:
        token = ask(address, "PUT", "/latest/api/token", ["X-aws-ec2-metadata-token-ttl-seconds: 60"])
        headers = [f"X-aws-ec2-metadata-token: {token}"]
    role = ask(address, "GET", ROLES, headers)
    found = json.loads(ask(address, "GET", ROLES + role, headers))
    if found["Code"] != "Success":
        raise LookupError(found["Code"])
    return found


def environment():
    """The credentials that this pod's own variables lead to; raises LookupError where there are none."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {"AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"], "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"],
                "Token": os.environ.get("AWS_SESSION_TOKEN")}
    if "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in os.environ:
        raise LookupError("nothing there")
    url = urllib.parse.urlsplit(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    with open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) as file:
        header = f"Authorization: {file.read()}"
    return json.loads(ask((url.hostname, url.port), "GET", url.path, [header]))


def answer(call):
    """``allowed``, or AWS's error code and message."""
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return "allowed"


def use(found, order):
    """What the credentials are, and what they can do."""
    import boto3

    session = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])
    seen = {"got": "credentials", "arn": session.client("sts").get_caller_identity()["Arn"]}
    if order.get("keys"):
        s3 = session.client("s3")
        seen["reads"] = {key: answer(lambda key=key: s3.get_object(Bucket=order["bucket"], Key=key))
                         for key in order["keys"]}
    seen["calls"] = []
    for service, name, params in order.get("calls", []):
        operation = getattr(session.client(service), name)
        seen["calls"].append(answer(lambda operation=operation, params=params: operation(**params)))
    return seen


def main():
    """Carry out the order."""
    order = json.loads(os.environ["INTRUDER"])
    steps = {"v1": lambda: metadata(1), "v2": lambda: metadata(2), "environment": environment}
    seen = {}
    for step in order["steps"]:
        try:
            found = steps[step]()
        except LookupError as why:
            seen[step] = {"got": str(why)}
            continue
        seen[step] = use(found, order) if order.get("use", True) else {"got": "credentials"}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
