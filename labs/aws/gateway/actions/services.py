"""SQS, SNS, KMS, Secrets Manager, DynamoDB, Lambda, CloudWatch Logs and Systems Manager parameters.

How they name resources, and the condition keys of their own (each service's "Actions, resources, and condition keys"
page).
"""

from __future__ import annotations

import re
from typing import Any

from labs.aws.gateway.actions import generic, reference
from labs.aws.gateway.actions.asked import (
    Asked,
    Check,
    Context,
    account_in,
    pass_role,
    request_tags,
    resource_tags,
)
from labs.aws.gateway.calls import AwsError

_UUID = re.compile(r"(mrk-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


_QUEUE_URL = re.compile(
    r"(?:(?:https?://[A-Za-z0-9.:\[\]_-]+)?/?(?:queue/[a-z0-9-]+/)?(?P<owner>[0-9]{12})/)?(?P<name>[A-Za-z0-9_.-]{1,80})/?"
)


async def sqs(asked: Asked) -> list[Check]:
    """A queue by its URL; batches need the single form's action."""
    operation = asked.operation.removesuffix("Batch")
    action, _ = generic.action_of("sqs", operation)
    context = generic.tags_in_request(asked)
    if operation == "ListQueues":
        return [Check(action, "*", asked.account)]
    url = asked.text("QueueUrl")
    if url:
        found_url = _QUEUE_URL.fullmatch(url)
        if found_url is None:  # an engine might find another queue in it than we do
            raise AwsError("InvalidAddress", f"The address {url[:256]} is not valid for this endpoint.", 404)
        arn = asked.arn("sqs", found_url["name"], found_url["owner"])
    else:
        source = asked.text("SourceArn", "TaskHandle")
        arn = (
            source
            if source.startswith("arn:")
            else asked.arn("sqs", asked.text("QueueName"), asked.text("QueueOwnerAWSAccountId") or None)
        )
    owner = account_in(arn) or asked.account
    if asked.wants_tags("sqs") and operation != "CreateQueue":
        region = arn.split(":")[3]
        answer = await asked.ask("sqs", "ListQueueTags", account=owner, region=region, QueueUrl=url or _queue_url(arn))
        context.update(resource_tags(answer.get("Tags"), "sqs"))
    found = [Check(action, arn, owner, context)]
    if operation == "CreateQueue" and asked.get("tags", "Tags"):
        found.append(Check("sqs:TagQueue", arn, owner, context))
    return found


def _queue_url(arn: str) -> str:
    parts = arn.split(":")
    return f"http://127.0.0.1/{parts[4]}/{parts[5]}"


async def sns(asked: Asked) -> list[Check]:
    """A topic; a subscription belongs to its topic."""
    operation = asked.operation.removesuffix("Batch")
    action, _ = generic.action_of("sns", operation)
    context = generic.tags_in_request(asked)
    for parameter, key in (("Protocol", "sns:Protocol"), ("Endpoint", "sns:Endpoint")):
        if asked.get(parameter):
            context[key] = asked.text(parameter)
    arn = asked.text("TopicArn", "TargetArn", "ResourceArn", "SubscriptionArn")
    if operation == "CreateTopic":
        arn = asked.arn("sns", asked.text("Name"))
    if not arn:
        return [Check(action, "*", asked.account, context)]
    arn = ":".join(arn.split(":")[:6])
    owner = account_in(arn) or asked.account
    if asked.wants_tags("sns") and operation != "CreateTopic":
        answer = await asked.ask("sns", "ListTagsForResource", account=owner, ResourceArn=arn)
        context.update(resource_tags(answer.get("Tags"), "sns"))
    found = [Check(action, arn, owner, context)]
    if operation == "CreateTopic" and asked.get("Tags"):
        found.append(Check("sns:TagResource", arn, owner, context))
    return found


async def kms(asked: Asked) -> list[Check]:
    """A key, however it is named; grants, aliases and the encryption context."""
    operation = asked.operation
    context = _kms_context(asked)
    if operation in ("CreateKey", "ListKeys", "ListAliases", "GenerateRandom", "DescribeCustomKeyStores"):
        found = [Check(f"kms:{operation}", "*", asked.account, context)]
        if operation == "CreateKey" and asked.get("Tags"):
            found.append(Check("kms:TagResource", "*", asked.account, context))
        return found
    if operation == "ReEncrypt":
        source = await _key(asked, asked.text("SourceKeyId")) or await _key_of_ciphertext(asked)
        target = await _key(asked, asked.text("DestinationKeyId"))
        return [
            await _key_check(asked, "kms:ReEncryptFrom", source, context),
            await _key_check(asked, "kms:ReEncryptTo", target, context),
        ]
    if operation == "RetireGrant" and not asked.get("KeyId"):
        return []  # the token tells which grant, and the grant who may retire it (corrections.kms)
    name = asked.text("KeyId", "TargetKeyId")
    arn = await _key(asked, name) if name else await _key_of_ciphertext(asked)
    if operation in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
        return await _alias(asked, arn, context)
    return [await _key_check(asked, f"kms:{operation}", arn, context)]


def _kms_context(asked: Asked) -> Context:
    context: Context = {"kms:CallerAccount": asked.account, **generic.tags_in_request(asked)}
    encryption = asked.get("EncryptionContext", "SourceEncryptionContext") or {}
    context.update({f"kms:EncryptionContext:{key}": str(value) for key, value in encryption.items()})
    if encryption:
        context["kms:EncryptionContextKeys"] = tuple(encryption)
    for parameter, key in (
        ("EncryptionAlgorithm", "kms:EncryptionAlgorithm"),
        ("SigningAlgorithm", "kms:SigningAlgorithm"),
        ("MessageType", "kms:MessageType"),
        ("KeySpec", "kms:KeySpec" if asked.operation == "CreateKey" else "kms:DataKeySpec"),
        ("KeyUsage", "kms:KeyUsage"),
        ("Origin", "kms:KeyOrigin"),
        ("GranteePrincipal", "kms:GranteePrincipal"),
        ("RetiringPrincipal", "kms:RetiringPrincipal"),
        ("PendingWindowInDays", "kms:ScheduleKeyDeletionPendingWindowInDays"),
    ):
        if asked.get(parameter):
            context[key] = asked.text(parameter)
    if asked.get("Operations"):
        context["kms:GrantOperations"] = tuple(asked.get("Operations"))
        context["kms:GrantIsForAWSResource"] = "false"
    if asked.text("KeyId").partition(":key")[0].rpartition(":")[2].startswith("alias/") or "alias/" in asked.text(
        "KeyId"
    ):
        context["kms:RequestAlias"] = "alias/" + asked.text("KeyId").partition("alias/")[2]
    if asked.get("BypassPolicyLockoutSafetyCheck"):
        context["kms:BypassPolicyLockoutSafetyCheck"] = "true"
    return context


async def _key(asked: Asked, name: str) -> str:
    """The key ARN behind a key id, key ARN, alias name or alias ARN; "" for no name."""
    if not name:
        return ""
    if name.startswith("arn:") and ":key/" in name:
        return name
    if _UUID.fullmatch(name):
        return asked.arn("kms", f"key/{name}")
    account = account_in(name) or asked.account
    short = "alias/" + name.partition("alias/")[2] if "alias/" in name else name
    answer = await asked.ask("kms", "DescribeKey", account=account, region=asked.region, KeyId=short)
    return str((answer.get("KeyMetadata") or {}).get("Arn") or asked.arn("kms", f"key/{name}", account))


async def _key_of_ciphertext(asked: Asked) -> str:
    """The key that encrypted a ciphertext: the engine is asked, and what it decrypts is thrown away."""
    blob = asked.get("CiphertextBlob")
    if not blob:
        return "*"
    context = asked.get("EncryptionContext", "SourceEncryptionContext") or {}
    answer = await asked.ask("kms", "Decrypt", region=asked.region, CiphertextBlob=blob, EncryptionContext=context)
    return await _key(asked, str(answer.get("KeyId") or "")) or "*"


async def _key_check(asked: Asked, action: str, arn: str, context: Context) -> Check:
    owner = account_in(arn) or asked.account
    if arn != "*":
        identifier, region = arn.rpartition("/")[2], arn.split(":")[3]
        if asked.wants_tags("kms"):
            answer = await asked.ask("kms", "ListResourceTags", account=owner, region=region, KeyId=identifier)
            context = {**context, **resource_tags(answer.get("Tags"), "kms")}
        if asked.lookup.wants("kms:resourcealiases"):
            answer = await asked.ask("kms", "ListAliases", account=owner, region=region, KeyId=identifier)
            context = {**context, "kms:ResourceAliases": tuple(a["AliasName"] for a in answer.get("Aliases", []))}
    return Check(action, arn or "*", owner, context)


async def _alias(asked: Asked, arn: str, context: Context) -> list[Check]:
    alias = asked.arn("kms", asked.text("AliasName"))
    action = f"kms:{asked.operation}"
    keys = [arn] if arn and arn != "*" else []
    if asked.operation in ("UpdateAlias", "DeleteAlias"):
        current = await _key(asked, asked.text("AliasName"))
        keys += [current] if current not in keys and ":key/alias/" not in current else []
    return [
        Check(action, alias, asked.account, context),
        *[await _key_check(asked, action, key, context) for key in keys],
    ]


async def secretsmanager(asked: Asked) -> list[Check]:
    """A secret by name or ARN; the ARN ends in six characters that only the service knows."""
    action, _ = generic.action_of("secretsmanager", asked.operation)
    context = generic.tags_in_request(asked)
    for parameter, key in (
        ("Name", "secretsmanager:Name"),
        ("SecretId", "secretsmanager:SecretId"),
        ("VersionId", "secretsmanager:VersionId"),
        ("VersionStage", "secretsmanager:VersionStage"),
        ("KmsKeyId", "secretsmanager:KmsKeyArn"),
        ("RecoveryWindowInDays", "secretsmanager:RecoveryWindowInDays"),
        ("ForceDeleteWithoutRecovery", "secretsmanager:ForceDeleteWithoutRecovery"),
        ("RotationLambdaARN", "secretsmanager:RotationLambdaARN"),
        ("BlockPublicPolicy", "secretsmanager:BlockPublicPolicy"),
    ):
        value = asked.params.get(parameter)
        if value is not None:
            context[key] = str(value).lower() if isinstance(value, bool) else str(value)
    if asked.operation == "GetSecretValue" and "VersionStage" not in asked.params and "VersionId" not in asked.params:
        context["secretsmanager:VersionStage"] = "AWSCURRENT"
    if asked.operation == "CreateSecret":
        arn = asked.arn("secretsmanager", f"secret:{asked.text('Name')}-??????")
        tagging = [Check("secretsmanager:TagResource", arn, asked.account, context)] if asked.get("Tags") else []
        return [Check(action, arn, asked.account, context), *tagging]
    if asked.operation == "BatchGetSecretValue":
        return await _secrets(asked, context)
    name = asked.text("SecretId")
    if not name:
        return [Check(action, "*", asked.account, context)]
    return await _secret(asked, action, name, context)


async def _secret(asked: Asked, action: str, name: str, context: Context) -> list[Check]:
    """One secret, and the customer's KMS key that encrypts it (Secrets Manager User Guide, "Secret encryption and
    decryption in AWS Secrets Manager")."""
    owner = account_in(name) or asked.account
    answer = await asked.ask("secretsmanager", "DescribeSecret", account=owner, region=asked.region, SecretId=name)
    arn = str(answer.get("ARN") or (name if name.startswith("arn:") else asked.arn("secretsmanager", f"secret:{name}")))
    if answer:
        context["secretsmanager:SecretId"] = arn
        if answer.get("RotationLambdaARN"):
            context["secretsmanager:resource/AllowRotationLambdaArn"] = str(answer["RotationLambdaARN"])
        context.update(resource_tags(answer.get("Tags"), "secretsmanager"))
    found = [Check(action, arn, owner, context)]
    key = str(answer.get("KmsKeyId") or "")
    if key and "alias/aws/" not in key and asked.operation in _USES_SECRET_KEY:
        key_arn = key if key.startswith("arn:") and ":key/" in key else await _key(asked, key)
        via: Context = {
            "kms:ViaService": f"secretsmanager.{asked.region}.amazonaws.com",
            "kms:CallerAccount": asked.account,
            "kms:EncryptionContext:SecretARN": arn,
            "kms:EncryptionContextKeys": ("SecretARN", "SecretVersionId"),
            "aws:ViaAWSService": "true",
            "aws:CalledVia": ("secretsmanager.amazonaws.com",),
        }
        for needed in _USES_SECRET_KEY[asked.operation]:
            found.append(Check(f"kms:{needed}", key_arn, account_in(key_arn) or owner, via))
    function = asked.text("RotationLambdaARN")
    if asked.operation == "RotateSecret" and function:
        # "You also need lambda:InvokeFunction permissions on the rotation function" (RotateSecret).
        found.append(Check("lambda:InvokeFunction", function, account_in(function) or owner))
    return found


_USES_SECRET_KEY = {
    "GetSecretValue": ("Decrypt",),
    "BatchGetSecretValue": ("Decrypt",),
    "PutSecretValue": ("GenerateDataKey", "Decrypt"),
}


async def _secrets(asked: Asked, context: Context) -> list[Check]:
    """BatchGetSecretValue also needs ``GetSecretValue`` on each secret, and ``ListSecrets`` with filters (Secrets
    Manager API Reference, "BatchGetSecretValue").  One denied secret fails the call here; AWS fails that secret alone.
    """
    found = [Check("secretsmanager:BatchGetSecretValue", "*", asked.account, context)]
    names = list(asked.get("SecretIdList") or ())
    if asked.get("Filters"):
        found.append(Check("secretsmanager:ListSecrets", "*", asked.account, context))
        listed = await asked.ask("secretsmanager", "ListSecrets", region=asked.region, Filters=asked.get("Filters"))
        names += [str(entry["ARN"]) for entry in listed.get("SecretList", ())]
    for name in names:
        found += await _secret(asked, "secretsmanager:GetSecretValue", str(name), dict(context))
    return found


_ITEM_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


async def dynamodb(asked: Asked) -> list[Check]:
    """Tables and indexes; batches and transactions are checked table by table."""
    operation = asked.operation
    context = generic.tags_in_request(asked)
    if operation in ("BatchGetItem", "BatchWriteItem"):
        requests = asked.get("RequestItems") or {}
        return [
            Check(
                f"dynamodb:{operation}",
                _table(asked, table),
                _owner(asked, table),
                await _leading(asked, table, request),
            )
            for table, request in requests.items()
        ] or [Check(f"dynamodb:{operation}", "*", asked.account)]
    if operation in ("TransactGetItems", "TransactWriteItems"):
        return await _transaction(asked)
    if operation in _PARTIQL:
        return [_partiql(asked, statement) for statement in _statements(asked)]
    table = asked.text("TableName", "GlobalTableName", "SourceTableName")
    arn = asked.text("ResourceArn", "TableArn", "StreamArn", "BackupArn", "SourceTableArn")
    arn = arn or (_table(asked, table) if table else "*")
    if asked.get("IndexName") and arn != "*":
        arn += f"/index/{asked.text('IndexName')}"
    if asked.get("Select"):
        context["dynamodb:Select"] = asked.text("Select")
    if asked.get("ReturnValues"):
        context["dynamodb:ReturnValues"] = asked.text("ReturnValues")
    context.update(_attributes(asked))
    if table:
        context.update(await _leading(asked, table, asked.params))
    owner = account_in(arn) or asked.account
    if asked.wants_tags("dynamodb") and arn != "*" and operation != "CreateTable":
        answer = await asked.ask(
            "dynamodb", "ListTagsOfResource", account=owner, ResourceArn="/".join(arn.split("/")[:2])
        )
        context.update(resource_tags(answer.get("Tags"), "dynamodb"))
    found = [Check(f"dynamodb:{operation}", arn, owner, context)]
    if operation == "CreateTable" and asked.get("Tags"):
        found.append(Check("dynamodb:TagResource", arn, owner, context))
    if asked.get("TargetTableName"):  # restoring needs the action on both tables
        target = _table(asked, asked.text("TargetTableName"))
        found.append(Check(f"dynamodb:{operation}", target, asked.account, context))
    return found


def _table(asked: Asked, name: str) -> str:
    return name if name.startswith("arn:") else asked.arn("dynamodb", f"table/{name}")


def _owner(asked: Asked, name: str) -> str:
    return account_in(name) or asked.account


async def _transaction(asked: Asked) -> list[Check]:
    found = []
    for item in asked.get("TransactItems") or []:
        for kind, request in item.items():
            table = str(request.get("TableName", ""))
            context = await _leading(asked, table, request)
            action = f"dynamodb:{_ITEM_ACTIONS.get(kind, kind)}"
            found.append(Check(action, _table(asked, table), _owner(asked, table), context))
    return found or [Check("dynamodb:GetItem", "*", asked.account)]


_PARTIQL = ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")
_STATEMENT = re.compile(
    r"""\s*(?:(?P<Select>EXISTS\s*\(\s*SELECT|SELECT)\b(?:"[^"]*"|'[^']*'|[^"'])*?\bFROM\s+|(?P<Insert>INSERT)\s+INTO\s+"""
    r"""|(?P<Update>UPDATE)\s+|(?P<Delete>DELETE)\s+FROM\s+)"""
    r"""(?:"(?P<quoted>[^"]+)"|(?P<bare>[A-Za-z0-9_.-]+))(?:\."(?P<index>[^"]+)")?""",
    re.IGNORECASE | re.DOTALL,
)


def _statements(asked: Asked) -> list[str]:
    if asked.operation == "ExecuteStatement":
        return [asked.text("Statement")]
    listed = asked.get("Statements", "TransactStatements") or []
    return [str(entry.get("Statement", "")) for entry in listed]


def _partiql(asked: Asked, statement: str) -> Check:
    """A PartiQL statement needs the action of its verb on its table or index (DynamoDB Developer Guide, "IAM security
    policies with PartiQL for DynamoDB").

    :raises AwsError: it is not one of the four kinds of statement
    """
    found = _STATEMENT.match(statement)
    if found is None or "--" in statement or "/*" in statement:
        raise AwsError("ValidationException", "Statement wasn't well formed, can't be processed", 400)
    verb = next(name for name in ("Select", "Insert", "Update", "Delete") if found[name])
    arn = _table(asked, found["quoted"] or found["bare"])
    if found["index"]:
        arn += f"/index/{found['index']}"
    context: Context = {"dynamodb:FullTableScan": "true"} if verb == "Select" and not _WHERE.search(statement) else {}
    return Check(f"dynamodb:PartiQL{verb}", arn, account_in(arn) or asked.account, context)


_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)


