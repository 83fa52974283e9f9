"""Load balancers made through the API serve: rules, targets and their health, errors, headers, TLS, the access log."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from labs.aws.balancing.addresses import address_of, port_of
from labs.aws.balancing.configuration import Checks, TargetGroup
from labs.aws.balancing.health import State, judge
from labs.aws.balancing.records import AWS_FIELDS, FILE, Record
from tests.labs.gateways import ROOT, running

ACCOUNT = "111122223333"
WITHIN = 40.0
pytestmark = pytest.mark.timeout(240)


class Pod(http.server.ThreadingHTTPServer):
    """A target that tells what it was asked."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.name, self.status, self.seen = name, 200, []
        threading.Thread(target=self.serve_forever, name=name, daemon=True).start()

    @property
    def target(self) -> dict[str, Any]:
        return {"Id": "127.0.0.1", "Port": self.server_address[1]}


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536        # one packet an answer
    server: Pod

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        checked = self.headers.get("User-Agent") == "ELB-HealthChecker/2.0"
        if not checked:
            self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))
        text = json.dumps({"pod": self.server.name, "body": len(body)}).encode()
        if self.path == "/broken":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(self.server.status if checked else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Bench:
    """A gateway, the data plane, and one load balancer with a listener."""

    home: Path
    aws: AwsAccount
    balancer: dict[str, Any] = field(default_factory=dict)
    listener: str = ""
    pods: list[Pod] = field(default_factory=list)

    @property
    def elb(self) -> Any:
        return self.aws.client("elbv2")

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, port: int = 80,
            source: str = "127.0.0.1", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(
            address_of(self.balancer["DNSName"]), port_of(port), timeout=25, source_address=(source, 0))
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Host": "shop.test", **given})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def answers(self, path: str, **options: Any) -> str:
        """Which pod answers, or the status."""
        status, _, body = self.ask(path, **options)
        return json.loads(body)["pod"] if status == 200 else str(status)

    def group(self, name: str, *targets: dict[str, Any], **checks: Any) -> str:
        options = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, **checks}
        made = self.elb.create_target_group(Name=name, Protocol="HTTP", Port=80, TargetType="ip",
                                            VpcId=self.balancer["VpcId"], **options)
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        if targets:
            self.elb.register_targets(TargetGroupArn=arn, Targets=list(targets))
        return str(arn)

    def rule(self, priority: int, conditions: list[dict[str, Any]], *actions: dict[str, Any]) -> str:
        made = self.elb.create_rule(ListenerArn=self.listener, Priority=priority, Conditions=conditions,
                                    Actions=list(actions))
        return str(made["Rules"][0]["RuleArn"])

    def health(self, group: str) -> dict[int, tuple[str, str]]:
        """Port → (state, reason)."""
        told = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {int(each["Target"]["Port"]): (each["TargetHealth"]["State"], each["TargetHealth"].get("Reason", ""))
                for each in told}

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / FILE).read_text().splitlines()]


def until(happened: Callable[[], Any], within: float = WITHIN) -> Any:
    """The first true answer."""
    end, seen = time.monotonic() + within, None
    while time.monotonic() < end:
        try:
            seen = happened()
        except OSError as error:
            seen = None
            last = error
        if seen:
            return seen
        time.sleep(0.05)
    pytest.fail(f"not in {within} s; last seen: {seen!r} {locals().get('last', '')}")


