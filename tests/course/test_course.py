"""Every exercise three ways: the solution gets full marks, the released starter none, each mutant its own message."""

import functools
from pathlib import Path

import pytest

from graders.exercise import MUTANTS_WANTED, discover, find
from graders.lint import lint
from graders.notebook import answers, cells_of, read
from graders.release import released_notebook
from graders.runner import needs_cluster
from tests.programs import CLUSTER, need

ROOT = Path(__file__).resolve().parents[2]
STUDENTS = ("learner", "ada@example.org")  # different seeds: other names, numbers and faults
LONG_FROM = 2  # seconds of a public check: from there on it watches something happen
SLOW_FROM = 20  # and from there on, its mutants are left to --all, but for one of each lab
LEFT_TO_ALL = ("e2-q2",)  # an autoscaler under a load that comes and goes, which takes a minute and a half
TIMED = ("e1",)  # measures milliseconds, for which two workers of a whole suite leave no machine
EXERCISES = sorted(name for name, _, folder in discover() if ROOT / "graders" / "checks" in folder.parents)

# Right answers in other forms than the solution's: what an exercise's text allows, its check must not refuse.
OTHER_ANSWERS = {
    # The cell's own provider is named by its first hint.
    "b2-q1 the provider that the cell defines": """
trust_policy = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Federated": [provider]},
                  "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
                  "Condition": {"StringLike": {
                      f"{issuer}:sub": [f"system:serviceaccount:{values['namespace']}:{values['app']}"],
                      f"{issuer}:aud": ["sts.amazonaws.com"]}}}}
""",
    "b3-q1 who acts, beside what is touched": """
job = f"arn:aws:sts::{values['account']}:assumed-role/{values['deployer']}/deploy"
selectors = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}] + [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": [kind]},
                        {"Field": "userIdentity.arn", "Equals": [job]}]}
    for kind in ("AWS::S3::Object", "AWS::Lambda::Function", "AWS::SQS::Queue")]
""",
    "b4-q1 everybody, if it is the partner's role": """
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{site_arn}/reports/*",
                   "Condition": {"ArnEquals": {"aws:PrincipalArn": values["sync_arn"]}}}]}
""",
    "b4-q4 and calls that services make": """
containment = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*",
                  "Condition": {"NotIpAddress": {"aws:SourceIp": [f"{values['egress']}/32"]},
                                "BoolIfExists": {"aws:ViaAWSService": "false"}}}}
""",
    # "Permissions for rotation" in the Secrets Manager User Guide and AWS's rotation templates ask for the function.
    "b5-q2 the condition of AWS's templates": """
mine = f"{secret_arn}{values['secret']}-??????"
function = f"arn:aws:lambda:us-east-1:{values['account']}:function:{values['function']}"
rotation_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Resource": mine,
     "Action": ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage"],
     "Condition": {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": function}}},
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
     "Resource": f"{secret_arn}{values['admin_secret']}-??????"},
    {"Effect": "Allow", "Action": "secretsmanager:GetRandomPassword", "Resource": "*"}]}
shop_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": mine,
     "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}}]}
""",
    "b6-q4 this cluster only, and a statement for each action": """
tags = {"kubernetes-namespace": values["namespace"], "kubernetes-service-account": values["service_account"],
        "eks-cluster-name": values["cluster"]}
trust_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": ["pods.eks.amazonaws.com"]}, "Action": action,
     "Condition": {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()},
                   "StringLike": {"aws:SourceAccount": values["account"]}}}
    for action in ("sts:AssumeRole", "sts:TagSession")]}
role_policy = {"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": ["s3:GetObject"],
    "Resource": [f"arn:aws:s3:::{values['bucket']}/{values['folder']}/*"]}}
""",
    "b6-q5 a Role and an account of another name, and rules that list both": """
access = [
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": values["app"]}, "rules": []},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reads"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps", "secrets"],
         "resourceNames": [values["settings"], values["session"]], "verbs": ["get", "watch"]}]},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reads"},
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"},
     "subjects": [{"kind": "ServiceAccount", "name": values["app"]}]}]
access += [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": values[name]},
            "automountServiceAccountToken": False} for name in ("front", "backend", "database")]
""",
    "b6-q6 everything in the container's context, a version, and warnings": """
namespace_labels = {"pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/enforce-version": "v1.36",
                    "pod-security.kubernetes.io/warn": "restricted"}
pod_security = {}
container_security = {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False, "privileged": False,
                      "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
                      "seccompProfile": {"type": "RuntimeDefault"}}
""",
    "b6-q7 a policy for each pod, both directions in one": """
names = [values[each] for each in ("front", "app", "backend", "database")]
ports = [values[each] for each in ("port", "port", "backend_port", "database_port")]
dns = {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
       "ports": [{"protocol": "UDP", "port": 53}, {"port": 53}]}
pods = [{"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": [name]}]} for name in names]
policies = [{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "default-deny"},
             "spec": {"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}}]
for number, name in enumerate(names):
    spec = {"podSelector": pods[number], "policyTypes": ["Egress", "Ingress"], "egress": [dns]}
    if number:
        spec["ingress"] = [{"from": [{"podSelector": pods[number - 1]}], "ports": [{"port": ports[number]}]}]
    if number < 3:
        spec["egress"] = [dns, {"to": [{"podSelector": pods[number + 1]}], "ports": [{"port": ports[number + 1]}]}]
    policies.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
                     "spec": spec})
""",
    "b2-q4 not after the moment": """
revocation = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": ["*"], "Resource": ["*"],
                   "Condition": {"DateLessThanEquals": {"aws:TokenIssueTime": [values["now"]]}}}]}
""",
    "h4-q2 names as Route 53 lists them, and the mail's own address": """
public_changes = [{"Action": "DELETE", "ResourceRecordSet": record("db", "A", values["db_inside"])}]
private_changes = [{"Action": "DELETE", "ResourceRecordSet": record(values["typo"], "A", values["api_inside"])}] + [
    {"Action": "UPSERT", "ResourceRecordSet": record(*each)} for each in (
        ("api", "A", values["api_inside"]), ("db", "A", values["db_inside"]), ("www", "A", values["www"]),
        ("", "MX", f"10 mail.{values['domain']}"), ("mail", "A", "203.0.113.250"))]
for each in public_changes + private_changes:
    each["ResourceRecordSet"]["Name"] += "."
vpcs = ["shop"]
""",
    "h4-q3 fewer checks and a longer TTL": """
health_check = {"Type": "HTTP", "ResourcePath": "/ready", "RequestInterval": 10, "FailureThreshold": 2}
records = [{"SetIdentifier": "blue", "Failover": "PRIMARY", "HealthCheckId": "CHECK", "TTL": 40,
            "ResourceRecords": [{"Value": values["blue"]}]},
           {"SetIdentifier": "green", "Failover": "SECONDARY", "TTL": 40,
            "ResourceRecords": [{"Value": values["green"]}]}]
drain_seconds = 60 + 40 + 10
""",
    "a2-q3 an expression, and racks that are closed left out": """
plan = {tier: {"replicas": 2, "spread": [
    {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
     "nodeTaintsPolicy": "Honor", "labelSelector": {"matchExpressions": [
         {"key": "app.kubernetes.io/name", "operator": "In", "values": [tier]}]}}]} for tier in ("frontend", "backend")}
""",
    "a1-q1 parts of the object in place of operations": """
overlays = {}
for name in values["environments"]:
    overlays[name] = {
        "replicas": [{"name": "frontend", "count": values["replicas"][name]}],
        "configMapGenerator": [{"name": "shop-settings", "behavior": "merge", "literals": [f"SHOP_ENV={name}"]}]}
    if name == "dev":
        overlays[name]["configMapGenerator"].append({
            "name": "frontend-settings", "behavior": "merge", "literals": ["SHOP_SESSION_SECRET=thrown-away-with-dev"]})
        continue
    key = {"secretKeyRef": {"name": values["session_secret"], "key": "key"}}
    container = {"name": "frontend", "resources": {"limits": {"memory": values["memory_limit"]}},
                 "readinessProbe": {"periodSeconds": values["probe_seconds"]},
                 "env": [{"name": "SHOP_SESSION_SECRET", "valueFrom": key}]}
    overlays[name]["patches"] = [{"target": {"kind": "Deployment", "name": "frontend"}, "patch": {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "frontend"},
        "spec": {"template": {"spec": {"containers": [container]}}}}}]
""",
    "h1-q2 patches only": """
app, host = "app.kubernetes.io/name", values["host"]
route = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "frontend", "port": {"number": 80}}}}
ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}},
           "podSelector": {"matchLabels": {app: "traefik"}}}
container = {"name": "frontend", "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
             "env": [{"name": "SHOP_BACKEND_URL", "value": "http://backend:80"}]}
repairs = [
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-tls"}, "type": "kubernetes.io/tls",
     "stringData": {"tls.crt": values["certificate"]["certificate"], "tls.key": values["certificate"]["key"]}},
    {"kind": "Ingress", "metadata": {"name": "shop"}, "spec": {
        "ingressClassName": "traefik", "tls": [{"hosts": [host], "secretName": "shop-tls"}],
        "rules": [{"host": host, "http": {"paths": [route]}}]}},
    {"kind": "Service", "metadata": {"name": "frontend"}, "spec": {
        "selector": {app: "frontend"}, "ports": [{"port": 80, "targetPort": 8080}]}},
    {"kind": "Service", "metadata": {"name": "backend"}, "spec": {"selector": {app: "backend"}}},
    {"kind": "NetworkPolicy", "metadata": {"name": "frontend"}, "spec": {
        "ingress": [{"from": [ingress], "ports": [{"port": "http"}]}]}},
    {"kind": "Deployment", "metadata": {"name": "frontend"}, "spec": {
        "replicas": 2, "template": {"spec": {"containers": [container]}}}}]
""",
}


