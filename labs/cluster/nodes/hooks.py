"""Lifecycle hooks: what a container is told after its start and before its end.

"Container Lifecycle Hooks" (Kubernetes documentation): ``exec`` runs inside the container, ``httpGet`` counts as done
whatever the status, ``sleep`` pauses; ``tcpSocket`` is no longer supported by kubelets, here neither.
"""

from __future__ import annotations

import asyncio

import httpx

from labs.cluster.network import addresses
from labs.cluster.nodes import visits
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import Container

LONGEST = 3600.0
"""Seconds; the grace period, or whoever waits for the start, ends a hook before."""


class HookError(Exception):
    """A hook failed; the message is a kubelet's."""


async def run(handler: Object, spec: Object, container: Container, host: str, name: str) -> None:
    """Run one handler to its end; raises HookError.

    :param host: where the pod's servers listen
    :param name: of the pod, as a kubelet writes it
    """
    where = f'for Container "{spec["name"]}" in Pod "{name}" failed - error'
    if "exec" in handler:
        command = handler["exec"].get("command") or []
        try:
            done = await visits.run(container, command, LONGEST)
        except visits.VisitError as error:
            raise HookError(f"Exec lifecycle hook ({command}) {where}: {error}, message: \"\"") from error
        if done.status != 0:
            output = done.output.decode(errors="replace")
            raise HookError(f"Exec lifecycle hook ([{' '.join(command)}]) {where}: command '{' '.join(command)}' "
                            f'exited with {done.status}: {output}, message: "{output}"')
    elif "httpGet" in handler:
        await _get(handler["httpGet"], spec, host, where)
    elif "sleep" in handler:
        await asyncio.sleep(float(handler["sleep"]["seconds"]))
    else:
        raise HookError(f"Cannot run handler: invalid handler: {', '.join(handler) or 'empty'}")


async def _get(wanted: Object, spec: Object, host: str, where: str) -> None:
    port = addresses.port(numbered(spec, wanted["port"]))
    path = wanted.get("path", "/")
    url = f"{wanted.get('scheme', 'HTTP').lower()}://{wanted.get('host') or host}:{port}/{path.removeprefix('/')}"
    headers = {"User-Agent": "kube-lifecycle/1.37", "Accept": "*/*"}
    headers |= {each["name"]: each["value"] for each in wanted.get("httpHeaders") or []}
    try:
        async with httpx.AsyncClient(verify=False, trust_env=False, timeout=LONGEST) as client:
            await client.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HookError(f'HTTP lifecycle hook ({path}) {where}: Get "{url}": {error}') from error


def numbered(spec: Object, port: int | str) -> int:
    """A port's number, by itself or by its name among the container's ports."""
    named = {each.get("name"): each["containerPort"] for each in spec.get("ports") or []}
    return int(named.get(port, port) if isinstance(port, str) else port)
