"""Signatures made by botocore itself are verified; anything else is refused in the words of the service."""

import hashlib
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.signing import KINDS, authentication_error, error_family, read_signature, verify

KEY, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "a token/with=signs+"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Wire:
    """A request as the gateway sees it."""

    def __init__(self, method, url, headers, body):
        parts = urlsplit(url)
        self.method, self.path, self.query = method, parts.path.encode(), parts.query.encode()
        self.headers = [(name.lower().encode(), str(value).encode()) for name, value in headers]
        if not any(name == b"host" for name, _ in self.headers):
            self.headers.append((b"host", parts.netloc.encode()))
        self.body = body

    def without(self, name):
        self.headers = [pair for pair in self.headers if pair[0] != name]
        return self

    def with_(self, name, value):
        self.without(name).headers.append((name, value))
        return self

    def header(self, name):
        return dict(self.headers)[name]

    def check(self, secret=SECRET, now=NOW, body=None):
        signature = read_signature(self.method, self.path, self.query, self.headers)
        digest = hashlib.sha256(self.body if body is None else body).hexdigest()
        verify(signature, secret, self.method, self.path, self.query, self.headers, digest, now)
        return signature


def sign(auth, service, method="GET", url=None, headers=(), body=b"", token=None, at=NOW, **more):
    url = url or f"http://{service}.us-east-1.amazonaws.com/"
    request = AWSRequest(method=method, url=url, data=body)
    for name, value in headers:
        request.headers[name] = value
    with patch("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None)):
        auth(Credentials(KEY, SECRET, token), service, "us-east-1", **more).add_auth(request)
    return Wire(method, request.url, request.headers.items(), body)


def refused(wire, **how):
    with pytest.raises(AwsError) as caught:
        wire.check(**how)
    return caught.value


LAMBDA = "http://lambda.us-east-1.amazonaws.com"
S3 = "http://s3.us-east-1.amazonaws.com"
GOOD = {
    "query post": (SigV4Auth, "sts", "POST", None, b"Action=GetCallerIdentity&Version=2011-06-15"),
    "encoded path is encoded again": (SigV4Auth, "lambda", "GET", LAMBDA + "/f/arn%3Aaws%3Alambda/x%20y~", b""),
    "path is normalised": (SigV4Auth, "lambda", "GET", LAMBDA + "/a//b/../c/./d/", b""),
    "query is sorted": (SigV4Auth, "lambda", "GET", LAMBDA + "/?b=2&a=2&a=1&c&d=x%2Fy%20z", b""),
    "s3 path is encoded once": (S3SigV4Auth, "s3", "GET", S3 + "/bucket/a%20b//../c%2Bd~%C3%A9", b""),
    "s3 put": (S3SigV4Auth, "s3", "PUT", S3 + "/bucket/key?tagging", b"data"),
    "s3 presigned": (S3SigV4QueryAuth, "s3", "GET", S3 + "/bucket/key?versionId=1&x-id=GetObject", b""),
    "presigned": (SigV4QueryAuth, "sts", "GET", "http://sts.amazonaws.com/?Action=GetCallerIdentity", b""),
}


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_requests_signed_by_botocore_verify(case, token):
    auth, service, method, url, body = GOOD[case]
    signature = sign(auth, service, method, url, body=body, token=token).check()
    assert (signature.access_key_id, signature.session_token, signature.service) == (KEY, token, service)
    assert signature.presigned == (case.endswith("presigned"))
    assert (signature.region, signature.date) == ("us-east-1", "20261124")


@pytest.mark.parametrize("case", GOOD)
def test_another_secret_host_path_query_or_method_does_not_verify(case):
    auth, service, method, url, body = GOOD[case]

    def fresh():
        return sign(auth, service, method, url, body=body)

    assert refused(fresh(), secret=SECRET[:-1]).code == "SignatureDoesNotMatch" or service == "lambda"
    changed = []
    for attribute, value in [("path", b"/else/where"), ("method", "DELETE")]:
        wire = fresh()
        setattr(wire, attribute, value)
        changed.append(wire)
    wire = fresh()
    wire.query += b"&more=1" if wire.query else b"more=1"
    changed += [wire, fresh().with_(b"host", b"evil.example.com")]
    for wire in changed:
        assert refused(wire).code in {"SignatureDoesNotMatch", "InvalidSignatureException"}


def test_a_presigned_url_does_not_open_another_path_or_a_longer_time():
    wire = sign(S3SigV4QueryAuth, "s3", url=S3 + "/bucket/key", expires=60)
    wire.query = wire.query.replace(b"X-Amz-Expires=60", b"X-Amz-Expires=600")
    assert refused(wire).code == "SignatureDoesNotMatch"


def test_header_values_are_collapsed_and_repeated_headers_joined():
    headers = [("X-Amz-Meta-A", "  a   b\tc  "), ("My-Header", "one"), ("My-Header", "two  3")]
    wire = sign(SigV4Auth, "sts", headers=headers)
    assert [value for name, value in wire.headers if name == b"my-header"] == [b"one", b"two  3"]
    wire.check()


def test_a_query_that_spells_a_space_as_plus_is_the_same_query():
    wire = sign(S3SigV4Auth, "s3", url=S3 + "/bucket?list-type=2&prefix=a%20b")
    wire.query = wire.query.replace(b"a%20b", b"a+b")
    wire.check()
    wire.query = wire.query.replace(b"a+b", b"a%2Bb")
    assert refused(wire).code == "SignatureDoesNotMatch"


def test_the_http_date_header_stands_in_for_x_amz_date():
    wire = sign(SigV4Auth, "sts", headers=[("Date", "Tue, 24 Nov 2026 12:00:00 GMT")])
    assert wire.check().timestamp == "20261124T120000Z"


def test_host_must_be_signed():
    wire = sign(SigV4Auth, "sts")
    wire.with_(b"authorization", wire.header(b"authorization").replace(b"SignedHeaders=host;", b"SignedHeaders="))
    error = refused(wire)
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert "'Host' or ':authority' must be a 'SignedHeader'" in error.message


@pytest.mark.parametrize(
    ("auth", "service", "header", "code"),
    [
        (S3SigV4Auth, "s3", b"x-amz-acl", "AccessDenied"),
        (S3SigV4QueryAuth, "s3", b"x-amz-acl", "AccessDenied"),
        (SigV4Auth, "dynamodb", b"x-amz-target", "InvalidSignatureException"),
    ],
)
def test_an_amz_header_added_after_signing_is_refused(auth, service, header, code):
    error = refused(sign(auth, service).with_(header, b"added"))
    assert error.code == code
    if service == "s3":
        assert error.message == "There were headers present in the request which were not signed"
        assert error.extra == {"HeadersNotSigned": header.decode()}


def test_a_changed_body_is_refused():
    error = refused(sign(S3SigV4Auth, "s3", "PUT", S3 + "/b/k", body=b"data"), body=b"other")
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert error.extra["S3ComputedContentSHA256"] == hashlib.sha256(b"other").hexdigest()
    assert refused(sign(SigV4Auth, "sts", "POST", body=b"Action=A"), body=b"Action=B").code == "SignatureDoesNotMatch"


def test_only_s3_takes_an_unsigned_payload():
    header = [("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")]
    assert refused(sign(SigV4Auth, "sts", "POST", headers=header, body=b"a")).code == "SignatureDoesNotMatch"

    class Unsigned(S3SigV4Auth):
        def payload(self, request):
            return "UNSIGNED-PAYLOAD"

    signature = sign(Unsigned, "s3", "PUT", S3 + "/b/k", body=b"data").check(body=b"anything")
    assert signature.payload_hash == "UNSIGNED-PAYLOAD"


def test_s3_wants_the_payload_header_and_a_known_word_in_it():
    missing = sign(S3SigV4Auth, "s3", "PUT", S3 + "/b/k").without(b"x-amz-content-sha256")
    assert "x-amz-content-sha256" in refused(missing).message
    assert refused(sign(S3SigV4Auth, "s3").with_(b"x-amz-content-sha256", b"UNSIGNED")).code == "InvalidArgument"


SKEW = timedelta(minutes=15, seconds=1)
TIMES = [
    # auth, service, headers, time between signing and arrival, code, words
    (
        SigV4Auth,
        "sts",
        (),
        SKEW,
        "SignatureDoesNotMatch",
        "Signature expired: 20261124T120000Z is now earlier than 20261124T120001Z (20261124T121501Z - 15 min.)",
    ),
    (SigV4Auth, "sts", (), -SKEW, "SignatureDoesNotMatch", "Signature not yet current: 20261124T120000Z is still"),
    (SigV4Auth, "dynamodb", [("X-Amz-Target", "D.L")], SKEW, "InvalidSignatureException", "Signature expired"),
    (SigV4Auth, "ec2", (), SKEW, "RequestExpired", "Request has expired."),
    (S3SigV4Auth, "s3", (), SKEW, "RequestTimeTooSkewed", "too large"),
    (S3SigV4Auth, "s3", (), -SKEW, "RequestTimeTooSkewed", "too large"),
    (S3SigV4QueryAuth, "s3", (), timedelta(hours=1, seconds=1), "AccessDenied", "Request has expired"),
    (S3SigV4QueryAuth, "s3", (), -SKEW, "AccessDenied", "Request is not yet valid"),
    (SigV4QueryAuth, "sts", (), timedelta(hours=1, seconds=1), "SignatureDoesNotMatch", "- 60 min.)"),
]


@pytest.mark.parametrize(("auth", "service", "headers", "late", "code", "words"), TIMES)
def test_stale_and_early_requests_are_refused(auth, service, headers, late, code, words):
    wire = sign(auth, service, headers=headers)
    error = refused(wire, now=NOW + late)
    assert error.code == code
    assert words in error.message
    just_in_time = late - timedelta(seconds=1) if late > timedelta() else late + timedelta(seconds=1)
    wire.check(now=NOW + just_in_time)


SCOPE = b"/20261124/us-east-1/sts/aws4_request"
MALFORMED = [
    # authorization header for sts, code, words
    (b"AWS4-HMAC-SHA256", "IncompleteSignature", "requires 'Credential' parameter. Authorization header requires"),
    (b"AWS4-HMAC-SHA256 Credential=AKIA" + SCOPE + b", SignedHeaders=host", "IncompleteSignature", "'Signature'"),
    (
        b"AWS4-HMAC-SHA256 Credential=AKIA/us-east-1/sts, SignedHeaders=host, Signature=0",
        "IncompleteSignature",
        "exactly 5 slash-delimited elements",
    ),
    (
        b"AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0",
        "SignatureDoesNotMatch",
        "Date in Credential scope does not match YYYYMMDD",
    ),
    (
        b"AWS4-ECDSA-P256-SHA256 Credential=AKIA" + SCOPE + b", SignedHeaders=host, Signature=0",
        "IncompleteSignature",
        "SigV4A",
    ),
    (b"AWS AKIA:signature", "IncompleteSignature", "not supported"),
]


@pytest.mark.parametrize(("authorization", "code", "words"), MALFORMED)
def test_malformed_authorization_headers_are_explained(authorization, code, words):
    error = refused(sign(SigV4Auth, "sts").with_(b"authorization", authorization))
    assert error.code == code
    assert words in error.message


def test_s3_explains_in_its_own_words():
    scope = b"Credential=AKIA/20261124/us-east-1/s3"
    wire = sign(S3SigV4Auth, "s3")
    error = refused(wire.with_(b"authorization", b"AWS4-HMAC-SHA256 " + scope + b", SignedHeaders=host, Signature=0"))
    assert (error.code, error.status) == ("AuthorizationHeaderMalformed", 400)
    assert 'expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"' in error.message
    assert refused(wire.with_(b"authorization", b"AWS AKIA:sig")).code == "InvalidRequest"
    ecdsa = b"AWS4-ECDSA-P256-SHA256 " + scope + b"/aws4_request, SignedHeaders=host, Signature=0"
    assert "SigV4A" in refused(wire.with_(b"authorization", ecdsa)).message
    assert refused(sign(S3SigV4Auth, "s3").without(b"x-amz-date")).code == "AccessDenied"


URLS = [
    (lambda q: q.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=604801"), "AuthorizationQueryParametersError", "week"),
    (lambda q: q.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=0"), "AuthorizationQueryParametersError", "positive"),
    (lambda q: q.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=-1"), "AuthorizationQueryParametersError", "negative"),
    (lambda q: q.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=x"), "AuthorizationQueryParametersError", "a number"),
    (lambda q: q.replace(b"X-Amz-Expires=3600&", b""), "AuthorizationQueryParametersError", "requires the X-Amz-Alg"),
    (lambda q: q.replace(b"X-Amz-Date=2026", b"X-Amz-Date=2O26"), "AuthorizationQueryParametersError", "ISO8601"),
    (lambda q: q + b"&X-Amz-Expires=3600", "AuthorizationQueryParametersError", "more than once"),
    (lambda q: q + b"&X-Amz-Signature=00", "AuthorizationQueryParametersError", "more than once"),
    (lambda q: b"AWSAccessKeyId=AKIA&Signature=x&Expires=1800000000", "SignatureDoesNotMatch", "does not match"),
    (lambda q: q.replace(b"HMAC-SHA256", b"ECDSA-P256-SHA256"), "InvalidRequest", "SigV4A"),
]


@pytest.mark.parametrize(("change", "code", "words"), URLS)
def test_malformed_presigned_urls_are_explained(change, code, words):
    wire = sign(S3SigV4QueryAuth, "s3", expires=3600)
    wire.query = change(wire.query)
    error = refused(wire)
    assert error.code == code
    assert words in error.message


def test_two_mechanisms_or_repeated_headers_are_refused():
    wire = sign(S3SigV4QueryAuth, "s3").with_(b"authorization", b"AWS4-HMAC-SHA256 Credential=x")
    assert refused(wire).code == "InvalidArgument"
    twice = sign(SigV4Auth, "sts")
    twice.headers.append((b"host", b"other"))
    assert refused(twice).code == "IncompleteSignature"


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Bearer abc")], [(b"authorization", b"Basic QVdTOng=")]])
def test_requests_without_an_aws_signature_are_anonymous(headers):
    assert read_signature("GET", b"/", b"list-type=2", [(b"host", b"s3.localhost"), *headers]) is None


ERRORS = [
    # kind, service, protocol, code, status
    ("mismatch", "s3", "s3", "SignatureDoesNotMatch", 403),
    ("mismatch", "sts", "query", "SignatureDoesNotMatch", 403),
    ("mismatch", "dynamodb", "json", "InvalidSignatureException", 400),
    ("mismatch", "lambda", "rest-json", "InvalidSignatureException", 403),
    ("mismatch", "ec2", "ec2", "AuthFailure", 401),
    ("unknown-key", "s3", "s3", "InvalidAccessKeyId", 403),
    ("unknown-key", "iam", "query", "InvalidClientTokenId", 403),
    ("unknown-key", "dynamodb", "json", "UnrecognizedClientException", 400),
    ("unknown-key", "lambda", "rest-json", "UnrecognizedClientException", 403),
    ("unknown-key", "ec2", "ec2", "AuthFailure", 401),
    ("invalid-token", "s3", "s3", "InvalidToken", 400),
    ("invalid-token", "sts", "query", "InvalidClientTokenId", 403),
    ("expired-token", "s3", "s3", "ExpiredToken", 400),
    ("expired-token", "sts", "query", "ExpiredToken", 403),
    ("expired-token", "sqs", "json", "ExpiredTokenException", 400),
    ("expired-token", "cloudwatch", "smithy-rpc-v2-cbor", "ExpiredTokenException", 400),
    ("expired-token", "ec2", "ec2", "RequestExpired", 400),
    ("missing", "route53", "rest-xml", "MissingAuthenticationToken", 403),
    ("missing", "logs", "json", "MissingAuthenticationTokenException", 400),
    ("missing", "s3", "s3", "AccessDenied", 403),
    ("malformed", "s3", "s3", "AuthorizationHeaderMalformed", 400),
    ("malformed", "eks", "rest-json", "IncompleteSignatureException", 403),
]


@pytest.mark.parametrize(("kind", "service", "protocol", "code", "status"), ERRORS)
def test_each_protocol_has_its_own_error(kind, service, protocol, code, status):
    error = authentication_error(kind, service, protocol)
    assert (error.code, error.status) == (code, status)
    assert error.message


@pytest.mark.parametrize("family", ["s3", "ec2", "query", "json", "rest-json"])
def test_every_kind_of_failure_has_an_answer_in_every_family(family):
    assert error_family({"s3": "s3", "ec2": "ec2"}.get(family, "x"), family) == family
    for kind in KINDS:
        assert authentication_error(kind, "x", family).status in {400, 401, 403}


def test_ec2_does_not_say_why():
    assert refused(sign(SigV4Auth, "ec2"), secret="wrong").message.startswith("AWS was not able to validate")


def test_a_mismatch_in_s3_shows_what_was_signed():
    extra = refused(sign(S3SigV4Auth, "s3"), secret="wrong").extra
    assert extra["CanonicalRequest"].startswith("GET\n/\n\nhost:s3.us-east-1.amazonaws.com\n")
    assert extra["StringToSign"].startswith("AWS4-HMAC-SHA256\n20261124T120000Z\n20261124/us-east-1/s3/aws4_request\n")


def test_a_verification_takes_less_than_150_microseconds():
    wire = sign(S3SigV4Auth, "s3", "PUT", S3 + "/bucket/key?a=1&b=2", body=b"data", token=TOKEN * 20)
    digest = hashlib.sha256(wire.body).hexdigest()
    best = min(_timed(wire, digest) for _ in range(30))
    assert best < 150e-6


def _timed(wire, digest):
    start = time.perf_counter()
    signature = read_signature(wire.method, wire.path, wire.query, wire.headers)
    verify(signature, SECRET, wire.method, wire.path, wire.query, wire.headers, digest, NOW)
    return time.perf_counter() - start


class Listener(BaseHTTPRequestHandler):
    """Verifies what a client really sent; answers 403 so that the client stops there."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        now = datetime.now(UTC)
        try:
            signature = read_signature(self.command, path, query, headers)
            digest = hashlib.sha256(body).hexdigest()
            verify(signature, SECRET, self.command, path, query, headers, digest, now)
            self.server.seen.append(signature.service)
        except AwsError as error:
            self.server.seen.append(error.code)
        self.send_response(403)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def listener():
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


KEY_WITH_EVERYTHING = "a b/+~é//../c(1)'!*:@&=,;$?#%[]"
CALLS = [
    ("sts", "get_caller_identity", {}),
    ("ec2", "describe_instances", {"InstanceIds": ["i-0123456789abcdef0"]}),
    ("dynamodb", "list_tables", {}),
    ("cloudwatch", "list_metrics", {}),
    ("lambda", "get_function", {"FunctionName": "arn:aws:lambda:us-east-1:1:function:f", "Qualifier": "$LATEST"}),
    ("route53", "list_resource_record_sets", {"HostedZoneId": "Z1", "StartRecordName": "a b", "StartRecordType": "A"}),
    ("s3", "get_object", {"Bucket": "bucket", "Key": KEY_WITH_EVERYTHING, "VersionId": "a+b/c="}),
    ("s3", "put_object", {"Bucket": "bucket", "Key": KEY_WITH_EVERYTHING, "Body": b"data", "Metadata": {"a": "x  y"}}),
    ("s3", "list_objects_v2", {"Bucket": "bucket", "Prefix": "a b+c/", "Delimiter": "/"}),
]


@pytest.mark.parametrize(("service", "operation", "params"), CALLS)
def test_what_boto3_puts_on_the_wire_verifies(listener, service, operation, params):
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    client = boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{listener.server_port}",
        region_name="eu-west-1",
        config=config,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        aws_session_token=TOKEN,
    )
    with pytest.raises((ClientError, ResponseParserError)):  # a bare 403 is no error document in some protocols
        getattr(client, operation)(**params)
    client.close()
    assert listener.seen == [{"cloudwatch": "monitoring"}.get(service, service)]


def test_a_presigned_url_of_boto3_opens_with_any_http_client(listener):
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{listener.server_port}",
        region_name="eu-west-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "a b/+~é", "VersionId": "x+y"})
    connection = HTTPConnection("127.0.0.1", listener.server_port, timeout=10)
    for target in (url, url.replace("?", "x?", 1)):
        connection.request("GET", target.partition(str(listener.server_port))[2])
        connection.getresponse().read()
    connection.close()
    assert listener.seen == ["s3", "SignatureDoesNotMatch"]


PIECES = st.sampled_from(
    [
        b"AWS4-HMAC-SHA256 ",
        b"AWS ",
        b"Credential=",
        b"AKIA",
        b"/20261124/us-east-1/s3/aws4_request",
        b",",
        b"&",
        b"=",
        b"SignedHeaders=host",
        b"Signature=",
        b"\xff\xfe",
        b"%zz",
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256",
        b"9" * 30,
        b"X-Amz-Credential=",
        b"X-Amz-Date=20261124T120000Z",
        b"X-Amz-Expires=",
        b"X-Amz-SignedHeaders=host",
        b"X-Amz-Signature=0",
    ]
)
NOISE = st.lists(PIECES | st.binary(max_size=12), max_size=12).map(b"".join)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(authorization=NOISE, query=NOISE, date=st.binary(max_size=40) | st.just(b"20261124T120000Z"), path=NOISE)
def test_only_aws_errors_escape_from_noise(authorization, query, date, path):
    headers = [(b"host", b"s3.localhost"), (b"x-amz-date", date), (b"authorization", b"AWS4" + authorization)]
    for given_headers in (headers, headers[:2]):
        try:
            signature = read_signature("GET", path, query, given_headers)
            if signature is not None:
                verify(signature, SECRET, "GET", path, query, given_headers, None, NOW)
                raise AssertionError("noise was accepted as a signature")
        except AwsError as error:
            assert error.code