@pytest.fixture(scope="module")
def grader(clusters):
    from graders.live import Pool
    from graders.runner import Grader

    made = Grader(Pool(clusters=clusters))
    yield made
    made.close()


@functools.cache
def notebook_of(exercise_id: str) -> Path:
    """The source notebook with this exercise's check cell."""
    registered = find(exercise_id)
    for path in sorted((ROOT / "notebooks" / registered.section).glob("*.ipynb")):
        if any(cell.is_check and cell.grade_id == exercise_id for cell in read(path)):
            return path
    raise LookupError(f"no notebook in {registered.section} checks {exercise_id}")


def solution(exercise_id: str) -> dict[str, str]:
    return answers(read(notebook_of(exercise_id)), find(exercise_id).exercise.cells)


@functools.cache
def released(notebook: Path) -> bytes:
    return released_notebook(notebook)


def starter(exercise_id: str) -> dict[str, str]:
    import json

    return answers(cells_of(json.loads(released(notebook_of(exercise_id)))), find(exercise_id).exercise.cells)


@pytest.fixture(autouse=True)
def programs_of_the_cluster(request):
    """Skips what is judged on a cluster where its programs are missing."""
    asked = request.node.callspec.params.get("exercise_id") if hasattr(request.node, "callspec") else None
    if asked and needs_cluster(find(asked)):
        need(*CLUSTER)


