"""Lambda's ``Invoke``: the function runs in a process of its own, with real credentials of its execution role.

The engine keeps functions, versions, aliases and permissions; what it lacks is an honest identity (its functions call
back as the account's root user), so the gateway runs them itself.  A function's environment holds what Lambda documents
("Defined runtime environment variables") plus ``AWS_ENDPOINT_URL``, and nothing of the gateway's.  What it prints goes
to CloudWatch Logs if its role may write there.

Left out: runtimes other than Python (the interpreter is the course's own, whatever minor version was asked for),
layers, container images, reserved concurrency, retries and destinations of asynchronous calls.  Every call is a cold
start.  Invocations that the engine makes by itself (event source mappings, SNS, EventBridge) still run in the engine.

Pages: "Invoke" (Lambda API Reference); "Defining Lambda function permissions with an execution role", "Configure Lambda
function timeout", "Understanding Lambda function invocation methods" (Lambda Developer Guide).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import io
import json
import logging
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.aws.engines.client import EngineError
from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.context import organization_context, principal_context
from labs.aws.gateway.credentials import Credential
from labs.aws.iam import PolicySet, Principal, PrincipalType, Request, evaluate
from labs.aws.providers import lambda_runtime

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange, Gateway

log = logging.getLogger(__name__)

RUNTIME = Path(lambda_runtime.__file__).resolve()
NOBODY = 65534
LARGEST = 6 * 2**20  # bytes of a synchronous request or response ("Lambda quotas")
LONGEST_LOG = 256 * 1024  # bytes kept of what one call prints
TAIL = 4096  # bytes of log in ``LogResult``
SESSION = 3600  # seconds the role's credentials are good for; no function runs longer than 900
AT_ONCE = 8  # processes
PAUSE = 10.0  # seconds that work in the background may take before a pause


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of one call.  ``error`` is ``""`` or ``"Unhandled"``; ``payload`` is JSON text."""

    payload: bytes
    error: str
    log: str
    version: str
    request_id: str

    @property
    def message(self) -> str:
        """``errorType: errorMessage`` of a failed call, else ``""``."""
        if not self.error:
            return ""
        try:
            said = json.loads(self.payload)
        except ValueError:
            return self.payload[:200].decode("utf-8", "replace")
        return f"{said.get('errorType', 'Error')}: {said.get('errorMessage', '')}"


