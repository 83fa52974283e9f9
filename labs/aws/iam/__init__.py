"""IAM's policy evaluation as a pure function: from a request and the policies that apply to it to a traced decision.

>>> from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, evaluate
>>> alice = Principal("arn:aws:iam::111122223333:user/alice", "111122223333", PrincipalType.USER)
>>> policy = Policy({"Version": "2012-10-17", "Statement": [
...     {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::shop/*"}]}, name="read")
>>> request = Request(alice, "s3:GetObject", "arn:aws:s3:::shop/a.txt", "111122223333")
>>> evaluate(request, PolicySet(identity=(policy,))).allowed
True
>>> print(denial_message(evaluate(request, PolicySet())))
User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:GetObject on resource: \
"arn:aws:s3:::shop/a.txt" because no identity-based policy allows the s3:GetObject action

The modules, from the outside in: ``evaluator`` (gates in AWS's order), ``statements`` (compiled policy documents),
``conditions`` (operators), ``matching`` (wildcards, ARNs, variables, principals), ``messages`` (AWS's wording, JSON
form), ``grammar`` (what AWS accepts as a policy), ``model`` (the values).  Nothing here does I/O or imports another
part of the course.  What is not a policy, such as S3's Block Public Access, is the gateway's.
"""

from __future__ import annotations

from labs.aws.iam.evaluator import evaluate
from labs.aws.iam.grammar import LIMITS, MalformedPolicy, policy_size, validate_policy
from labs.aws.iam.messages import decision_from_dict, decision_to_dict, denial_message
from labs.aws.iam.model import (
    Decision,
    Effect,
    Gate,
    Policy,
    PolicySet,
    PolicyType,
    Principal,
    PrincipalType,
    Request,
    StatementTrace,
)
from labs.aws.iam.statements import condition_keys_in

__all__ = [
    "LIMITS",
    "Decision",
    "Effect",
    "Gate",
    "MalformedPolicy",
    "Policy",
    "PolicySet",
    "PolicyType",
    "Principal",
    "PrincipalType",
    "Request",
    "StatementTrace",
    "condition_keys_in",
    "decision_from_dict",
    "decision_to_dict",
    "denial_message",
    "evaluate",
    "policy_size",
    "validate_policy",
]
