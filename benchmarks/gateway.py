"""What the gateway costs over the bare engine, in one run: ``python benchmarks/gateway.py [--calls N]``.

Prints p50 of both, their difference and ratio, calls a second of one client thread, how many a core's time would do
for (engine included, the client not), and resident memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
WARM = 20  # calls before those that are timed
BARE = (
    "import os,uvicorn,socket;"
    "os.environ.update(GATEWAY_PORT='0',SFTP_ENABLED='0',IOT_MTLS_ENABLED='0',LOG_LEVEL='ERROR');"
    "from ministack.app import app;s=socket.socket();s.bind(('127.0.0.1',0));"
    "print('ready http://127.0.0.1:%d'%s.getsockname()[1],flush=True);"
    "uvicorn.Server(uvicorn.Config(app,log_level='error',access_log=False)).run([s])"
)


def start(command: list[str]) -> tuple[subprocess.Popen[str], str, float]:
    """Start a server; returns the process, its URL and the seconds until it said that it is ready."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    boto3.client(
        "sts", endpoint_url=url, region_name="us-east-1", aws_access_key_id=ACCOUNT, aws_secret_access_key="test"
    )
    return process, url, time.monotonic() - began


def resident(pid: int) -> float:
    """Resident memory in MB."""
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) / 1024


def used(pid: int) -> float:
    """Seconds of processor time a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def client(url: str, service: str, key: str = ACCOUNT, secret: str = "test") -> Any:
    config = Config(s3={"addressing_style": "path"}, parameter_validation=False)
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=config,
    )


def prepare(url: str) -> None:
    client(url, "s3").create_bucket(Bucket="bench")
    client(url, "s3").put_object(Bucket="bench", Key="k", Body=b"x" * 1024)
    table = client(url, "dynamodb")
    table.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(TableName="table", Item={"id": {"S": "1"}})


def user_keys(url: str) -> tuple[str, str]:
    """Keys of an IAM user, so that policies are really evaluated."""
    iam = client(url, "iam")
    iam.create_user(UserName="bench")
    for arn in ("AmazonS3FullAccess", "AmazonDynamoDBFullAccess"):
        iam.attach_user_policy(UserName="bench", PolicyArn=f"arn:aws:iam::aws:policy/{arn}")
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def calls(url: str, key: str, secret: str) -> dict[str, Callable[[], Any]]:
    sts, s3, dynamodb = (client(url, name, key, secret) for name in ("sts", "s3", "dynamodb"))
    return {
        "sts:GetCallerIdentity": sts.get_caller_identity,
        "s3:GetObject 1 KB": lambda: s3.get_object(Bucket="bench", Key="k")["Body"].read(),
        "dynamodb:GetItem": lambda: dynamodb.get_item(TableName="table", Key={"id": {"S": "1"}}),
    }


def measure(call: Callable[[], Any], count: int) -> list[float]:
    for _ in range(WARM):
        call()
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument(
        "--flat", type=int, default=0, help="then make this many calls and print memory before and after"
    )
    options = parser.parse_args()
    environment_root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.chdir(environment_root)
    with tempfile.TemporaryDirectory() as home:
        bare, bare_url, bare_start = start([sys.executable, "-c", BARE])
        gate, gate_url, gate_start = start([sys.executable, "-m", "labs.aws.gateway", "--port", "0", "--home", home])
        try:
            print(f"start: bare {bare_start:.2f} s, gateway {gate_start:.2f} s")
            print(f"idle memory: bare {resident(bare.pid):.0f} MB, gateway with engine {resident(gate.pid):.0f} MB")
            prepare(bare_url)
            prepare(gate_url)
            theirs, ours = calls(bare_url, ACCOUNT, "test"), calls(gate_url, *user_keys(gate_url))
            for name in theirs:
                a = measure(theirs[name], options.calls)
                before = used(gate.pid)
                b = measure(ours[name], options.calls)
                core = (options.calls + WARM) / max(used(gate.pid) - before, 0.01)
                p, q = statistics.median(a) * 1000, statistics.median(b) * 1000
                rate = 1 / statistics.mean(b)
                print(
                    f"{name}: bare {p:.2f} ms, gateway {q:.2f} ms (p50), +{q - p:.2f} ms, x{q / p:.2f}, "
                    f"{rate:.0f}/s, {core:.0f} in a core's second"
                )
            if options.flat:
                call = ours["sts:GetCallerIdentity"]
                before = resident(gate.pid)
                for _ in range(options.flat):
                    call()
                print(f"memory over {options.flat} calls: {before:.0f} MB -> {resident(gate.pid):.0f} MB")
        finally:
            for process in (bare, gate):
                process.terminate()
                process.wait(timeout=20)


if __name__ == "__main__":
    main()