class Functions:
    """Runs functions.  One per gateway.

    :param folder: where unpacked code is kept, by its hash
    """

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self._gateway = gateway
        self._folder = folder
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._background: set[asyncio.Task[Any]] = set()
        self.endpoint = ""  # what functions get as AWS_ENDPOINT_URL: the listener that takes no shorthand credentials

    def clear(self) -> None:
        """Stop what runs in the background and forget the code (the engine was reset)."""
        for task in self._background:
            task.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def pause(self) -> None:
        """Wait for what runs in the background; it is stopped after ``PAUSE`` seconds."""
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=PAUSE)
            for task in late:
                task.cancel()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def in_background(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine that nobody waits for; the task is kept until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def configuration(self, arn: str) -> dict[str, Any]:
        """``GetFunction``'s answer for a function, version or alias ARN.

        :raises EngineError: there is no such function
        """
        _, _, _, region, account, _, name, *qualifier = arn.split(":")
        more = {"Qualifier": qualifier[0]} if qualifier else {}
        return await self._gateway.client.call(
            "lambda", "GetFunction", account=account, region=region, FunctionName=name, **more
        )

    async def invoke(self, arn: str, event: bytes) -> Invocation:
        """Run a function synchronously.

        :param event: JSON text
        :raises EngineError: there is no such function
        :raises AwsError: its code or runtime cannot be run here, or its role cannot be assumed
        """
        found = await self.configuration(arn)
        config = found["Configuration"]
        runtime = str(config.get("Runtime") or config.get("PackageType"))
        if not runtime.startswith("python3."):
            raise AwsError(
                "InvalidRuntimeException", f"Functions of runtime {runtime} cannot be run here: only python3.*.", 502
            )
        code = await self._code(config, str((found.get("Code") or {}).get("Location") or ""))
        credential = await self._assume(config)
        async with self._turns:
            return await self._run(arn, config, code, credential, json.loads(event or b"null"))

    # -- code ----------------------------------------------------------------------------------------------------------

    async def _code(self, config: Mapping[str, Any], location: str) -> Path:
        """The folder with the function's code, unpacked once per hash."""
        digest = base64.b64decode(config["CodeSha256"]).hex()
        folder = self._folder / digest
        if not folder.is_dir():
            archive = await self._gateway.client.fetch(location)
            try:
                await asyncio.to_thread(_unpack, archive, folder)
            except (zipfile.BadZipFile, OSError) as error:
                raise AwsError("InvalidZipFileException", f"Lambda could not unzip the code: {error}", 502) from error
        return folder

    # -- identity ------------------------------------------------------------------------------------------------------

    async def _assume(self, config: Mapping[str, Any]) -> Credential:
        """Credentials of the execution role, whose trust policy is asked each time."""
        role_arn, name = str(config["Role"]), str(config["FunctionName"])
        account = role_arn.split(":")[4]
        role = await self._gateway.policies.role(account, role_arn.rpartition("/")[2])
        service = service_principal("lambda.amazonaws.com")
        context = {"aws:SourceAccount": account, "aws:SourceArn": config["FunctionArn"]}
        if role is None or not await permitted(self._gateway, service, "sts:AssumeRole", role_arn, context):
            message = "The role defined for the function cannot be assumed by Lambda."
            raise AwsError("AccessDeniedException", message, 403)
        bare, now = role_arn.rpartition("/")[2], datetime.datetime.now(datetime.UTC)
        principal = Principal(
            arn=f"arn:aws:sts::{account}:assumed-role/{bare}/{name}",
            account=account,
            type=PrincipalType.ROLE,
            user_id=f"{role['RoleId']}:{name}",
            role_arn=role_arn,
            tags=role["Tags"],
        )
        return self._gateway.credentials.mint(
            principal,
            issued=now,
            expires=now + datetime.timedelta(seconds=SESSION),
            kind="role",
            role_session_name=name,
            role_id=role["RoleId"],
        )

    # -- the process ---------------------------------------------------------------------------------------------------

    async def _run(
        self, arn: str, config: Mapping[str, Any], code: Path, credential: Credential, event: Any
    ) -> Invocation:
        request_id, timeout = str(uuid.uuid4()), float(config.get("Timeout") or 3)
        name, version = str(config["FunctionName"]), str(config.get("Version") or "$LATEST")
        now = datetime.datetime.now(datetime.UTC)
        stream = f"{now:%Y/%m/%d}/[{version}]{uuid.uuid4().hex}"
        scratch = await asyncio.to_thread(_scratch, self._folder / "tmp" / request_id)
        request = {
            "handler": config["Handler"],
            "event": event,
            "context": {
                "function_name": name,
                "function_version": version,
                "invoked_function_arn": arn,
                "memory_limit_in_mb": str(config.get("MemorySize") or 128),
                "aws_request_id": request_id,
                "log_group_name": f"/aws/lambda/{name}",
                "log_stream_name": stream,
            },
            "environment": self._environment(config, credential, code, scratch, stream),
            "timeout": timeout,
            "memory": int(config.get("MemorySize") or 128),
            "uid": NOBODY,
        }
        started = time.monotonic()
        try:
            reply, printed, status = await _process(request, code, timeout)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        spent = (time.monotonic() - started) * 1000
        payload, error = _answer(reply, status, request_id, timeout)
        text = _log_text(request_id, version, printed, spent, request["memory"], "" if reply else payload)
        result = Invocation(payload, error, text, version, request_id)
        await self._write_log(config, credential, stream, text)
        return result

    def _environment(
        self, config: Mapping[str, Any], credential: Credential, code: Path, scratch: Path, stream: str
    ) -> dict[str, str]:
        region, name = config["FunctionArn"].split(":")[3], str(config["FunctionName"])
        own = (config.get("Environment") or {}).get("Variables") or {}
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            **{key: str(value) for key, value in own.items()},
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": credential.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credential.secret,
            "AWS_SESSION_TOKEN": credential.session_token or "",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize") or 128),
            "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version") or "$LATEST"),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "_HANDLER": str(config["Handler"]),
            "LAMBDA_TASK_ROOT": str(code),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
        }

    # -- logs ----------------------------------------------------------------------------------------------------------

    async def _write_log(self, config: Mapping[str, Any], credential: Credential, stream: str, text: str) -> None:
        """Send the log where the role may write it; as on AWS, the call stands without a log where it may not."""
        _, _, _, region, account, *_ = str(config["FunctionArn"]).split(":")
        group = f"/aws/lambda/{config['FunctionName']}"
        arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"
        wanted: dict[str, tuple[str, dict[str, Any]]] = {
            "CreateLogGroup": (f"{arn}:*", {"logGroupName": group}),
            "CreateLogStream": (f"{arn}:*", {"logGroupName": group, "logStreamName": stream}),
            "PutLogEvents": (
                f"{arn}:log-stream:{stream}",
                {"logGroupName": group, "logStreamName": stream, "logEvents": _log_events(text)},
            ),
        }
        for operation, (resource, params) in wanted.items():
            if await permitted(self._gateway, credential, f"logs:{operation}", resource):
                try:
                    await self._gateway.client.call("logs", operation, account=account, region=region, **params)
                except EngineError as error:
                    if error.code != "ResourceAlreadyExistsException":
                        log.info("no log of %s: %s", group, error)
                        return


