"""The gateway: authenticate, understand, authorise, record, route.  One ASGI application in front of one engine.

It answers by itself what an engine cannot know (STS, Organizations, the event history, policy simulation) and lets the
engine answer the rest, as the root user of the account that owns the resource.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.aws.engines import SERVICE, Engine, Receive, Send
from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway import corrections, eks_pods, multidelete, registry, rewriting
from labs.aws.gateway.accesses import Accesses
from labs.aws.gateway.actions.asked import account_in
from labs.aws.gateway.actions.s3 import copy_source
from labs.aws.gateway.addresses import appearing
from labs.aws.gateway.authorization import Check
from labs.aws.gateway.authorizer import ANONYMOUS, Authorizer
from labs.aws.gateway.calls import AwsError, ServiceCall, needs_body, render_error, render_result, understand
from labs.aws.gateway.chunked import body_check
from labs.aws.gateway.context import Arrival, Context, signature_context
from labs.aws.gateway.credentials import Credential, Credentials, KeyOwner
from labs.aws.gateway.data_events import TYPES as DATA_SERVICES
from labs.aws.gateway.data_events import as_data_event
from labs.aws.gateway.denial import denied
from labs.aws.gateway.documents import check_documents
from labs.aws.gateway.events import event, is_data_event, is_read_only
from labs.aws.gateway.exchange import (
    MAX_HEADERS,
    Answer,
    Body,
    Disconnected,
    RawHeaders,
    forwarded_scope,
    whole,
)
from labs.aws.gateway.load_balancers import LoadBalancers
from labs.aws.gateway.ownership import KeyRecord, Ownership
from labs.aws.gateway.policies import Policies, document
from labs.aws.gateway.public_access import is_public
from labs.aws.gateway.record import Decisions, Trail
from labs.aws.gateway.signing import Signature, authentication_error, guess_protocol, read_signature, verify
from labs.aws.gateway.unsupported import not_an_answer
from labs.aws.iam import Decision, PrincipalType, decision_to_dict
from labs.aws.models import operation_model, service_model
from labs.aws.providers import (
    cloudtrail,
    instances,
    lambda_functions,
    oidc,
    pod_identity,
    s3_copy,
    secrets_rotation,
    simulation,
    sts,
    web_identity,
)
from labs.aws.providers.access_analyzer import AccessAnalyzer
from labs.aws.providers.guardduty import GuardDuty
from labs.aws.providers.organizations import MANAGEMENT_ACCOUNT, Organizations
from labs.aws.providers.policy_generation import OPERATIONS as GENERATIONS
from labs.aws.providers.policy_generation import PolicyGeneration
from labs.aws.providers.sts import sts_service_restriction
from labs.aws.providers.trails import Trails
from labs.errors import LabError

log = logging.getLogger(__name__)

Provider = Callable[["Exchange"], Awaitable[dict[str, Any]]]


@dataclass
class Exchange:
    """One call on its way through the gateway."""

    gateway: Gateway
    scope: dict[str, Any]
    headers: RawHeaders
    request_id: str
    path: bytes
    query: bytes
    body: Body
    shorthands: bool
    now: datetime.datetime
    arrival: Arrival
    signature: Signature | None = None
    credential: Credential | None = None
    web_identity: web_identity.WebIdentity | None = None
    content: bytes | None = None
    call: ServiceCall | None = None
    account: str = ""  # the account that the engine should act in
    decisions: list[Decision] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)  # parts of the call that are denied, with the reason
    result: Mapping[str, Any] | None = None
    error: tuple[str, str] | None = None
    added_headers: RawHeaders = field(default_factory=list)  # for the engine

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def region(self) -> str:
        return self.signature.region if self.signature else "us-east-1"

    @property
    def caller_account(self) -> str:
        return self.credential.principal.account if self.credential else ""

    # What providers may ask for (labs.aws.providers).
    @property
    def credentials(self) -> Credentials:
        return self.gateway.credentials

    async def engine(
        self, service: str, operation: str, *, account: str = "", region: str = "", **params: Any
    ) -> dict[str, Any]:
        """Ask the engine, as the root user of ``account`` (the caller's by default).

        :raises AwsError: the engine's own error
        """
        try:
            return await self.gateway.client.call(
                service, operation, account=account or self.caller_account, region=region or self.region, **params
            )
        except EngineError as error:
            raise AwsError(error.code, error.message, error.status) from error


class StsContext:
    """What the STS provider asks of the gateway."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.call = exchange.engine
        self.key_owner = exchange.gateway.key_owner
        self.credentials = exchange.credentials
        self.source_ip = exchange.arrival.source_ip

    def now(self) -> datetime.datetime:
        """The time at which the request arrived."""
        return self._exchange.now


class Gateway:
    """ASGI application.

    :param engine: the emulator behind it
    :param home: folder for state (``HOME/aws``)
    :param master_key: see :class:`~labs.aws.gateway.credentials.Credentials`
    :param learner: content of ``learner.json``; the IAM user ``learner`` is made from it at start and after each reset
    """

    def __init__(self, engine: Engine, home: Path, master_key: bytes, learner: Mapping[str, Any] | None = None) -> None:
        state = home / "aws"
        fresh = not engine.shared
        self.engine_app = engine
        self.client = EngineClient(engine)
        self.credentials = Credentials(master_key)
        self.ownership = Ownership(state / "ownership.sqlite", fresh)
        self.organizations = Organizations(state / "organizations.json", fresh)
        self.oidc_providers = oidc.OpenIDConnectProviders(state / "oidc_providers.json", fresh)
        self.issuer_keys = web_identity.IssuerKeys(home / "issuers")
        self.metadata_options = instances.MetadataOptions()
        self.policies = Policies(self.client)
        self.authorizer = Authorizer(self.client, self.policies, self.ownership, self.organizations)
        self.trail = Trail(state / "trail.sqlite", fresh)
        self.trails = Trails(state, fresh, self.client, self.authorizer)
        self.generations = PolicyGeneration(self.authorizer, self.trail, self.trails)
        self.decisions = Decisions()
        self.lookups = cloudtrail.LookupRate()
        self.accesses = Accesses()
        self.analyzers = AccessAnalyzer(
            state / "access_analyzer.json",
            fresh,
            self.client,
            self.policies,
            self.organizations,
            self.accesses,
            self.trail.accounts,
        )
        self.guardduty = GuardDuty(state / "guardduty.json", fresh, self.client, self.trail)
        self.functions = lambda_functions.Functions(self, state / "functions")
        self.rotations = secrets_rotation.Rotations(self, state / "rotations.json", fresh)
        self.authorizer.known_beside["secretsmanager", "DescribeSecret"] = lambda secret: secrets_rotation.settings_of(
            self.rotations.get(str(secret.get("ARN")))
        )
        self.load_balancers = LoadBalancers(self.client)
        self.learner = learner
        self.listeners: dict[str, str] = {}  # what __main__ writes to listeners.json
        self.notes: dict[tuple[str, ...], Any] = {}  # what corrections remember, as short-lived as the engine's state
        self.requests = 0

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the engine and make the learner's user."""
        await self.engine_app.start()
        self.trails.start()
        await self._make_learner()

    async def stop(self) -> None:
        """Stop the engine and close the files."""
        await self.trails.stop()
        self.functions.clear()
        await self.engine_app.stop()
        self.trail.close()
        self.ownership.close()

    async def pause(self) -> None:
        """Leave no task, no thread of ours and no open file; everything is remembered, for ``resume``.

        Only with an engine that is :class:`~labs.aws.engines.Copyable`.
        """
        await self.functions.pause()
        await self.trails.pause()
        await self.engine_app.pause()
        self.trail.close()
        self.ownership.close()

    async def resume(self) -> None:
        """Go on after ``pause``: on another event loop, perhaps in a fork of the process."""
        self.trail.open()
        self.ownership.open()
        await self.engine_app.resume()
        self.trails.start()

    async def reset(self) -> None:
        """Everything that was created is gone; the learner's user is there again, with the same key."""
        self.functions.clear()
        self.rotations.clear()
        await self.engine_app.reset()
        self.policies.forget_everything()
        self.ownership.clear()
        self.organizations.clear()
        self.oidc_providers.clear()
        self.issuer_keys.clear()
        self.metadata_options.clear()
        self.trail.clear()
        self.trails.clear()
        self.generations.clear()
        self.decisions.clear()
        self.accesses.clear()
        self.analyzers.clear()
        self.guardduty.clear()
        self.load_balancers.clear()
        self.notes.clear()
        await self._make_learner()

    async def _make_learner(self) -> None:
        if not self.learner:
            return
        account, user = self.learner["account"], "learner"
        try:
            await self.client.call("iam", "CreateUser", account=account, UserName=user)
        except EngineError as error:
            if error.code != "EntityAlreadyExists":
                raise
        await self.client.call(
            "iam",
            "AttachUserPolicy",
            account=account,
            UserName=user,
            PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess",
        )
        self.ownership.add_key(self.learner["access_key_id"], KeyRecord(account, user))

    def engine_of(self, service: str) -> str:
        """Name of the engine that serves a botocore service."""
        serving = getattr(self.engine_app, "serving", None)
        return serving(service) if serving else self.engine_app.name

    async def key_owner(self, access_key_id: str) -> KeyOwner | None:
        """The IAM user behind a long-term key, with the tags of this moment."""
        record = self.ownership.key(access_key_id)
        if record is None:
            return None
        user = await self.policies.user(record.account, record.user)
        if user is None:
            return None
        return KeyOwner(record.account, record.user, user["Arn"], user["UserId"], user["Tags"], record.status)

    # -- requests ------------------------------------------------------------------------------------------------------

    def listener(self, shorthands: bool) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
        """The application for one socket; only the host's takes the shorthand credentials and ``/_lab``."""

        async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self.handle(scope, receive, send, shorthands)
            elif scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})

        return application

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send, shorthands: bool) -> None:
        """Answer one request.  Whatever goes wrong is answered in the protocol's own error shape."""
        self.requests += 1
        headers: RawHeaders = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        path = scope.get("raw_path") or scope["path"].encode()
        if path.startswith(b"/_lab/") and shorthands:
            await self._lab_request(scope, path.decode("latin-1"), receive, send)
            return
        exchange = Exchange(
            gateway=self,
            scope=scope,
            headers=headers,
            request_id=str(uuid.uuid4()),
            path=path,
            query=scope.get("query_string", b""),
            body=Body(receive, headers),
            shorthands=shorthands,
            now=datetime.datetime.now(datetime.UTC),
            arrival=_arrival(scope, headers),
        )
        try:
            await self._answer(exchange, send)
        except Disconnected:
            return
        except AwsError as error:
            await self._refuse(exchange, error, send)
        except EngineError as error:
            log.warning("engine failed: %s", error)
            await self._refuse(exchange, AwsError("ServiceUnavailable", f"The engine failed: {error}", 503), send)
        except Exception:  # the last line of defence: nothing is ever allowed or left hanging by a defect of ours
            log.exception("request %s failed", exchange.request_id)
            await self._refuse(
                exchange, AwsError("ServiceUnavailable", "The gateway could not handle this request.", 503), send
            )

    async def _answer(self, exchange: Exchange, send: Send) -> None:
        if sum(len(name) + len(value) for name, value in exchange.headers) > MAX_HEADERS:
            raise AwsError(
                "RequestHeaderSectionTooLarge", "Your request header section exceeds the maximum allowed size.", 400
            )
        if eks_pods.is_for(exchange):
            await eks_pods.answer(exchange, send)
            return
        if registry.is_for(exchange):
            await registry.answer(exchange, send)
            return
        await self._authenticate(exchange)
        await self._enter_by_endpoint(exchange)
        call = self._understand(exchange)
        if exchange.credential:
            call = rewriting.fill_in_caller(call, exchange)
        exchange.call = call
        exchange.account = exchange.caller_account or MANAGEMENT_ACCOUNT
        await self._authorise(exchange)
        check_documents(call)
        await self._block_public_policy(exchange)
        self._keep_key_policy(exchange)
        provider = PROVIDERS.get((call.service, call.operation)) or PROVIDERS.get((call.service, "*"))
        if call.operation in s3_copy.COPIES and call.service == "s3" and exchange.checks[1].resource_account not in (
            "", exchange.account,
        ):  # fmt: skip
            provider = _copy_between_accounts
        if exchange.refused and multidelete.all_refused(call.params, exchange.refused):
            provider = _nothing_deleted
        # EC2's providers add to what an engine answers, so that its corrections hold around them.
        result = None if provider and call.service != "ec2" else await corrections.prepare(exchange)
        if provider and result is None:
            result = await provider(exchange)
            if call.service == "ec2" and corrections.corrects(exchange):
                result = await corrections.finish(exchange, result) or result
        if result is not None:
            exchange.result = result
            self.policies.forget(call.service, call.operation, exchange.account)
            status, headers, body = render_result(call, dict(exchange.result), exchange.request_id)
            self._record(exchange)
            await _send(send, status, headers, body)
            return
        await self._forward(exchange, send)

    async def _authenticate(self, exchange: Exchange) -> None:
        signature = read_signature(exchange.method, exchange.path, exchange.query, exchange.headers)
        exchange.signature = signature
        signing_name = signature.service if signature else None
        payload: str | None = None
        if needs_body(exchange.method, exchange.path.decode("latin-1"), exchange.headers, signing_name, exchange.query):
            exchange.content = await exchange.body.read()
            payload = hashlib.sha256(exchange.content).hexdigest()
        if signature is None:
            return
        credential = await self.credentials.resolve(signature, exchange.now, self.key_owner, exchange.shorthands)
        verify(
            signature,
            credential.secret,
            exchange.method,
            exchange.path,
            exchange.query,
            exchange.headers,
            payload,
            exchange.now,
        )
        exchange.credential = credential
        if credential.access_key_id.startswith("AKIA"):
            used = (exchange.now, signature.service, signature.region)
            self.notes["access-key-used", credential.access_key_id] = used

    async def _enter_by_endpoint(self, exchange: Exchange) -> None:
        """A request to ``/_vpce/vpce-…/…`` comes through that VPC endpoint, whose policy then applies."""
        found = rewriting.VPC_ENDPOINT_PREFIX.match(exchange.path)
        if found is None:
            return
        identifier = found[1].decode()
        account = exchange.caller_account or MANAGEMENT_ACCOUNT
        record = await self.policies.vpc_endpoint(identifier, account, exchange.region)
        if record is None:
            raise AwsError("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{identifier}' does not exist", 400)
        exchange.path = exchange.path[found.end() :] or b"/"
        endpoint = {"id": identifier, "vpc": record.get("VpcId", ""), "account": account}
        endpoint["policy"] = self.ownership.endpoint_policy(identifier) or record.get("PolicyDocument") or ""
        exchange.arrival = dataclasses.replace(exchange.arrival, vpc_endpoint=endpoint)

    def _understand(self, exchange: Exchange) -> ServiceCall:
        signature = exchange.signature
        return understand(
            exchange.method,
            exchange.path.decode("latin-1"),
            exchange.query,
            exchange.headers,
            exchange.content,
            signature.service if signature else None,
            exchange.region,
        )

    async def _authorise(self, exchange: Exchange) -> None:
        call, credential = exchange.call, exchange.credential
        assert call is not None
        if (call.service, call.operation) == WEB_IDENTITY:
            exchange.credential = credential = None  # the token speaks, whoever signed
            exchange.account = account_in(str(call.params.get("RoleArn"))) or exchange.account
            exchange.web_identity = await web_identity.authenticate(
                call.params, self.oidc_providers, self.issuer_keys, exchange.now
            )
            call = exchange.web_identity.asked(call)
        elif credential is None:
            if f"{call.service}:{call.operation}" in UNSIGNED:
                return
            if call.service not in ANONYMOUS_SERVICES:
                raise authentication_error("missing", call.service, call.protocol)
        if credential:
            reason = sts_service_restriction(credential, call.service, call.operation)
            if reason:
                raise AwsError("AccessDenied", reason, 403)
        if call.service == "sts" and call.operation == "GetCallerIdentity" and credential:
            return  # "No permissions are required to perform this operation" (STS API Reference, GetCallerIdentity)
        extra: Context = {}
        if call.service == "sts" and credential:
            extra = await sts.mfa_context(call, credential, StsContext(exchange))
        if call.service == "s3":
            extra = signature_context(exchange.signature, exchange.now)
        stranger = ANONYMOUS
        if exchange.web_identity:
            stranger, extra = exchange.web_identity.principal, dict(exchange.web_identity.context)
        decisions, checks = await self.authorizer.decide(
            call, credential, exchange.arrival, exchange.now, extra, stranger
        )
        exchange.decisions, exchange.checks = decisions, checks
        if checks:
            exchange.account = checks[0].resource_account or exchange.account
        final = next((each for each in decisions if not each.allowed), decisions[-1] if decisions else None)
        if final is not None:
            about = {"service": call.service, "operation": call.operation, "region": call.region}
            self.decisions.add(exchange.request_id, final, about, exchange.now.timestamp())
            for check, decision in zip(checks, decisions, strict=False):
                if not decision.allowed:
                    error = denied(call, decision, credential, self.credentials, exchange.now)
                    if check.part is None:
                        raise error
                    exchange.refused.setdefault(check.part, error.message)
            for decision in decisions:
                if decision.allowed:
                    self.accesses.note(credential, decision.request.action, exchange.now.timestamp())

    async def _block_public_policy(self, exchange: Exchange) -> None:
        """``BlockPublicPolicy`` refuses ``PutBucketPolicy`` with a policy that would make the bucket public."""
        call = exchange.call
        assert call is not None
        if (call.service, call.operation) != ("s3", "PutBucketPolicy"):
            return
        blocked = await self.policies.public_access_block(call.params["Bucket"], exchange.account)
        if blocked.get("BlockPublicPolicy") and is_public(document(call.params["Policy"])):
            who = exchange.credential.principal.arn if exchange.credential else "*"
            raise AwsError(
                "AccessDenied",
                f"User: {who} is not authorized to perform: s3:PutBucketPolicy on resource: "
                f'"arn:aws:s3:::{call.params["Bucket"]}" because public policies are prevented by the BlockPublicPolicy'
                " setting in S3 Block Public Access.",
                403,
            )

    def _keep_key_policy(self, exchange: Exchange) -> None:
        """KMS refuses a key policy that its author could not change again, unless told that this is meant."""
        call, credential = exchange.call, exchange.credential
        assert call is not None
        if call.service != "kms" or call.operation not in ("PutKeyPolicy", "CreateKey"):
            return
        if not call.params.get("Policy") or call.params.get("BypassPolicyLockoutSafetyCheck") or credential is None:
            return
        key = exchange.checks[0].resource if exchange.checks else "*"
        if not self.authorizer.keeps_control(call, credential, key):
            text = "The new key policy will not allow you to update the key policy in the future."
            raise AwsError("MalformedPolicyDocumentException", text, 400)

    async def _forward(self, exchange: Exchange, send: Send) -> None:
        call = exchange.call
        assert call is not None
        model = operation_model(call.service, call.operation)
        path, query, headers, content = rewriting.for_engine(exchange)
        headers = [*headers, *exchange.added_headers]
        scope = forwarded_scope(
            exchange.scope,
            path,
            query,
            headers,
            exchange.account,
            call.region,
            service_model(call.service).signing_name,
        )
        scope[SERVICE] = call.service
        streams = model.has_streaming_output or model.has_event_stream_output
        answer = Answer(send if streams else None, exchange.request_id)
        if content is None:
            secret = exchange.credential.secret if exchange.credential else ""
            receive = exchange.body.stream(body_check(exchange.signature, secret, exchange.headers))
        else:
            receive = whole(content)
        await self.engine_app(scope, receive, answer)
        if exchange.body.failure:
            raise exchange.body.failure
        if not answer.status:
            raise AwsError("ServiceUnavailable", "The engine gave no answer.", 503)
        body = answer.body
        if 200 <= answer.status < 300:
            self.policies.forget(call.service, call.operation, exchange.account)
            if not streams:
                exchange.result, body = rewriting.from_engine(exchange, answer.status, answer.headers, body)
                if corrections.corrects(exchange):
                    body = await self._correct(exchange, answer, body)
        else:
            exchange.error = rewriting.error_of(exchange, answer.status, answer.headers, body)
            instead = not_an_answer(call, self.engine_of(call.service), answer.status, body, *exchange.error)
            if instead and not streams:
                raise instead
            code = corrections.renamed(exchange, exchange.error[0])
            if code and not streams:
                raise AwsError(code, exchange.error[1], answer.status)
        self._record(exchange)
        if not streams:
            replaced = [
                (n, str(len(body)).encode() if n == b"content-length" and body is not answer.body else v)
                for n, v in answer.headers
            ]
            await _send(send, answer.status, replaced, body)

    async def _correct(self, exchange: Exchange, answer: Answer, body: bytes) -> bytes:
        """Put the engine's answer right; headers of the corrected answer replace those of the same name."""
        call = exchange.call
        assert call is not None
        parsed = dict(exchange.result or rewriting.parse(call, answer.status, answer.headers, body))
        corrected = await corrections.finish(exchange, parsed)
        if corrected is None:
            return body
        if exchange.result is not None:
            exchange.result = corrected
        _, headers, body = render_result(call, corrected, exchange.request_id)
        names = {name.lower() for name, _ in headers} | {b"content-length"}
        answer.headers = [(n, v) for n, v in answer.headers if n not in names] + headers
        return body

    async def _refuse(self, exchange: Exchange, error: AwsError, send: Send) -> None:
        exchange.error = (error.code, error.message)
        call = exchange.call or self._guess(exchange)
        service, operation, protocol = (call.service, call.operation, call.protocol) if call else _shape_of(exchange)
        if exchange.call:
            self._record(exchange)
        status, headers, body = render_error(error, protocol, service, operation, exchange.request_id)
        if exchange.method == "HEAD":
            body = b""
        headers = [(n, v) for n, v in headers if n.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        if not await exchange.body.drain(exchange.headers):
            headers.append((b"connection", b"close"))  # what is still on its way must not be read as the next request
        await _send(send, status, headers, body)

    def _guess(self, exchange: Exchange) -> ServiceCall | None:
        """The call behind a request that failed before it was understood, only to shape its error."""
        try:
            return self._understand(exchange)
        except AwsError:
            return None

    def _record(self, exchange: Exchange) -> None:
        call = exchange.call
        if call is None:
            return
        if exchange.error is None:
            self.load_balancers.note(call.service, call.operation, exchange.account, call.region)
        if exchange.credential:
            principal = exchange.credential.principal
            used = self.notes.setdefault(("services-used", principal.role_arn or principal.arn), {})
            used[call.service] = (exchange.now, call.region)
        data = is_data_event(call.service, call.operation)
        if data and not self._wants_data(exchange):
            return
        endpoint = exchange.arrival.vpc_endpoint
        record = event(
            credential=exchange.credential,
            service=call.service,
            operation=call.operation,
            params=call.params,
            region=call.region,
            account=exchange.caller_account or exchange.account,
            source_ip=exchange.arrival.source_ip,
            user_agent=exchange.arrival.user_agent,
            request_id=exchange.request_id,
            now=exchange.now,
            result=exchange.result,
            error=exchange.error,
            vpc_endpoint=endpoint["id"] if endpoint else "",
            secure=exchange.arrival.secure,
            identity=_stranger(exchange),
        )
        if data:
            self._offer_data(exchange, record)
            return
        self.trail.add(record, exchange.now.timestamp())
        self.trails.delivery.offer(record)

    def _wants_data(self, exchange: Exchange) -> bool:
        assert exchange.call is not None
        accounts = {exchange.caller_account, exchange.account}
        return exchange.call.service in DATA_SERVICES and self.trails.delivery.wants_data(accounts)

    def _offer_data(self, exchange: Exchange, record: dict[str, Any]) -> None:
        """A data event goes to the trails of the caller's account, and to those of the resource's owner."""
        assert exchange.call is not None
        arns = [decision.request.resource for decision in exchange.decisions]
        record = as_data_event(record, exchange.call.service, arns, exchange.account)
        self.trails.delivery.offer(record)
        if exchange.account != record["recipientAccountId"]:
            shared = {"sharedEventID": str(uuid.uuid4()), "recipientAccountId": exchange.account}
            self.trails.delivery.offer({**record, "eventID": str(uuid.uuid4()), **shared})

    record = _record  # for the registry, which answers without a call of its own

    # -- the gateway's own API -----------------------------------------------------------------------------------------

    async def _lab_request(self, scope: dict[str, Any], path: str, receive: Receive, send: Send) -> None:
        try:
            if (scope["method"], path) == ("POST", "/_lab/load-balancers/health"):
                self.load_balancers.health = json.loads(await Body(receive, scope["headers"]).read())
            status, answer = await self._lab(scope["method"], path, scope.get("query_string", b"").decode("latin-1"))
        except (LabError, AwsError) as error:
            status, answer = 409, {"error": str(error)}
        body = json.dumps(answer, default=str).encode()
        await _send(
            send, status, [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())], body
        )

    async def _lab(self, method: str, path: str, query: str) -> tuple[int, dict[str, Any]]:
        from urllib.parse import parse_qs

        if (method, path) == ("GET", "/_lab/health"):
            account = self.learner["account"] if self.learner else MANAGEMENT_ACCOUNT
            about = {"engine": self.engine_app.name, "shared": self.engine_app.shared, "listeners": self.listeners}
            return 200, {**about, "account": account, "requests": self.requests}
        if (method, path) == ("POST", "/_lab/reset"):
            started = time.monotonic()
            await self.reset()
            return 200, {"reset": self.engine_app.name, "seconds": round(time.monotonic() - started, 3)}
        if (method, path) == ("POST", "/_lab/cloudtrail/deliver"):
            account = parse_qs(query).get("account", [None])[0]
            trails = [await self.trails.delivery.deliver(one, True) for one in self.trails.of(account)]
            return 200, {"delivered": trails}
        if method == "GET" and path == "/_lab/decisions/last":
            found = self.decisions.last_denial(parse_qs(query).get("account", [None])[0])
            if not found:
                return 404, {"error": "no denial is recorded yet"}
            return 200, _decision_answer(found[0], *found[1])
        if method == "GET" and path.startswith("/_lab/decisions/"):
            request_id = path.rpartition("/")[2]
            kept = self.decisions.get(request_id)
            if not kept:
                return 404, {"error": f"no decision is kept for request id {request_id}"}
            return 200, _decision_answer(request_id, *kept)
        if (method, path) == ("POST", "/_lab/issuers"):
            given = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
            names = ("account", "issuer", "location", "cluster")
            self.issuer_keys.route(*(given.get(name, "") for name in names))
            return 200, given
        if (method, path) == ("GET", "/_lab/load-balancers"):
            return 200, await self.load_balancers.told(parse_qs(query).get("seen", [""])[0])
        if (method, path) == ("POST", "/_lab/load-balancers/health"):
            return 200, {"groups": len(self.load_balancers.health)}
        if path.startswith("/_lab/instances/"):
            given = {name: values[0] for name, values in parse_qs(query).items()}
            return await instances.lab_request(self, method, path, given)
        return 404, {"error": f"unknown path {path}; see GET /_lab/health, POST /_lab/reset, GET /_lab/decisions/last"}