@contextmanager
def data_plane(endpoint: str, home: Path) -> Iterator[None]:
    with (home / "plane.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "labs.aws.balancing", "--home", str(home), "--endpoint", endpoint],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", (home / "plane.log").read_text()[-2000:]
        yield
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
    assert "Traceback" not in (home / "plane.log").read_text()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    home = tmp_path_factory.mktemp("balancing")
    with running(home) as endpoint, data_plane(endpoint, home):
        made = Bench(home, AwsAccount(endpoint, ACCOUNT))
        ec2 = made.aws.client("ec2")
        subnets = ec2.describe_subnets()["Subnets"][:2]
        wall = ec2.create_security_group(GroupName="front", Description="-", VpcId=subnets[0]["VpcId"])["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=wall, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 443,
             "IpRanges": [{"CidrIp": "127.0.0.1/32"}, {"CidrIp": "198.51.100.0/25"}]}])
        made.balancer = made.elb.create_load_balancer(
            Name="front", Subnets=[each["SubnetId"] for each in subnets], SecurityGroups=[wall])["LoadBalancers"][0]
        made.listener = made.elb.create_listener(
            LoadBalancerArn=made.balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[
                {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "nobody",
                                                                   "ContentType": "text/plain"}}],
        )["Listeners"][0]["ListenerArn"]
        made.pods = [Pod("a"), Pod("b"), Pod("c")]
        until(lambda: made.ask("/")[0] == 404)
        yield made
        for pod in made.pods:
            pod.shutdown()
            pod.server_close()


def test_rules_are_tried_by_priority_and_the_default_rule_last(bench: Bench) -> None:
    a, b = (bench.group(f"prio-{pod.name}", pod.target) for pod in bench.pods[:2])
    bench.rule(20, [{"Field": "path-pattern", "Values": ["/prio/*"]}], {"Type": "forward", "TargetGroupArn": a})
    bench.rule(10, [{"Field": "path-pattern", "Values": ["/prio/b?"]}], {"Type": "forward", "TargetGroupArn": b})
    until(lambda: bench.answers("/prio/x") == "a")
    assert bench.answers("/prio/b1") == "b"
    assert bench.answers("/prio/b12") == "a"        # ? is exactly one character
    assert bench.answers("/PRIO/x") == "404"        # paths are case-sensitive
    status, headers, body = bench.ask("/nothing")
    assert (status, headers["server"], body) == (404, "awselb/2.0", b"nobody")


CONDITIONS = [
    ({"Field": "host-header", "Values": ["*.EXAMPLE.test"]}, {"Host": "a.example.test:8080"}, {"Host": "example.test"}),
    ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "Values": ["yes*"]}},
     {"x_beta": "YES-please"}, {"x_beta": "no"}),
    ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}},
     {"method": "POST"}, {"method": "GET"}),
    ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2*"}]}},
     {"query": "?v=2b"}, {"query": "?w=2b"}),
    ({"Field": "source-ip", "SourceIpConfig": {"Values": ["198.51.100.0/28"]}},
     {"source": "127.51.100.7"}, {"source": "127.51.100.77"}),
]


@pytest.mark.parametrize(("number", "condition", "matching", "other"),
                         [(number, *case) for number, case in enumerate(CONDITIONS)])
def test_every_kind_of_condition(bench: Bench, number: int, condition: dict[str, Any], matching: dict[str, str],
                                 other: dict[str, str]) -> None:
    path = f"/condition{number}"
    said = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "299", "ContentType": "text/plain"}}
    bench.rule(100 + number, [{"Field": "path-pattern", "Values": [path]}, condition], said)

    def status(options: dict[str, str]) -> int:
        given = dict(options)
        return bench.ask(path + given.pop("query", ""), **given)[0]

    until(lambda: status(matching) == 299)
    assert status(other) == 404


def test_one_address_is_a_target_at_several_ports(bench: Bench) -> None:
    a, b = (pod.target for pod in bench.pods[:2])
    group = bench.group("ports", a, b)
    assert {a["Port"], b["Port"]} == set(bench.health(group))
    bench.elb.deregister_targets(TargetGroupArn=group, Targets=[a])
    bench.rule(45, [{"Field": "path-pattern", "Values": ["/ports"]}], {"Type": "forward", "TargetGroupArn": group})
    until(lambda: bench.answers("/ports") == "b")
    with pytest.raises(ClientError, match="InvalidTarget"):
        bench.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": a["Id"], "Port": 1}])
    chosen = bench.elb.describe_target_health(TargetGroupArn=group, Targets=[b])["TargetHealthDescriptions"]
    assert [each["Target"]["Port"] for each in chosen] == [b["Port"]]


