"""The decision: seven gates in AWS's order, each with its trace.

Sources (IAM User Guide unless another guide is named):

- "How AWS enforcement code logic evaluates requests to allow or deny access" – the order, and that an explicit deny in
  any policy is final;
- "Policy evaluation for requests within a single account" – what a resource-based policy bypasses, by principal;
- "Cross-account policy evaluation logic" – both accounts must allow;
- "Permissions boundaries for IAM entities", "Session policies" – limits that never grant;
- AWS Organizations User Guide, "SCP evaluation", "Resource control policies (RCPs)" – every level must allow, and who
  is spared;
- AWS KMS Developer Guide, "Troubleshooting AWS KMS permissions" and "Grants in AWS KMS";
- Amazon S3 API Reference, "PutBucketPolicy" – the root user cannot be locked out of the bucket's policy.

Not decided here: which policies apply (the caller puts them into a ``PolicySet``; RCPs only for the services that have
them), actions that need no permission such as ``sts:GetCallerIdentity``, and S3's ACLs and Block Public Access.
"""

from __future__ import annotations

from collections.abc import Sequence

from labs.aws.iam.matching import Grant
from labs.aws.iam.model import (
    Decision,
    Effect,
    Gate,
    Policy,
    PolicySet,
    PolicyType,
    PrincipalType,
    Request,
    StatementTrace,
)
from labs.aws.iam.statements import Statement, Subject, statements_of

ALLOW, FINAL, SKIPPED = "allow", "final-allow", "skipped"
EXPLICIT, IMPLICIT = "explicit-deny", "implicit-deny"

# Callers without identity-based policies and without an SCP.
_OUTSIDE = (PrincipalType.SERVICE, PrincipalType.ANONYMOUS)
_EXTERNAL_ACTIONS = ("sts:assumerolewithwebidentity", "sts:assumerolewithsaml")
_NEVER_LOCKED_OUT = ("s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy")


def evaluate(request: Request, policies: PolicySet) -> Decision:
    """Decide one authorization check and say how the answer came about.

    :returns: a :class:`Decision` whose ``gates`` hold one :class:`Gate` per policy type, in AWS's order
    """
    return _Evaluation(request, policies).decide()


class _Tried:
    """The statements of one policy type, tried against the request."""

    __slots__ = ("allows", "deny", "documents", "grant", "granted_by", "level_allows", "owners", "traces")

    def __init__(self, levels: Sequence[Sequence[Policy]], subject: Subject, with_principal: bool) -> None:
        traces: list[StatementTrace] = []
        owners: list[Policy] = []
        documents: list[Policy] = []
        self.deny: int | None = None
        self.allows: int | None = None
        self.grant = Grant.NONE
        self.granted_by: int | None = None
        self.level_allows: list[bool] = []
        for level in levels:
            allowed = False
            for policy in level:
                documents.append(policy)
                name = policy.name or policy.arn
                for statement in statements_of(policy):
                    trace = statement.trace(subject, name, with_principal)
                    if trace.matched:
                        if trace.effect is Effect.DENY:
                            self.deny = len(traces) if self.deny is None else self.deny
                        else:
                            allowed = True
                            self._allowed(len(traces), statement, subject, with_principal)
                    traces.append(trace)
                    owners.append(policy)
            self.level_allows.append(allowed)
        self.traces, self.owners, self.documents = tuple(traces), owners, tuple(documents)

    def _allowed(self, position: int, statement: Statement, subject: Subject, with_principal: bool) -> None:
        if self.allows is None:
            self.allows = position
        if with_principal:
            grant = statement.grants(subject)
            if grant > self.grant:
                self.grant, self.granted_by = grant, position