def service_principal(name: str) -> Principal:
    """An AWS service as a caller, such as ``secretsmanager.amazonaws.com``."""
    return Principal(arn=name, account="", type=PrincipalType.SERVICE)


async def permitted(
    gateway: Gateway,
    caller: Credential | Principal,
    action: str,
    resource: str,
    context: Mapping[str, str | tuple[str, ...]] | None = None,
) -> bool:
    """Whether a service, or a role session that a service acts for, may do something; decided by all its policies."""
    owner = resource.split(":")[4]
    policy = await gateway.policies.resource(action, resource, owner)
    must_allow = action == "sts:AssumeRole"
    if isinstance(caller, Principal):
        principal, policies, keys = caller, PolicySet(), {"aws:PrincipalIsAWSService": "true"}
    else:
        principal = caller.principal
        policies = await gateway.authorizer.caller_policies(caller)
        keys = dict(principal_context(caller, datetime.datetime.now(datetime.UTC)))  # type: ignore[arg-type]
        keys.update(organization_context("aws:Principal", gateway.organizations.membership(principal.account)))  # type: ignore[arg-type]
    whole = PolicySet(
        identity=policies.identity,
        boundary=policies.boundary,
        session=policies.session,
        scps=policies.scps,
        resource=policy,
        resource_must_allow=must_allow,
    )
    request = Request(
        principal,
        action,
        resource,
        owner if principal.account != owner else "",
        {**keys, "aws:ResourceAccount": owner, **(context or {})},
    )
    return evaluate(request, whole).allowed


async def invoke(exchange: Exchange) -> dict[str, Any]:
    """``Invoke``: ``RequestResponse``, ``Event`` (runs afterwards, once) or ``DryRun``.

    :raises AwsError: ResourceNotFoundException, RequestTooLargeException, InvalidRequestContentException
    """
    assert exchange.call is not None
    params, functions = exchange.call.params, exchange.gateway.functions
    event = exchange.content or b""
    if len(event) > LARGEST:
        message = f"Request must be smaller than {LARGEST} bytes for the InvokeFunction operation"
        raise AwsError("RequestTooLargeException", message, 413)
    try:
        json.loads(event or b"null")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", message, 400) from error
    arn = _invoked_arn(params, exchange.account, exchange.region)
    kind = params.get("InvocationType") or "RequestResponse"
    try:
        await functions.configuration(arn)
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            functions.in_background(_quietly(functions.invoke(arn, event), arn))
            return {"StatusCode": 202, "Payload": b""}
        done = await functions.invoke(arn, event)
    except EngineError as error:
        raise AwsError(error.code, error.message, error.status) from error
    answer: dict[str, Any] = {"StatusCode": 200, "Payload": done.payload, "ExecutedVersion": done.version}
    if done.error:
        answer["FunctionError"] = done.error
    if params.get("LogType") == "Tail":
        answer["LogResult"] = base64.b64encode(done.log.encode()[-TAIL:]).decode()
    return answer


async def _quietly(work: Any, arn: str) -> None:
    try:
        await work
    except (AwsError, EngineError) as error:
        log.info("asynchronous call of %s failed: %s", arn, error)