def test_a_redirect_keeps_what_it_does_not_name(bench: Bench) -> None:
    bench.rule(30, [{"Field": "path-pattern", "Values": ["/old/*"]}], {"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "Path": "/new/#{path}", "StatusCode": "HTTP_301"}})
    until(lambda: bench.ask("/old/x")[0] == 301)
    _, headers, _ = bench.ask("/old/x?a=1")
    assert headers["location"] == "https://shop.test:443/new/old/x?a=1"


def test_weights_divide_requests(bench: Bench) -> None:
    a, b, c = (bench.group(f"weight-{pod.name}", pod.target) for pod in bench.pods)
    bench.rule(40, [{"Field": "path-pattern", "Values": ["/weights"]}], {"Type": "forward", "ForwardConfig": {
        "TargetGroups": [{"TargetGroupArn": a, "Weight": 90}, {"TargetGroupArn": b, "Weight": 10},
                         {"TargetGroupArn": c, "Weight": 0}]}})
    until(lambda: bench.answers("/weights") in "ab")
    got = [bench.answers("/weights") for _ in range(200)]
    assert 2 <= got.count("b") <= 50
    assert got.count("a") + got.count("b") == 200


def test_health_is_what_the_checks_found(bench: Bench) -> None:
    good, bad = bench.pods[0], bench.pods[1]
    bad.status = 503
    gone = {"Id": "127.0.0.1", "Port": 9}
    group = bench.group("checked", good.target, UnhealthyThresholdCount=2)
    assert set(until(lambda: bench.health(group)).values()) <= {("initial", "Elb.RegistrationInProgress"),
                                                                 ("unused", "Target.NotInUse")}
    other = bench.group("refused", gone, UnhealthyThresholdCount=2)
    third = bench.group("wrong-code", bad.target, UnhealthyThresholdCount=2)
    for number, arn in enumerate((group, other, third)):
        bench.rule(50 + number, [{"Field": "path-pattern", "Values": [f"/checked{number}"]}],
                   {"Type": "forward", "TargetGroupArn": arn})
    until(lambda: bench.health(group) == {good.target["Port"]: ("healthy", "")})
    until(lambda: bench.health(other) == {9: ("unhealthy", "Target.FailedHealthChecks")})
    until(lambda: bench.health(third) == {bad.target["Port"]: ("unhealthy", "Target.ResponseCodeMismatch")})
    assert bench.answers("/checked2") == "b"        # where none is healthy, all get requests
    assert bench.ask("/checked1")[0] == 502
    bench.elb.modify_target_group_attributes(TargetGroupArn=third, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "3"}])
    bench.elb.deregister_targets(TargetGroupArn=third, Targets=[{"Id": "127.0.0.1"}])
    until(lambda: bench.answers("/checked2") == "503")
    assert bench.health(third) == {bad.target["Port"]: ("draining", "Target.DeregistrationInProgress")}
    until(lambda: bench.health(third) == {})


def test_an_unhealthy_target_comes_back_by_the_threshold_and_a_new_one_at_once() -> None:
    group = TargetGroup("arn", "g", "ip", "HTTP", Checks(True, "HTTP", "traffic-port", "/", 5, 2, 3, 2, "200-299,404"),
                        (), {}, {})
    state, seen = State(), []
    for reason in ("", "Target.Timeout", "Target.Timeout", "", "", ""):
        judge(state, group, reason, "-")
        seen.append(state.name)
    assert seen == ["healthy", "healthy", "unhealthy", "unhealthy", "unhealthy", "healthy"]
    assert [group.checks.expects(each) for each in (204, 404, 301)] == [True, True, False]