def _attributes(asked: Asked) -> Context:
    """``dynamodb:Attributes``: the top-level attribute names that a call touches."""
    names: set[str] = set()
    aliases = asked.get("ExpressionAttributeNames") or {}
    for parameter in (
        "ProjectionExpression",
        "KeyConditionExpression",
        "FilterExpression",
        "ConditionExpression",
        "UpdateExpression",
    ):
        if asked.get(parameter) and parameter == "ProjectionExpression":
            names |= {part.strip().partition(".")[0].partition("[")[0] for part in asked.text(parameter).split(",")}
    names |= set(asked.get("AttributesToGet") or ())
    for parameter in ("Item", "Key"):
        value = asked.params.get(parameter)
        names |= set(value) if isinstance(value, dict) else set()
    found = tuple(sorted(aliases.get(name, name) for name in names if name))
    return {"dynamodb:Attributes": found} if found else {}


async def _leading(asked: Asked, table: str, request: Any) -> Context:
    """``dynamodb:LeadingKeys``: partition key values, looked up only if a policy asks for them."""
    if not asked.lookup.wants("dynamodb:leadingkeys"):
        return {}
    answer = await asked.ask(
        "dynamodb",
        "DescribeTable",
        account=_owner(asked, table),
        region=asked.region,
        TableName=table.rpartition("/")[2],
    )
    schema = (answer.get("Table") or {}).get("KeySchema") or []
    partition = next((key["AttributeName"] for key in schema if key.get("KeyType") == "HASH"), "")
    values = sorted(set(_key_values(request, partition)))
    values += _condition_values(asked, partition)
    return {"dynamodb:LeadingKeys": tuple(values)} if values else {}