def _invoked_arn(params: Mapping[str, Any], account: str, region: str) -> str:
    """The full ARN behind a name, a partial ARN or an ARN, with the qualifier if there is one."""
    name, qualifier = str(params["FunctionName"]), str(params.get("Qualifier") or "")
    if name.startswith("arn:"):
        arn = name
    else:
        parts = name.split(":")
        if len(parts) >= 3 and parts[1] == "function":
            account, parts = parts[0], parts[2:]
        arn = ":".join([f"arn:aws:lambda:{region}:{account}:function", *parts])
    return f"{arn}:{qualifier}" if qualifier and len(arn.split(":")) == 7 else arn


def _unpack(archive: bytes, folder: Path) -> None:
    """Unpack into place at once, so that a process killed in the middle leaves nothing half done."""
    part = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
    part.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for entry in packed.infolist():
            if stat.S_ISLNK(entry.external_attr >> 16):
                continue  # a link could lead out of the folder
            packed.extract(entry, part)
    for path in (part, *part.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part)
        if not folder.is_dir():
            raise


def _scratch(folder: Path) -> Path:
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    return folder


async def _process(request: Mapping[str, Any], folder: Path, timeout: float) -> tuple[bytes | None, str, int]:
    """Run the function's process: its reply (``None`` after the timeout), what it printed, its exit status."""
    mark = uuid.uuid4().hex
    # Not a pipe: uvloop closes the descriptor of one twice (handle.pyx, UVSocketHandle._close), and what another thread
    # opens in between has that number.
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as output:
        stdin.write(json.dumps(request).encode())
        stdin.seek(0)
        # files, not pipes: a process that the function leaves behind would keep a pipe open
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-X",
            "utf8",
            str(RUNTIME),
            str(theirs.fileno()),
            stdin=stdin,
            stdout=output,
            stderr=output,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "LAMBDA_PROCESS": mark},
            cwd=folder,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        stream, writer = await asyncio.open_connection(sock=ours)
        reply = asyncio.ensure_future(_read(stream, LARGEST + 1))
        in_time = True
        try:
            async with asyncio.timeout(timeout):
                await process.wait()
        except TimeoutError:
            in_time = False
        finally:
            _end(process.pid, mark)
            status = await process.wait()
            said = await reply
            writer.close()
        output.seek(0)
        printed = output.read(LONGEST_LOG).decode("utf-8", "replace")
    return said if in_time else None, printed, status


async def _read(stream: asyncio.StreamReader, most: int) -> bytes:
    """Everything up to the end; what exceeds ``most`` bytes is dropped, so that nobody blocks on a full pipe."""
    kept = bytearray()
    while chunk := await stream.read(65_536):
        kept += chunk[: max(0, most - len(kept))]
    return bytes(kept)


def _end(pid: int, mark: str) -> None:
    """Kill the function's process group, and those that left it, by the mark in their environment."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    wanted = mark.encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != pid and wanted in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def _answer(reply: bytes | None, status: int, request_id: str, timeout: float) -> tuple[bytes, str]:
    """Payload and ``FunctionError``, in Lambda's words."""
    if reply is None:
        message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
        return _payload("Sandbox.Timedout", message), "Unhandled"
    if len(reply) > LARGEST:
        message = f"Response payload size exceeded maximum allowed payload size ({LARGEST} bytes)."
        return _payload("Function.ResponseSizeTooLarge", message), "Unhandled"
    try:
        said = json.loads(reply)
        if "error" in said:
            return json.dumps({**said["error"], "requestId": request_id}).encode(), "Unhandled"
        return json.dumps(said["ok"]).encode(), ""
    except (ValueError, KeyError, TypeError):
        how = f"signal: {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        return _payload("Runtime.ExitError", message), "Unhandled"


def _payload(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _log_text(request_id: str, version: str, printed: str, spent: float, memory: int, more: bytes | str) -> str:
    lines = [f"START RequestId: {request_id} Version: {version}", *printed.splitlines()]
    if more:
        lines.append(more.decode() if isinstance(more, bytes) else more)
    lines.append(f"END RequestId: {request_id}")
    billed = f"Duration: {spent:.2f} ms\tBilled Duration: {int(spent) + 1} ms\tMemory Size: {memory} MB"
    return "\n".join([*lines, f"REPORT RequestId: {request_id}\t{billed}"]) + "\n"


def _log_events(text: str) -> list[dict[str, Any]]:
    now = int(time.time() * 1000)
    return [{"timestamp": now, "message": line} for line in text.splitlines() if line]