def test_a_target_sees_who_asked_and_a_trace(bench: Bench) -> None:
    pod = bench.pods[2]
    group = bench.group("seen", pod.target)
    bench.rule(60, [{"Field": "path-pattern", "Values": ["/seen/*"]}], {"Type": "forward", "TargetGroupArn": group})
    until(lambda: bench.answers("/seen/x") == "c")
    pod.seen.clear()
    root = "Root=1-67891233-abcdef012345678912345678"
    status, _, body = bench.ask("/seen/a%2Fb?q=%41", "POST", b"x" * 100_000, source="127.51.100.7",
                                X_Forwarded_For="192.0.2.1", X_Amzn_Trace_Id=root, X_Request_Id="r-1",
                                Connection="keep-alive, X-Secret")
    assert (status, json.loads(body)["body"]) == (200, 100_000)
    method, path, headers, _ = pod.seen[-1]
    assert (method, path) == ("POST", "/seen/a%2Fb?q=%41")
    assert headers["X-Forwarded-For"] == "192.0.2.1, 198.51.100.7"
    assert (headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == ("http", "80")
    assert headers["X-Amzn-Trace-Id"].startswith("Self=1-")
    assert headers["X-Amzn-Trace-Id"].endswith(root)
    assert headers["Host"] == "shop.test"
    record = until(lambda: next((each for each in bench.records() if each["request_id"] == "r-1"), None))
    assert record["trace_id"] == root
    assert record["target_group_arn"] == group
    assert record["target_port"] == f"127.0.0.1:{pod.server_address[1]}"
    assert (record["elb_status_code"], record["target_status_code"]) == ("200", "200")
    assert (record["matched_rule_priority"], record["actions_executed"]) == ("60", "forward")
    assert record["listener_arn"] == bench.listener
    assert record["elb"] == bench.balancer["LoadBalancerArn"].partition("loadbalancer/")[2]
    assert record["client_port"].startswith("198.51.100.7:")
    assert 0 <= record["target_processing_time"] < 25
    line = Record(**record).line()
    assert line.startswith(f"http {record['time']} app/front/")
    assert len(AWS_FIELDS) == 30


def test_a_target_that_breaks_off_is_502(bench: Bench) -> None:
    group = bench.group("breaks", bench.pods[0].target)
    bench.rule(70, [{"Field": "path-pattern", "Values": ["/broken"]}], {"Type": "forward", "TargetGroupArn": group})
    _, headers, body = until(lambda: (got := bench.ask("/broken"))[0] == 502 and got)
    assert b"<h1>502 Bad Gateway</h1>" in body
    assert headers["server"] == "awselb/2.0"


def test_a_security_group_lets_nobody_else_in(bench: Bench) -> None:
    assert bench.ask("/nothing", source="127.51.100.1")[0] == 404
    connection = http.client.HTTPConnection(address_of(bench.balancer["DNSName"]), port_of(80), timeout=1,
                                            source_address=("127.51.100.200", 0))
    connection.request("GET", "/nothing")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def test_https_presents_the_certificate_for_the_name(bench: Bench, tmp_path: Path) -> None:
    acm = bench.aws.client("acm")
    arns = []
    for name in ("shop.test", "*.api.test"):
        arn = acm.request_certificate(DomainName=name, ValidationMethod="EMAIL")["CertificateArn"]
        acm.resend_validation_email(CertificateArn=arn, Domain=name, ValidationDomain=name)
        arns.append(arn)
    made = bench.elb.create_listener(
        LoadBalancerArn=bench.balancer["LoadBalancerArn"], Protocol="HTTPS", Port=443,
        Certificates=[{"CertificateArn": arns[0]}], DefaultActions=[
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/plain"}}])
    listener = made["Listeners"][0]["ListenerArn"]
    bench.elb.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": arns[1]}])
    where = (address_of(bench.balancer["DNSName"]), port_of(443))

    def presented(name: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(where, timeout=10) as raw, \
                context.wrap_socket(raw, server_hostname=name) as secure:
            return ssl.DER_cert_to_PEM_cert(secure.getpeercert(True) or b"")

    def of(arn: str) -> str:
        return str(acm.get_certificate(CertificateArn=arn)["Certificate"]).split("-----END")[0].replace("\n", "")

    until(lambda: presented("x.api.test").split("-----END")[0].replace("\n", "") == of(arns[1]))
    for name in ("shop.test", "other.test"):
        assert presented(name).split("-----END")[0].replace("\n", "") == of(arns[0])