def students() -> list:
    """Every exercise for two students; what watches something for long is tried for the second by --all only."""
    return [
        pytest.param(name, student, id=f"{name}-{student}",
                     marks=[pytest.mark.long] if find(name).exercise.lab in TIMED or name in LEFT_TO_ALL or (
                         student != STUDENTS[0] and (
                             needs_cluster(find(name)) or find(name).exercise.seconds > LONG_FROM)) else [])
        for name in EXERCISES
        for student in STUDENTS
    ]


def mutants() -> list:
    """Every mutant; where something is watched for long or on a cluster, all but the first are tried by --all only.

    Of exercises that take longest not even the first, unless its lab has no quicker one.
    """
    found = []
    quickest = {find(name).exercise.lab: find(name).exercise.seconds
                for name in sorted(EXERCISES, key=lambda each: -find(each).exercise.seconds)}
    for name in EXERCISES:
        exercise = find(name).exercise
        slow, timed = exercise.seconds > LONG_FROM or needs_cluster(find(name)), exercise.lab in TIMED
        for index, mutant in enumerate(find(name).mutants()):
            left = index or (exercise.seconds >= SLOW_FROM and exercise.seconds > quickest[exercise.lab])
            marks = [pytest.mark.long] if timed or (slow and left) else []
            found.append(pytest.param(name, mutant, id=f"{name}-{mutant.name}", marks=marks))
    return found


def test_the_course_has_exercises():
    assert len(EXERCISES) >= 5


def test_every_exercise_is_whole():
    assert lint(ROOT / "notebooks") == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("exercise_id", "student"), students())
def test_solution_gets_full_marks(grader, exercise_id, student):
    registered = find(exercise_id)
    verdict = grader.grade(registered, solution(exercise_id), student)
    assert verdict.points == registered.exercise.points, verdict.text()
    assert verdict.full
    assert verdict.notes == ()
    assert sum(finding.points for finding in verdict.findings) == pytest.approx(registered.exercise.points)


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_starter_gets_nothing(grader, exercise_id):
    verdict = grader.grade(find(exercise_id), starter(exercise_id), "learner")
    assert verdict.points == 0, verdict.text()
    assert verdict.notes == ()


@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_enough_mutants(exercise_id):
    assert len(find(exercise_id).mutants()) >= MUTANTS_WANTED


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("exercise_id", "mutant"), mutants())
def test_mutant_fails_with_its_own_message(grader, exercise_id, mutant):
    registered = find(exercise_id)
    right = solution(exercise_id)
    cell = registered.exercise.cells[0]
    sources = right | {cell: mutant.answer(right[cell])}
    verdict = grader.grade(registered, sources, "learner")
    assert not verdict.full, verdict.text()
    assert verdict.points < verdict.max
    assert verdict.notes == ()
    assert mutant.pattern.search(verdict.text()), f"{mutant.pattern.pattern!r} is not in\n{verdict.text()}"


@functools.cache
def given(exercise_id: str) -> str:
    """What the released answer cell defines above the solution."""
    (cell,) = find(exercise_id).exercise.cells
    return solution(exercise_id)[cell].partition("### BEGIN SOLUTION")[0]


@pytest.mark.parametrize("case", OTHER_ANSWERS)
def test_a_right_answer_in_another_form_gets_full_marks(grader, case):
    exercise_id = case.partition(" ")[0]
    (cell,) = find(exercise_id).exercise.cells
    verdict = grader.grade(find(exercise_id), {cell: given(exercise_id) + OTHER_ANSWERS[case]}, "ada@example.org")
    assert verdict.full, verdict.text()
