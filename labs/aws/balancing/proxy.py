"""One request through a load balancer.

Answers of its own are AWS's ("Troubleshoot your Application Load Balancers", Elastic Load Balancing User Guide): 503
without a registered target, 502 when a target refuses or breaks off, 504 when it does not answer in time, 460 in the
log when the client left first.  Headers for targets: "HTTP headers and Application Load Balancers", "Request tracing".
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import defaultdict
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from labs.aws.balancing.actions import Made, chosen_group, own_answer
from labs.aws.balancing.certificates import Certificates
from labs.aws.balancing.conditions import Asked, first_match
from labs.aws.balancing.configuration import Balancer, Configuration, Listener, Rule, Target, TargetGroup
from labs.aws.balancing.health import Health
from labs.aws.balancing.records import AccessLog, Record, moment
from labs.aws.balancing.security import admits, reaches
from labs.aws.gateway.addresses import appearing

CONNECT_SECONDS = 10.0
""" "The load balancer failed to establish a connection to the target before the connection timeout expired (10
seconds)" """
UNANSWERED_SECONDS = 300.0
"""How long a connection that a security group keeps out is held."""
_REASONS = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "proxy-connection", "expect"}


class Proxy:
    """What all listeners share; ``configuration`` may be exchanged at any time."""

    def __init__(self, health: Health, session: aiohttp.ClientSession, log: AccessLog) -> None:
        self.configuration = Configuration()
        self._health, self._session, self._log = health, session, log
        self._turns: dict[str, int] = defaultdict(int)

    async def answer(self, request: web.BaseRequest, arn: str, port: int,
                     certificates: Certificates | None) -> web.StreamResponse:
        """Answer a request at a port of a load balancer."""
        balancer, listener = self._place(arn, port)
        if balancer is None or listener is None:
            return web.Response(status=503)
        client = appearing(request.remote or "")
        if not admits(self.configuration, balancer, client, port):
            return await _never(request)
        exchange = Exchange(self, request, balancer, listener, client)
        exchange.secured(certificates)
        try:
            return await exchange.run()
        except (ConnectionResetError, asyncio.CancelledError):
            exchange.record.elb_status_code = "460"
            raise
        finally:
            exchange.finish()
            self._log.write(exchange.record)

    def _place(self, arn: str, port: int) -> tuple[Balancer | None, Listener | None]:
        balancer = next((each for each in self.configuration.balancers if each.arn == arn), None)
        listeners = balancer.listeners if balancer else ()
        return balancer, next((each for each in listeners if each.port == port), None)

    def next_target(self, group: TargetGroup) -> Target | None:
        """Round robin over the targets that get requests."""
        targets = self._health.usable(group)
        if not targets:
            return None
        self._turns[group.arn] += 1
        return targets[self._turns[group.arn] % len(targets)]

    def end(self, group: TargetGroup, target: Target) -> tuple[str, int]:
        """Where a target is."""
        return self._health.end(group, target, target.port)

    def send(self, method: str, url: URL, **options: Any) -> Any:
        """A request to a target, as a context manager."""
        return self._session.request(method, url, **options)


async def _never(request: web.BaseRequest) -> web.StreamResponse:
    """A security group drops packets: no answer comes."""
    await asyncio.sleep(UNANSWERED_SECONDS)
    if request.transport:
        request.transport.close()
    return web.Response(status=503)