def _decision_answer(request_id: str, decision: Decision, call: dict[str, Any], when: float) -> dict[str, Any]:
    moment = datetime.datetime.fromtimestamp(when, datetime.UTC).isoformat(timespec="seconds")
    return {"request_id": request_id, "decision": decision_to_dict(decision), "call": call, "time": moment}


async def _send(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    if not any(name.lower() == b"content-length" for name, _ in headers) and status != 204:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _stranger(exchange: Exchange) -> dict[str, str] | None:
    """CloudTrail's ``userIdentity`` of a caller who came with a token; ``None`` for every other call."""
    assert exchange.call is not None
    if (exchange.call.service, exchange.call.operation) != WEB_IDENTITY:
        return None
    return exchange.web_identity.element if exchange.web_identity else web_identity.UNKNOWN


def _arrival(scope: dict[str, Any], headers: RawHeaders) -> Arrival:
    found = dict(headers)
    client = scope.get("client")
    return Arrival(
        source_ip=appearing(client[0]) if client else "127.0.0.1",
        user_agent=found.get(b"user-agent", b"").decode("latin-1"),
        referer=found.get(b"referer", b"").decode("latin-1"),
        secure=scope.get("scheme") == "https",
    )


def _shape_of(exchange: Exchange) -> tuple[str, str, str]:
    """Service, operation and protocol of a request that cannot be understood."""
    service = exchange.signature.service if exchange.signature else ""
    protocol = guess_protocol(exchange.headers, service)
    if not exchange.signature and protocol == "query" and exchange.content is None:
        protocol = "s3"  # an unsigned REST request can only be meant for S3
    return service or ("s3" if protocol == "s3" else ""), "", protocol


# Services whose resource policies may admit an anonymous caller.
ANONYMOUS_SERVICES = frozenset(["s3", "sqs", "sns"])
WEB_IDENTITY = ("sts", "AssumeRoleWithWebIdentity")
# Operations that AWS accepts without a signature (STS API Reference).
UNSIGNED = frozenset(
    [
        "sts:AssumeRoleWithSAML",
        "cognito-idp:InitiateAuth",
        "cognito-idp:SignUp",
        "cognito-identity:GetId",
        "cognito-identity:GetCredentialsForIdentity",
    ]
)


async def _sts(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return await sts.handle(exchange.call, exchange.credential, StsContext(exchange))


async def _web_identity(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    assert exchange.web_identity is not None
    return await web_identity.assume(exchange.call, exchange.web_identity, StsContext(exchange))


async def _oidc(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return exchange.gateway.oidc_providers.handle(exchange.call, exchange.caller_account, exchange.now)


async def _organizations(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return exchange.gateway.organizations.handle(exchange.call, exchange.caller_account)


async def _lookup_events(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    gateway = exchange.gateway
    return cloudtrail.lookup_events(
        exchange.call, exchange.caller_account, gateway.trail, gateway.lookups, exchange.now
    )


async def _trails(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return await exchange.gateway.trails.handle(exchange.call, exchange.caller_account, exchange.now.timestamp())


async def _simulate(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return await simulation.simulate(
        exchange.call, exchange.caller_account, exchange.gateway.policies, exchange.gateway.organizations
    )


async def _access_analyzer(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return await exchange.gateway.analyzers.handle(exchange.call, exchange.caller_account, exchange.now)


async def _policy_generation(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return await exchange.gateway.generations.handle(exchange.call, exchange.caller_account)


async def _guardduty(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return await exchange.gateway.guardduty.handle(exchange.call, exchange.caller_account, exchange.now)


async def _copy_between_accounts(exchange: Exchange) -> dict[str, Any]:
    call = exchange.call
    assert call is not None
    owners = (exchange.checks[1].resource_account, exchange.account)
    return await s3_copy.copy(
        call.operation, call.params, copy_source(call.params["CopySource"]), owners, exchange.engine
    )


async def _nothing_deleted(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return multidelete.result(exchange.call.params, exchange.refused, {})


async def _root_user(exchange: Exchange) -> dict[str, Any]:
    return rewriting.root_user(exchange)


PROVIDERS: dict[tuple[str, str], Provider] = {
    ("sts", "*"): _sts,
    WEB_IDENTITY: _web_identity,
    **{("iam", operation): _oidc for operation in oidc.OPERATIONS},
    ("organizations", "*"): _organizations,
    ("cloudtrail", "LookupEvents"): _lookup_events,
    ("ec2", "RunInstances"): instances.run_instances,
    ("ec2", "ModifyInstanceMetadataOptions"): instances.modify,
    ("eks", "CreatePodIdentityAssociation"): pod_identity.create,
    ("eks", "UpdatePodIdentityAssociation"): pod_identity.update,
    ("eks", "DescribeCluster"): pod_identity.describe_cluster,
    ("eks-auth", "AssumeRoleForPodIdentity"): pod_identity.assume_role_for_pod,
    ("cloudtrail", "*"): _trails,
    ("iam", "SimulatePrincipalPolicy"): _simulate,
    ("iam", "SimulateCustomPolicy"): _simulate,
    ("iam", rewriting.ROOT_USER): _root_user,
    ("accessanalyzer", "*"): _access_analyzer,
    **{("accessanalyzer", operation): _policy_generation for operation in GENERATIONS},
    ("guardduty", "*"): _guardduty,
    ("lambda", "Invoke"): lambda_functions.invoke,
    **{("secretsmanager", operation): secrets_rotation.handle for operation in secrets_rotation.OPERATIONS},
}
__all__ = ["Exchange", "Gateway", "PrincipalType", "is_read_only"]
