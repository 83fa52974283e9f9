"""A node with the learner's metadata options, and who gets what from it."""

from __future__ import annotations

from botocore.exceptions import ClientError

from graders.checks.b_iam_security.doors import Tried
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b6 import Site

CLOSED = "no credentials"
V1_HINT = "IMDSv1 is a plain GET without a token, and no hop limit stops it: which option makes tokens necessary?"
V2_HINT = "The answer to the PUT still reaches the pod network, two hops away: which option shortens its way?"
NODE_HINT = "The node itself needs this service, kubelet first of all: it must not be switched off."


def refused(error: ClientError, points: float) -> Finding:
    """AWS does not take these options."""
    hint = "Read the valid values of each parameter under ModifyInstanceMetadataOptions in the EC2 API Reference."
    return Finding("AWS accepts the options", points, False, str(error), "values that the operation takes", hint)


def node_agent(site: Site) -> Tried:
    """A process of the node, where kubelet runs; worth nothing by itself, since it worked before."""
    got = site.intrude("v2", use=False, host_network=True)["v2"]["got"]
    return Tried("the node's own agent gets the node role's credentials (IMDSv2)", 0, got, got == "credentials",
                 "credentials", NODE_HINT)


def attack(site: Site, version: int, points: float, *, host_network: bool = False) -> Tried:
    """Somebody in a pod asks for the node role's credentials."""
    got = site.intrude(f"v{version}", use=False, host_network=host_network)[f"v{version}"]["got"]
    place = "a process on the host network" if host_network else "a pod in the pod network"
    return Tried(f"{place} asks by IMDSv{version}", points, got, got == "credentials", CLOSED,
                 V1_HINT if version == 1 else V2_HINT)