class Exchange:
    """One request and its answer."""

    def __init__(self, proxy: Proxy, request: web.BaseRequest, balancer: Balancer, listener: Listener,
                 client: str) -> None:
        self._proxy, self._request, self._balancer, self._listener = proxy, request, balancer, listener
        self._client, self._began = client, time.monotonic()
        headers = request.headers
        self._trace = trace_header(headers.get("X-Amzn-Trace-Id", ""))
        port = "" if (request.secure, listener.port) in ((False, 80), (True, 443)) else f":{listener.port}"
        self._host = headers.get("Host", "")
        name = self._host.rpartition(":")[0] if re.search(r":\d+$", self._host) else self._host
        self._forwarded_host = name + port
        url = f"{listener.protocol.lower()}://{name}:{listener.port}{request.raw_path}"
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.record = Record(
            listener.protocol.lower(), balancer.resource, f"{client}:{peer[1] if peer else 0}",
            f"{request.method} {url} HTTP/1.1", headers.get("User-Agent", "-"), "-",
            re.search(r"Root=[^;]+", self._trace)[0] if "Root=" in self._trace else self._trace,  # type: ignore[index]
            moment(time.time()), received_bytes=request.content_length or 0, load_balancer_arn=balancer.arn,
            listener_arn=listener.arn, listener_port=listener.port, request_id=headers.get("X-Request-Id", ""),
            traceparent=headers.get("Traceparent", ""), method=request.method, path=request.path)

    def secured(self, certificates: Certificates | None) -> None:
        """Note what TLS agreed on."""
        transport = self._request.transport
        tls = transport.get_extra_info("ssl_object") if transport else None
        if tls is None or certificates is None:
            return
        cipher = tls.cipher()
        self.record.ssl_cipher, self.record.ssl_protocol = (cipher[0] if cipher else "-"), tls.version() or "-"
        name = self._forwarded_host.partition(":")[0]
        found = certificates.fitting(name)
        self.record.domain_name = name
        self.record.chosen_cert_arn = found.arn if found else "-"

    def finish(self) -> None:
        """Note the end."""
        self.record.time = moment(time.time())

    async def run(self) -> web.StreamResponse:
        """Find the rule, and do what it says."""
        raw_path, _, query = self._request.raw_path.partition("?")
        headers: dict[str, list[str]] = defaultdict(list)
        for name, value in self._request.headers.items():
            headers[name.lower()].append(value)
        asked = Asked(self._request.method, self._host, raw_path, list(self._request.query.items()), headers,
                      self._client)
        rule = first_match(self._listener.rules, asked)
        if rule is None:
            return await self._error(503)
        self.record.rule_arn = rule.arn
        self.record.matched_rule_priority = "0" if rule.priority == "default" else rule.priority
        self.record.actions_executed = str(rule.action.get("Type", "-"))
        made = own_answer(rule.action, self._listener.protocol, self._host, self._listener.port, raw_path, query)
        if made is not None:
            return await self._own(made)
        return await self._forward(rule)

    async def _own(self, made: Made) -> web.StreamResponse:
        self.record.redirect_url = made.headers.get("Location", "-")
        self.record.elb_status_code, self.record.sent_bytes = str(made.status), len(made.text.encode())
        self.record.request_processing_time = self.record.response_processing_time = 0.0
        return web.Response(status=made.status, body=made.text.encode(),
                            headers={**made.headers, "Server": "awselb/2.0"})

    async def _error(self, status: int, reason: str = "-") -> web.StreamResponse:
        self.record.error_reason = reason
        title = f"{status} {_REASONS[status]}"
        text = (f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
                "</body>\r\n</html>\r\n")
        return await self._own(Made(status, {"Content-Type": "text/html"}, text))

    async def _forward(self, rule: Rule) -> web.StreamResponse:
        arn = chosen_group(rule.action)
        group = self._proxy.configuration.groups.get(arn or "")
        if group is None:
            return await self._error(503)
        self.record.target_group_arn = group.arn
        target = self._proxy.next_target(group)
        if target is None:
            return await self._error(503)
        self.record.target_port = self.record.target_port_list = str(target)
        if not reaches(self._proxy.configuration, self._balancer, group, target, target.port):
            await asyncio.sleep(CONNECT_SECONDS)
            return await self._error(504)
        return await self._through(group, target)

    async def _through(self, group: TargetGroup, target: Target) -> web.StreamResponse:
        """Ask the target, and pass its answer on as it comes."""
        host, port = self._proxy.end(group, target)
        self.record.target_end = f"{host}:{port}"
        url = URL(f"{group.protocol.lower()}://{host}:{port}{self._request.raw_path}", encoded=True)
        idle = self._balancer.seconds("idle_timeout.timeout_seconds", 60)
        body = self._request.content if self._request.body_exists else None
        sent = time.monotonic()
        self.record.request_processing_time = sent - self._began
        try:
            async with self._proxy.send(
                    self._request.method, url, headers=self._headers(), data=body, allow_redirects=False, ssl=False,
                    timeout=aiohttp.ClientTimeout(None, sock_connect=CONNECT_SECONDS, sock_read=idle)) as answer:
                self.record.target_processing_time = time.monotonic() - sent
                self.record.target_status_code = self.record.target_status_code_list = str(answer.status)
                return await self._passed_on(answer)
        except TimeoutError:
            return await self._error(504)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, ConnectionResetError) and self.record.elb_status_code != "-":
                raise
            return await self._error(502)

    async def _passed_on(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        began = time.monotonic()
        headers = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in _HOP)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(self._request)
        self.record.elb_status_code = str(answer.status)
        self.record.response_processing_time = time.monotonic() - began
        async for piece in answer.content.iter_any():
            await response.write(piece)
            self.record.sent_bytes += len(piece)
        await response.write_eof()
        return response

    def _headers(self) -> CIMultiDict[str]:
        """Of the request to the target."""
        made = CIMultiDict((name, value) for name, value in self._request.headers.items() if name.lower() not in _HOP)
        if self._balancer.attributes.get("routing.http.preserve_host_header.enabled") != "true":
            made["Host"] = self._forwarded_host
        mode = self._balancer.attributes.get("routing.http.xff_header_processing.mode", "append")
        before = made.popall("X-Forwarded-For", [])
        if mode == "append":
            made["X-Forwarded-For"] = ", ".join([*before, self._client])
        elif mode == "preserve" and before:
            made["X-Forwarded-For"] = ", ".join(before)
        made["X-Forwarded-Proto"] = self._listener.protocol.lower()
        made["X-Forwarded-Port"] = str(self._listener.port)
        made["X-Amzn-Trace-Id"] = self._trace
        return made


def trace_header(given: str) -> str:
    """``X-Amzn-Trace-Id`` for the target: a Root of its own where there is none, else a Self before it."""
    fields = [each.strip() for each in given.split(";") if each.strip() and not each.strip().startswith("Self=")]
    new = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return ";".join([f"Self={new}", *fields] if any(each.startswith("Root=") for each in fields)
                    else [f"Root={new}", *fields])