def _key_values(value: Any, partition: str) -> list[str]:
    """Values of the partition key anywhere in items and keys."""
    found: list[str] = []
    if isinstance(value, dict):
        entry = value.get(partition)
        if isinstance(entry, dict) and len(entry) == 1:
            found += [str(item) for item in entry.values() if isinstance(item, str | int | float)]
        for item in value.values():
            found += _key_values(item, partition)
    elif isinstance(value, list):
        for item in value:
            found += _key_values(item, partition)
    return found


def _condition_values(asked: Asked, partition: str) -> list[str]:
    """The partition key's value in a ``KeyConditionExpression``."""
    expression = asked.text("KeyConditionExpression")
    names = asked.get("ExpressionAttributeNames") or {}
    values = asked.get("ExpressionAttributeValues") or {}
    found = []
    for name, value in re.findall(r"([#\w.]+)\s*=\s*(:\w+)", expression):
        if names.get(name, name) == partition and isinstance(values.get(value), dict):
            found += [str(item) for item in values[value].values()]
    return found


async def lambda_(asked: Asked) -> list[Check]:
    """A function by name or (partial) ARN, with its qualifier; roles passed to it; layers and event sources."""
    operation = asked.operation
    action, entry = generic.action_of(
        "lambda", {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction"}.get(operation, operation)
    )
    context = generic.tags_in_request(asked)
    if asked.get("Principal"):
        context["lambda:Principal"] = asked.text("Principal")
    if asked.get("AuthType", "FunctionUrlAuthType"):
        context["lambda:FunctionUrlAuthType"] = asked.text("AuthType", "FunctionUrlAuthType")
    if asked.get("Layers"):
        context["lambda:Layer"] = tuple(asked.get("Layers"))
    name = asked.text("FunctionName")
    if not name:
        return await generic.checks(asked)
    arn = _function(asked, name, asked.text("Qualifier"))
    if operation in ("CreateEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"):
        context["lambda:FunctionArn"] = arn
        arn = (
            "*" if operation.startswith("Create") else asked.arn("lambda", f"event-source-mapping:{asked.text('UUID')}")
        )
    owner = account_in(arn) or asked.account
    if asked.wants_tags("lambda") and arn != "*" and operation != "CreateFunction":
        answer = await asked.ask(
            "lambda", "ListTags", account=owner, region=arn.split(":")[3], Resource=":".join(arn.split(":")[:7])
        )
        context.update(resource_tags(answer.get("Tags"), "lambda"))
    if entry is not None and not entry.types:
        arn = "*"
    found = [Check(action, arn, owner, context)]
    if operation == "CreateFunction" and asked.get("Tags"):
        found.append(Check("lambda:TagResource", arn, owner, context))
    if operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        found += pass_role(asked, asked.get("Role"), "lambda.amazonaws.com", arn)
    return found


def _function(asked: Asked, name: str, qualifier: str) -> str:
    if name.startswith("arn:"):
        arn = name
    else:
        parts = name.split(":")
        if len(parts) >= 3 and parts[1] == "function":  # 123456789012:function:name[:qualifier]
            arn = asked.arn("lambda", ":".join(["function", *parts[2:]]), parts[0])
        else:
            arn = asked.arn("lambda", f"function:{name}")
    return f"{arn}:{qualifier}" if qualifier and len(arn.split(":")) == 7 else arn


async def logs(asked: Asked) -> list[Check]:
    """Log groups end in ``:*`` unless a stream is named."""
    action, entry = generic.action_of("logs", asked.operation)
    context = generic.tags_in_request(asked)
    group = asked.text("logGroupName", "logGroupIdentifier")
    several = asked.get("logGroupNames", "logGroupIdentifiers")
    if isinstance(several, list):
        return [check for name in several for check in await _log_group(asked, action, entry, str(name), dict(context))]
    if not group or entry is None or not entry.types:
        return await generic.checks(asked)
    return await _log_group(asked, action, entry, group, context)


async def _log_group(
    asked: Asked, action: str, entry: reference.Action | None, group: str, context: Context
) -> list[Check]:
    arn = group.removesuffix(":*") if group.startswith("arn:") else asked.arn("logs", f"log-group:{group}")
    stream = asked.text("logStreamName")
    arn = f"{arn}:log-stream:{stream}" if stream and entry and "log-stream" in entry.types else f"{arn}:*"
    owner = account_in(arn) or asked.account
    if asked.wants_tags("logs"):
        answer = await asked.ask(
            "logs", "ListTagsForResource", account=owner, resourceArn=arn.partition(":log-stream")[0].removesuffix(":*")
        )
        context.update(resource_tags(answer.get("tags"), "logs"))
    return [Check(action, arn, owner, context)]


_TAGGING = ("TagResource", "TagQueue", "CreateTags", "AddTagsToResource", "AddTags", "TagResources", "PutBucketTagging")
_UNTAGGING = ("UntagResource", "UntagQueue", "DeleteTags", "RemoveTagsFromResource", "RemoveTags", "PutBucketTagging")


async def tagging(asked: Asked) -> list[Check]:
    """``tag:TagResources`` needs each service's own tagging action as well ("Required permissions to use the Resource
    Groups Tagging API").  One denied resource fails the call here; AWS fails that resource alone."""
    found = await generic.checks(asked)
    if asked.operation not in ("TagResources", "UntagResources"):
        return found
    context: Context = dict(found[0].context)
    for arn in asked.get("ResourceARNList") or []:
        prefix = str(arn).split(":")[2] if str(arn).count(":") > 4 else ""
        known = reference.service(prefix).actions
        names = _TAGGING if asked.operation == "TagResources" else _UNTAGGING
        name = next((name for name in names if name.lower() in known), names[0])
        found.append(Check(f"{prefix}:{name}", str(arn), account_in(str(arn)) or asked.account, context))
    return found


async def events(asked: Asked) -> list[Check]:
    """PutEvents is checked bus by bus ("Actions, resources, and condition keys for Amazon EventBridge")."""
    if asked.operation != "PutEvents":
        return await generic.checks(asked)
    found = []
    for entry in asked.get("Entries") or []:
        bus = str(entry.get("EventBusName") or "default")
        arn = bus if bus.startswith("arn:") else asked.arn("events", f"event-bus/{bus}")
        context: Context = {
            key: str(entry[name])
            for name, key in (("Source", "events:source"), ("DetailType", "events:detail-type"))
            if entry.get(name)
        }
        found.append(Check("events:PutEvents", arn, account_in(arn) or asked.account, context))
    return found or [Check("events:PutEvents", asked.arn("events", "event-bus/default"), asked.account)]


async def ssm(asked: Asked) -> list[Check]:
    """Parameters by name or path; other calls follow the general rule."""
    action, entry = generic.action_of("ssm", asked.operation)
    if entry is None or "parameter" not in entry.types:
        return await generic.checks(asked)
    names = asked.get("Names") or [name for name in (asked.text("Name", "Path", "ResourceId"),) if name]
    context = generic.tags_in_request(asked)
    if asked.params.get("Overwrite") is not None:
        context["ssm:Overwrite"] = str(asked.params["Overwrite"]).lower()
    if asked.params.get("Recursive") is not None:
        context["ssm:Recursive"] = str(asked.params["Recursive"]).lower()
    found = []
    for name in names:
        # A name may end in a selector, ":3" or ":label", which is no part of the resource.
        bare = str(name).partition(":")[0].lstrip("/")
        arn = ":".join(name.split(":")[:6]) if name.startswith("arn:") else asked.arn("ssm", f"parameter/{bare}")
        extra: Context = {}
        if asked.wants_tags("ssm"):
            answer = await asked.ask("ssm", "ListTagsForResource", ResourceType="Parameter", ResourceId=name)
            extra = resource_tags(answer.get("TagList"), "ssm")
        found.append(Check(action, arn, account_in(arn) or asked.account, {**context, **extra}))
    if asked.operation == "PutParameter" and asked.get("Tags"):
        found.append(
            Check(
                "ssm:AddTagsToResource",
                found[0].resource,
                asked.account,
                {**context, **request_tags(asked.get("Tags"))},
            )
        )
    return found or [Check(action, "*", asked.account, context)]