class _Evaluation:
    """One request on its way through the gates."""

    def __init__(self, request: Request, policies: PolicySet) -> None:
        self.request, self.policies = request, policies
        self.principal = request.principal
        self.subject = Subject(
            request.principal, request.action, request.resource, request.context, policies.boundary is not None
        )
        self.external = self.principal.type in _OUTSIDE or self.subject.lowered in _EXTERNAL_ACTIONS
        self.cross_account = bool(request.resource_account) and request.resource_account != self.principal.account
        self.grant = Grant.NONE
        self.blamed: list[tuple[Gate, str]] = []  # explicit denials and the ARN of the denying policy

    def decide(self) -> Decision:
        """Walk through the gates in order."""
        gates = (
            self._organization(PolicyType.RCP),
            self._organization(PolicyType.SCP),
            self._vpc_endpoint(),
            self._resource(),
            self._identity(),
            self._limit(PolicyType.BOUNDARY),
            self._limit(PolicyType.SESSION),
        )
        if self.blamed:
            gate, arn = self.blamed[0]
            return Decision(self.request, False, True, gate.type, arn, gates)
        for gate in gates:
            if gate.verdict == IMPLICIT:
                return Decision(self.request, False, False, gate.type, "", gates)
        return Decision(self.request, True, gates=gates)

    # -- gates -------------------------------------------------------------------------------------------------------

    def _organization(self, kind: PolicyType) -> Gate:
        levels = self.policies.rcps if kind is PolicyType.RCP else self.policies.scps
        if levels is None:
            note = f"No {kind} applies: the account is the management account or in no organisation."
            return Gate(kind, SKIPPED, note=note)
        if self.principal.is_service_linked_role:
            return Gate(kind, SKIPPED, note=f"A {kind} does not restrict a service-linked role.")
        if kind is PolicyType.SCP and self.external:
            return Gate(kind, SKIPPED, note="An SCP limits the users, roles and root user of member accounts only.")
        tried = _Tried(levels, self.subject, with_principal=kind is PolicyType.RCP)
        if tried.deny is not None:
            return self._explicit(kind, tried)
        for number, allowed in enumerate(tried.level_allows, 1):
            if not allowed:
                names = ", ".join(policy.name or policy.arn for policy in levels[number - 1]) or "no policy attached"
                note = f"Level {number} of {len(levels)} from the root ({names}) does not allow it; every level must."
                return _gate(kind, IMPLICIT, tried, None, note)
        return _gate(kind, ALLOW, tried, tried.allows, "Every level of the organisation allows it.")

    def _vpc_endpoint(self) -> Gate:
        kind = PolicyType.VPC_ENDPOINT
        if self.policies.vpc_endpoint is None:
            return Gate(kind, SKIPPED, note="The request did not come through a VPC endpoint.")
        tried = _Tried(((self.policies.vpc_endpoint,),), self.subject, with_principal=True)
        if tried.deny is not None:
            return self._explicit(kind, tried)
        if tried.allows is None:
            return _gate(kind, IMPLICIT, tried, None, "The endpoint lets nothing of this kind through.")
        return _gate(kind, ALLOW, tried, tried.allows, "The endpoint lets it through; others must still grant it.")

    def _resource(self) -> Gate:
        kind, policy = PolicyType.RESOURCE, self.policies.resource
        tried = _Tried(((policy,),) if policy is not None else (), self.subject, with_principal=True)
        if tried.deny is not None and not self._owner_keeps_policy():
            return self._explicit(kind, tried)
        self.grant = tried.grant
        note = _GRANT_NOTES[tried.grant]
        if self.policies.grant and self.grant <= Grant.ACCOUNT:
            session = self.principal.type in (PrincipalType.ROLE, PrincipalType.FEDERATED)
            self.grant, note = Grant.ROLE if session else Grant.DIRECT, "A KMS grant allows it."
        must_allow = self.cross_account or self.external or self.policies.resource_must_allow
        if self.grant is Grant.NONE:
            return self._resource_silent(tried, must_allow)
        if self.cross_account and not self.external:
            note += " The caller's own account must allow it too."
            return _gate(kind, ALLOW, tried, tried.granted_by, note)
        final = self.grant is Grant.DIRECT or self.external
        return _gate(kind, FINAL if final else ALLOW, tried, tried.granted_by, note)

    def _resource_silent(self, tried: _Tried, must_allow: bool) -> Gate:
        kind = PolicyType.RESOURCE
        if not must_allow:
            if tried.deny is not None:
                return _gate(
                    kind, SKIPPED, tried, None, "S3 never locks the owner's root user out of the bucket policy."
                )
            note = "No statement here applies" if tried.documents else "The resource has no policy"
            note += "; within one account the identity-based policies may decide alone."
            return _gate(kind, SKIPPED, tried, None, note)
        if self.cross_account and not self.external:
            note = "The resource belongs to another account, whose policy must allow the caller, and does not."
        elif self.external:
            note = "The caller has no identity-based policy, so only a policy of the resource could allow it."
        else:
            note = "A key policy or role trust policy must allow by itself; this one allows neither caller nor account."
        return _gate(kind, IMPLICIT, tried, None, note)

    def _identity(self) -> Gate:
        kind = PolicyType.IDENTITY
        if self.external:
            return Gate(kind, SKIPPED, note="The caller has no identity-based policy.")
        tried = _Tried((self.policies.identity,), self.subject, with_principal=False)
        if tried.deny is not None:
            return self._explicit(kind, tried)
        if self.principal.type is PrincipalType.ROOT:
            return _gate(kind, ALLOW, tried, None, "The root user may do everything in its own account.")
        if tried.allows is not None:
            return _gate(kind, ALLOW, tried, tried.allows, "")
        if self._granted_by_resource(Grant.ROLE):
            return _gate(kind, SKIPPED, tried, None, "Not needed: the resource-based policy already allows the caller.")
        note = "" if tried.traces else "The caller has no identity-based policy."
        return _gate(kind, IMPLICIT, tried, None, note or "No statement allows it.")

    def _limit(self, kind: PolicyType) -> Gate:
        policies = self.policies.session
        if kind is PolicyType.BOUNDARY:
            policies = None if self.policies.boundary is None else (self.policies.boundary,)
        if policies is None:
            return Gate(kind, SKIPPED, note=f"No {kind} is set.")
        if self.external or (kind is PolicyType.BOUNDARY and self.principal.type is PrincipalType.ROOT):
            return Gate(kind, SKIPPED, note=f"A {kind} does not limit this kind of caller.")
        tried = _Tried((policies,), self.subject, with_principal=False)
        if tried.deny is not None:
            return self._explicit(kind, tried)
        if tried.allows is not None:
            return _gate(kind, ALLOW, tried, tried.allows, "Within the limit; a limit never grants by itself.")
        if self._granted_by_resource(Grant.DIRECT):
            note = f"The resource-based policy names this very caller, whom the {kind} then does not limit."
            return _gate(kind, SKIPPED, tried, None, note)
        return _gate(kind, IMPLICIT, tried, None, f"The {kind} does not allow it, so nothing else can.")

    # -- rules -------------------------------------------------------------------------------------------------------

    def _granted_by_resource(self, at_least: Grant) -> bool:
        return not self.cross_account and self.grant >= at_least

    def _owner_keeps_policy(self) -> bool:
        """S3: the bucket owner's root user may always read, replace and delete the bucket policy."""
        return (
            self.principal.type is PrincipalType.ROOT
            and not self.cross_account
            and self.subject.lowered in _NEVER_LOCKED_OUT
        )

    def _explicit(self, kind: PolicyType, tried: _Tried) -> Gate:
        assert tried.deny is not None
        gate = _gate(kind, EXPLICIT, tried, tried.deny, "An explicit deny in any policy is final.")
        self.blamed.append((gate, _named_arn(kind, tried.owners[tried.deny])))
        return gate


_GRANT_NOTES = {
    Grant.NONE: "",
    Grant.ACCOUNT: "It names the account, which leaves the decision to the account's identity-based policies.",
    Grant.ROLE: "It names the caller's role: no identity-based policy is needed, boundary and session policies limit.",
    Grant.DIRECT: "It names this very caller and decides by itself.",
}


def _gate(kind: PolicyType, verdict: str, tried: _Tried, decided_by: int | None, note: str) -> Gate:
    return Gate(kind, verdict, tried.traces, decided_by, note, tried.documents)


def _named_arn(kind: PolicyType, policy: Policy) -> str:
    """The ARN AWS shows with an explicit deny: of a managed policy; an inline or resource-based one has none."""
    if kind in (PolicyType.RESOURCE, PolicyType.VPC_ENDPOINT) or ":policy/" not in policy.arn:
        return ""
    return policy.arn
