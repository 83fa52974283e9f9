"""SQS, SNS and EventBridge (their developer guides and API references)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


@pytest.fixture
def sqs(admin: AwsAccount) -> Any:
    return admin.client("sqs")


@pytest.fixture
def sns(admin: AwsAccount) -> Any:
    return admin.client("sns")


@pytest.fixture
def events(admin: AwsAccount) -> Any:
    return admin.client("events")


def queue_with_arn(sqs: Any, name: str, **attributes: str) -> tuple[str, str]:
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(sqs: Any, url: str, seconds: float = 5) -> list[str]:
    """Bodies of the messages that arrive within some seconds, until one poll finds nothing more."""
    bodies: list[str] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if bodies and not messages:
            break
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def test_a_queue_and_its_attributes(admin: AwsAccount, sqs: Any) -> None:
    url, arn = queue_with_arn(sqs, "q", VisibilityTimeout="45")
    assert arn == f"arn:aws:sqs:us-east-1:{admin.account}:q"
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "45"
    assert attributes["MessageRetentionPeriod"] == "345600"
    assert attributes["ApproximateNumberOfMessages"] == "0"
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "45"})["QueueUrl"] == url
    assert refusal(sqs.create_queue, QueueName="q", Attributes={"VisibilityTimeout": "46"}) == "QueueAlreadyExists"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]
    assert got == {"DelaySeconds": "1"}
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Nonsense": "1"}) == "InvalidAttributeName"
    assert (
        refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"VisibilityTimeout": "99999"})
        == "InvalidAttributeValue"
    )
    sqs.tag_queue(QueueUrl=url, Tags={"a": "b", "c": "d"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["c"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    assert sqs.list_queues(QueueNamePrefix="q")["QueueUrls"] == [url]
    sqs.delete_queue(QueueUrl=url)
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    assert refusal(sqs.get_queue_url, QueueName="q") == missing
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x") == missing
    assert refusal(sqs.create_queue, QueueName="bad name!") == "InvalidParameterValue"


def test_messages_are_invisible_until_deleted_or_timed_out(sqs: Any) -> None:
    url, _ = queue_with_arn(sqs, "q")
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}},
    )
    assert sent["MD5OfMessageBody"] == "5d41402abc4b2a76b9719d911017c592"
    got = sqs.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], VisibilityTimeout=30
    )["Messages"][0]
    assert got["MessageAttributes"]["kind"]["StringValue"] == "greeting"
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    assert got["MessageId"] == sent["MessageId"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert counts["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"][0]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense") == "ReceiptHandleIsInvalid"
    assert refusal(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11) == "InvalidParameterValue"


def test_batches_report_each_entry(sqs: Any) -> None:
    url, _ = queue_with_arn(sqs, "q")
    entries = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(3)]
    assert [e["Id"] for e in sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]] == ["0", "1", "2"]
    twice = [entries[0], entries[0]]
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=twice) == (
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
    )
    many = [{"Id": str(n), "MessageBody": "x"} for n in range(11)]
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=many) == (
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
    )
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=[]) == "AWS.SimpleQueueService.EmptyBatchRequest"
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    deleted = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(got)]
        + [{"Id": "bad", "ReceiptHandle": "nonsense"}],
    )
    assert len(deleted["Successful"]) == 3
    assert [e["Id"] for e in deleted["Failed"]] == ["bad"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.purge_queue(QueueUrl=url)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_fifo_queues_keep_order_and_drop_duplicates(sqs: Any) -> None:
    url, _ = queue_with_arn(sqs, "q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for body in ("1", "2", "2", "3"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    assert received(sqs, url) == ["1", "2", "3"]
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x") == "MissingParameter"
    assert refusal(sqs.create_queue, QueueName="q", Attributes={"FifoQueue": "true"}) == "InvalidParameterValue"


def test_failing_messages_go_to_the_dead_letter_queue(sqs: Any) -> None:
    dead, dead_arn = queue_with_arn(sqs, "dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "1"})
    url, _ = queue_with_arn(sqs, "q", RedrivePolicy=redrive, VisibilityTimeout="0")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert received(sqs, dead) == ["poison"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    bad = json.dumps({"deadLetterTargetArn": dead_arn + "-none", "maxReceiveCount": "1"})
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": bad}) in (
        "InvalidParameterValue", "InvalidAttributeValue", "AWS.SimpleQueueService.NonExistentQueue"
    )  # fmt: skip


def test_queue_permissions(sqs: Any) -> None:
    url, _ = queue_with_arn(sqs, "q")
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["123456789012"], Actions=["SendMessage"])
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["l"]
    sqs.remove_permission(QueueUrl=url, Label="l")
    assert refusal(sqs.remove_permission, QueueUrl=url, Label="l") == "InvalidParameterValue"


def test_topics_and_their_subscriptions(admin: AwsAccount, sns: Any, sqs: Any) -> None:
    topic = sns.create_topic(Name="t", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert topic == f"arn:aws:sns:us-east-1:{admin.account}:t"
    assert sns.create_topic(Name="t")["TopicArn"] == topic
    url, arn = queue_with_arn(sqs, "q")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)[
        "SubscriptionArn"
    ]
    assert subscription.startswith(topic + ":")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["Owner"], attributes["SubscriptionsConfirmed"]) == (admin.account, "1")
    assert json.loads(attributes["Policy"])["Statement"]
    sns.publish(
        TopicArn=topic,
        Message="hello",
        Subject="s",
        MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}},
    )
    envelope = json.loads(received(sqs, url)[0])
    assert (envelope["Message"], envelope["Subject"], envelope["TopicArn"]) == ("hello", "s", topic)
    assert envelope["MessageAttributes"] == {"k": {"Type": "String", "Value": "v"}}
    sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true"
    )
    sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue=json.dumps({"k": ["wanted"]})
    )
    for value in ("other", "wanted"):
        sns.publish(
            TopicArn=topic, Message=value, MessageAttributes={"k": {"DataType": "String", "StringValue": value}}
        )
    assert received(sqs, url) == ["wanted"]
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(s["Protocol"], s["Endpoint"]) for s in listed] == [("sqs", arn)]
    sns.unsubscribe(SubscriptionArn=subscription)
    assert refusal(sns.get_subscription_attributes, SubscriptionArn=subscription) == "NotFound"
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Shop")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "Shop"
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "b"}]
    pending = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")["SubscriptionArn"]
    assert pending == "pending confirmation"
    assert refusal(sns.subscribe, TopicArn=topic, Protocol="nonsense", Endpoint="x") == "InvalidParameter"
    sns.delete_topic(TopicArn=topic)
    assert refusal(sns.get_topic_attributes, TopicArn=topic) == "NotFound"
    assert refusal(sns.publish, TopicArn=topic, Message="x") == "NotFound"
    assert refusal(sns.create_topic, Name="bad name") == "InvalidParameter"


def test_publishing_in_batches(sns: Any) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    entries = [{"Id": str(n), "Message": "m"} for n in range(2)]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["0", "1"]
    assert refusal(sns.publish, TopicArn=topic, Message="") == "InvalidParameter"
    twice = [entries[0], entries[0]]
    assert refusal(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=twice) == "BatchEntryIdsNotDistinct"


def test_rules_send_matching_events_to_targets(admin: AwsAccount, events: Any, sqs: Any) -> None:
    url, arn = queue_with_arn(sqs, "q")
    pattern = {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}
    rule = events.put_rule(Name="big", EventPattern=json.dumps(pattern), Description="d")["RuleArn"]
    assert rule == f"arn:aws:events:us-east-1:{admin.account}:rule/big"
    assert events.put_targets(Rule="big", Targets=[{"Id": "q", "Arn": arn}])["FailedEntryCount"] == 0
    assert [t["Id"] for t in events.list_targets_by_rule(Rule="big")["Targets"]] == ["q"]
    assert events.list_rule_names_by_target(TargetArn=arn)["RuleNames"] == ["big"]
    described = events.describe_rule(Name="big")
    assert (described["State"], json.loads(described["EventPattern"])) == ("ENABLED", pattern)
    entries = [{"Source": "shop", "DetailType": "order", "Detail": json.dumps({"total": total})} for total in (5, 50)]
    answer = events.put_events(Entries=entries)
    assert (answer["FailedEntryCount"], len(answer["Entries"])) == (0, 2)
    bodies = [json.loads(body) for body in received(sqs, url)]
    assert [(b["source"], b["detail-type"], b["detail"]) for b in bodies] == [("shop", "order", {"total": 50})]
    assert bodies[0]["account"] == admin.account
    events.disable_rule(Name="big")
    assert events.describe_rule(Name="big")["State"] == "DISABLED"
    assert refusal(events.delete_rule, Name="big") == "ValidationException"
    events.remove_targets(Rule="big", Ids=["q"])
    events.delete_rule(Name="big")
    assert refusal(events.describe_rule, Name="big") == "ResourceNotFoundException"
    assert refusal(events.put_targets, Rule="none", Targets=[{"Id": "q", "Arn": arn}]) == "ResourceNotFoundException"


def test_event_patterns_are_checked(events: Any) -> None:
    event = {
        "id": "1", "account": "1", "time": "2026-11-01T00:00:00Z", "region": "us-east-1", "resources": [],
        "source": "shop", "detail-type": "order", "detail": {"state": "paid"},
    }  # fmt: skip
    match = events.test_event_pattern
    for pattern, result in (
        ({"source": ["shop"]}, True),
        ({"source": [{"prefix": "sh"}]}, True),
        ({"source": ["other"]}, False),
        ({"detail": {"state": [{"anything-but": "paid"}]}}, False),
        ({"detail": {"nothing": [{"exists": False}]}}, True),
    ):
        assert match(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"] is result, pattern
    assert refusal(events.put_rule, Name="r", EventPattern="{") == "InvalidEventPatternException"
    assert refusal(events.put_rule, Name="r") == "ValidationException"
    assert refusal(events.put_rule, Name="r", ScheduleExpression="every minute") == "ValidationException"
    events.put_rule(Name="r", ScheduleExpression="rate(5 minutes)")
    events.put_rule(Name="s", ScheduleExpression="cron(0 12 * * ? *)")
    assert [rule["Name"] for rule in events.list_rules()["Rules"]] == ["r", "s"]


def test_event_buses_and_archives(admin: AwsAccount, events: Any) -> None:
    bus = events.create_event_bus(Name="orders")["EventBusArn"]
    assert refusal(events.create_event_bus, Name="orders") == "ResourceAlreadyExistsException"
    assert [b["Name"] for b in events.list_event_buses()["EventBuses"]] == ["default", "orders"]
    events.put_permission(EventBusName="orders", Action="events:PutEvents", Principal="123456789012", StatementId="s")
    assert json.loads(events.describe_event_bus(Name="orders")["Policy"])["Statement"][0]["Sid"] == "s"
    events.create_archive(ArchiveName="a", EventSourceArn=bus, RetentionDays=1)
    assert events.describe_archive(ArchiveName="a")["State"] == "ENABLED"
    events.delete_archive(ArchiveName="a")
    assert refusal(events.delete_event_bus, Name="default") == "ValidationException"
    events.delete_event_bus(Name="orders")
    assert refusal(events.describe_event_bus, Name="orders") == "ResourceNotFoundException"
    events.put_rule(Name="r", ScheduleExpression="rate(5 minutes)", Tags=[{"Key": "a", "Value": "b"}])
    arn = f"arn:aws:events:us-east-1:{admin.account}:rule/r"
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]


def test_a_dead_letter_queue_is_redriven(admin: AwsAccount) -> None:
    """ "Dead-letter queue redrive" (Amazon SQS Developer Guide)."""
    sqs = admin.client("sqs")
    letters = sqs.create_queue(QueueName="letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert refusal(sqs.start_message_move_task, SourceArn=arn).endswith("UnsupportedOperation")
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    work = sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    for body in ("one", "two"):
        sqs.send_message(QueueUrl=letters, MessageBody=body)
    assert sqs.start_message_move_task(SourceArn=arn)["TaskHandle"]
    (task,) = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert "Messages" not in sqs.receive_message(QueueUrl=letters)
    found = sqs.receive_message(QueueUrl=work, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in found} == {"one", "two"}
