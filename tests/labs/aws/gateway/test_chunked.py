"""Bodies that come in chunks: AWS's published examples, what an SDK sends, and what can be wrong with them."""

import base64
import hashlib
import hmac
import io
import tracemalloc
import zlib
from datetime import UTC, datetime

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.chunked import ChunkedBody, HashedBody, body_check
from labs.aws.gateway.signing import read_signature, verify

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
THEN = datetime(2013, 5, 24, tzinfo=UTC)
DATA = b"a" * 66_560
FIRST, SECOND = DATA[:65_536], DATA[65_536:]

# "Transferring Payload in Multiple Chunks" and "Signature calculations for trailing headers" (S3 API Reference)
PLAIN = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
    "x-amz-storage-class",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ],
    b"\r\n",
    66_824,
)
TRAILER = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
    "x-amz-trailer",
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ],
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    66_824,
)


def published(example):
    """Headers, signature (verified) and body of one of AWS's examples."""
    mode, signed, seed, signatures, end, length = example
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={seed}"
    )
    headers = [
        (b"host", b"s3.amazonaws.com"),
        (b"x-amz-date", b"20130524T000000Z"),
        (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
        (b"x-amz-content-sha256", mode.encode()),
        (b"content-encoding", b"aws-chunked"),
        (b"x-amz-decoded-content-length", b"66560"),
        (b"content-length", str(length).encode()),
        (b"authorization", authorization.encode()),
    ]
    if mode.endswith("TRAILER"):
        headers.append((b"x-amz-trailer", b"x-amz-checksum-crc32c"))
    path = b"/examplebucket/chunkObject.txt"
    signature = read_signature("PUT", path, b"", headers)
    verify(signature, SECRET, "PUT", path, b"", headers, None, THEN)
    chunks = [
        f"{len(data):x};chunk-signature={one}\r\n".encode() + data + (b"\r\n" if data else b"")
        for data, one in zip((FIRST, SECOND, b""), signatures, strict=True)
    ]
    return headers, signature, b"".join(chunks) + end


def decode(body, raw, step=None):
    pieces = []
    for start in range(0, len(raw), step or max(1, len(raw))):
        pieces += body.feed(raw[start : start + (step or len(raw))])
    return b"".join(pieces + body.finish())


def refused(body, raw):
    with pytest.raises(AwsError) as caught:
        decode(body, raw)
    return caught.value


@pytest.mark.parametrize("example", [PLAIN, TRAILER], ids=["payload", "trailer"])
@pytest.mark.parametrize("step", [None, 1, 7, 8192])
def test_the_published_examples_verify_however_they_are_cut(example, step):
    headers, signature, raw = published(example)
    body = body_check(signature, SECRET, headers)
    assert isinstance(body, ChunkedBody)
    assert decode(body, raw, step) == DATA


@pytest.mark.parametrize("example", [PLAIN, TRAILER], ids=["payload", "trailer"])
def test_a_changed_byte_anywhere_is_refused(example):
    headers, signature, raw = published(example)
    for position in [*range(0, 100, 7), 50_000, 65_700, 66_000, *range(len(raw) - 200, len(raw) - 4, 13)]:
        changed = bytearray(raw)
        changed[position] ^= 1
        assert refused(body_check(signature, SECRET, headers), bytes(changed)).code in {
            "SignatureDoesNotMatch",
            "InvalidChunkSizeError",
            "IncompleteBody",
            "MalformedTrailerError",
        }


def test_a_wrong_chunk_signature_shows_the_link_of_the_chain():
    headers, signature, raw = published(PLAIN)
    error = refused(body_check(signature, SECRET, headers), raw.replace(b"a\r\n400;", b"b\r\n400;"))
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert error.extra["StringToSign"].startswith("AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n20130524/us-east-1/s3")


@pytest.mark.parametrize("kept", [0, 10, 50_000, 65_700, 66_700])
def test_a_truncated_body_is_incomplete(kept):
    headers, signature, raw = published(PLAIN)
    assert refused(body_check(signature, SECRET, headers), raw[:kept]).code == "IncompleteBody"


def test_a_missing_trailer_is_malformed():
    headers, signature, raw = published(TRAILER)
    shorter = raw[: raw.index(b"x-amz-checksum")] + b"\r\n"
    assert refused(body_check(signature, SECRET, headers), shorter).code == "MalformedTrailerError"
    unsigned = raw[: raw.index(b"x-amz-trailer-signature")] + b"\r\n"
    assert refused(body_check(signature, SECRET, headers), unsigned).code == "SignatureDoesNotMatch"


def unsigned(data, trailer="x-amz-checksum-crc32", length=None):
    fields = {b"x-amz-decoded-content-length": str(len(data) if length is None else length)}
    if trailer:
        fields[b"x-amz-trailer"] = trailer
    return ChunkedBody("STREAMING-UNSIGNED-PAYLOAD-TRAILER", fields, None, "")


@pytest.mark.parametrize("size", [0, 1, 8192, 3_000_000])
def test_what_botocore_sends_over_https_is_decoded(size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    raw = AwsChunkedWrapper(io.BytesIO(data), Crc32Checksum, "x-amz-checksum-crc32").read()
    assert decode(unsigned(data), raw, 10_000) == data


CHECKSUMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_a_checksum_trailer_is_compared(algorithm):
    good = base64.b64encode(CHECKSUMS[algorithm](b"hello")).decode()
    bad = base64.b64encode(CHECKSUMS[algorithm](b"hallo")).decode()
    name = f"x-amz-checksum-{algorithm}"
    assert decode(unsigned(b"hello", name), f"5\r\nhello\r\n0\r\n{name}:{good}\r\n\r\n".encode()) == b"hello"
    error = refused(unsigned(b"hello", name), f"5\r\nhello\r\n0\r\n{name}:{bad}\r\n\r\n".encode())
    assert error.code == "BadDigest"
    assert error.message.startswith(f"The {algorithm.upper()} you specified")


BAD = [
    # raw body for 5 declared bytes and no trailer, code
    (b"5\r\nhello\r\n0\r\n\r\nmore", "IncompleteBody"),
    (b"5\r\nhello\r\n0\r\n\r\nmore\r\n", "MalformedTrailerError"),
    (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "MalformedTrailerError"),
    (b"5\r\nhelloXX0\r\n\r\n", "IncompleteBody"),
    (b"4\r\nhell\r\n0\r\n\r\n", "IncompleteBody"),
    (b"6\r\nhello!\r\n0\r\n\r\n", "IncompleteBody"),
    (b"fffffffffffffff\r\nhello", "IncompleteBody"),
    (b"f" * 17 + b"\r\nhello", "InvalidChunkSizeError"),
    (b"-5\r\nhello\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    (b"zz\r\n", "InvalidChunkSizeError"),
    (b"1" * 5000, "InvalidChunkSizeError"),
    (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    (b"", "IncompleteBody"),
]


@pytest.mark.parametrize(("raw", "code"), BAD)
def test_bad_framing_is_refused(raw, code):
    assert refused(unsigned(b"hello", ""), raw).code == code


@pytest.mark.parametrize(
    ("length", "code"), [(None, "MissingContentLength"), ("x", "InvalidArgument"), (str(6 * 1024**3), "EntityTooLarge")]
)
def test_the_decoded_length_must_be_sensible(length, code):
    fields = {} if length is None else {b"x-amz-decoded-content-length": length}
    with pytest.raises(AwsError) as caught:
        ChunkedBody("STREAMING-UNSIGNED-PAYLOAD-TRAILER", fields, None, "")
    assert caught.value.code == code


def test_memory_stays_flat():
    size = 64 * 1024 * 1024
    body = unsigned(b"", "", length=size)
    block = bytes(64 * 1024)
    tracemalloc.start()
    try:
        passed = len(b"".join(body.feed(f"{size:x}\r\n".encode())))
        for _ in range(size // len(block)):
            passed += sum(len(piece) for piece in body.feed(block))
        body.feed(b"\r\n0\r\n\r\n")
        body.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert passed == size
    assert peak < 1_000_000


def test_an_anonymous_upload_may_use_unsigned_chunks():
    mode = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = [(b"x-amz-content-sha256", mode), (b"x-amz-decoded-content-length", b"2")]
    assert decode(body_check(None, "", headers), b"2\r\nhi\r\n0\r\n\r\n") == b"hi"
    assert decode(body_check(None, "", [(b"host", b"x")]), b"plain") == b"plain"


def signed_put(payload_hash, service=b"s3"):
    scope = b"/20130524/us-east-1/" + service + b"/aws4_request"
    headers = [
        (b"host", b"x"),
        (b"x-amz-date", b"20130524T000000Z"),
        (
            b"authorization",
            b"AWS4-HMAC-SHA256 Credential="
            + KEY.encode()
            + scope
            + b", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00",
        ),
    ]
    if payload_hash:
        headers.append((b"x-amz-content-sha256", payload_hash.encode()))
    return read_signature("PUT", b"/b/k", b"", headers), headers


def test_a_streamed_plain_body_is_compared_with_its_declared_hash():
    signature, headers = signed_put(hashlib.sha256(b"data").hexdigest())
    assert isinstance(body_check(signature, SECRET, headers), HashedBody)
    assert decode(body_check(signature, SECRET, headers), b"data", 2) == b"data"
    assert refused(body_check(signature, SECRET, headers), b"Data").code == "XAmzContentSHA256Mismatch"


def test_a_body_added_to_a_request_signed_without_one_is_refused():
    signature, headers = signed_put(None, b"lambda")
    assert decode(body_check(signature, SECRET, headers), b"") == b""
    assert refused(body_check(signature, SECRET, headers), b"x").code == "InvalidSignatureException"


def chain(signature, chunks):
    """Frame and sign chunks the way a client does, independently of the decoder."""
    key = b"AWS4" + SECRET.encode()
    for part in ("20130524", "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    previous, raw = signature.signature, b""
    for chunk in [*chunks, b""]:
        hashes = f"{hashlib.sha256(b'').hexdigest()}\n{hashlib.sha256(chunk).hexdigest()}"
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{previous}\n{hashes}"
        previous = hmac.new(key, text.encode(), "sha256").hexdigest()
        raw += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + b"\r\n"
    return raw


def test_chunks_cannot_be_dropped_or_swapped():
    signature, headers = signed_put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    one, two = b"1" * 9000, b"2" * 9000
    headers = [*headers, (b"x-amz-decoded-content-length", b"18000")]
    raw = chain(signature, [one, two])
    assert decode(body_check(signature, SECRET, headers), raw) == one + two
    first, second = raw[: len(raw) // 2 - 50], raw.index(b"2328;", 10)
    assert len(first) < second
    swapped = raw[second : 2 * second] + raw[:second] + raw[2 * second :]
    assert refused(body_check(signature, SECRET, headers), swapped).code == "SignatureDoesNotMatch"
    assert refused(body_check(signature, SECRET, headers), raw[second:]).code == "SignatureDoesNotMatch"


FRAMES = st.lists(
    st.sampled_from(
        [
            b"5\r\n",
            b"hello",
            b"\r\n",
            b"0\r\n",
            b"400;chunk-signature=" + b"a" * 64 + b"\r\n",
            b"\n",
            b";",
            b"x-amz-checksum-crc32:AAAA\r\n",
            b"x-amz-trailer-signature:00\r\n",
            b"ffffffff\r\n",
        ]
    )
    | st.binary(max_size=20),
    max_size=14,
).map(b"".join)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(raw=FRAMES, step=st.integers(1, 9), trailer=st.sampled_from(["", "x-amz-checksum-crc32", "x,y"]))
def test_only_aws_errors_escape_from_noise(raw, step, trailer):
    signature, _ = signed_put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    fields = {b"x-amz-decoded-content-length": "5", b"x-amz-trailer": trailer}
    signed = ChunkedBody(signature.payload_hash, fields, signature, SECRET)
    with pytest.raises(AwsError):
        decode(signed, raw, step)
    try:
        assert len(decode(unsigned(b"hello", trailer), raw, step)) == 5
    except AwsError as error:
        assert error.code
