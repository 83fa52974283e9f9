"""CloudWatch metrics and alarms, CloudWatch Logs and Logs Insights (Amazon CloudWatch user guides, API references)."""

from __future__ import annotations

import datetime
import gzip
import json
import time
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


@pytest.fixture
def cloudwatch(admin: AwsAccount) -> Any:
    return admin.client("cloudwatch")


@pytest.fixture
def logs(admin: AwsAccount) -> Any:
    return admin.client("logs")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def test_metrics_are_put_listed_and_summed(cloudwatch: Any) -> None:
    when = now() - datetime.timedelta(minutes=2)
    dimensions = [{"Name": "service", "Value": "shop"}]
    cloudwatch.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {
                "MetricName": "latency",
                "Dimensions": dimensions,
                "Timestamp": when,
                "Value": value,
                "Unit": "Milliseconds",
            }
            for value in (10, 20, 60)
        ],
    )
    metrics = cloudwatch.list_metrics(Namespace="Shop")["Metrics"]
    assert metrics == [{"Namespace": "Shop", "MetricName": "latency", "Dimensions": dimensions}]
    window = {"StartTime": when - datetime.timedelta(minutes=5), "EndTime": now() + datetime.timedelta(minutes=1)}
    stats = cloudwatch.get_metric_statistics(
        Namespace="Shop",
        MetricName="latency",
        Dimensions=dimensions,
        Period=3600,
        Statistics=["Average", "Sum", "Maximum", "Minimum", "SampleCount"],
        **window,
    )
    points = stats["Datapoints"]
    assert stats["Label"] == "latency"
    assert sum(point["SampleCount"] for point in points) == 3
    assert max(point["Maximum"] for point in points) == 60
    assert sum(point["Sum"] for point in points) == 90
    assert points[0]["Unit"] == "Milliseconds"
    metric = {"Namespace": "Shop", "MetricName": "latency", "Dimensions": dimensions}
    data = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "m", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "double", "Expression": "m * 2", "Label": "twice"},
        ],
        **window,
    )["MetricDataResults"]
    assert [(r["Id"], r["Label"], sum(r["Values"])) for r in data] == [("double", "twice", 180.0)]
    assert cloudwatch.list_metrics(Namespace="Other")["Metrics"] == []


def test_alarms_change_state_and_say_so(admin: AwsAccount, cloudwatch: Any) -> None:
    alarm = {
        "AlarmName": "errors",
        "MetricName": "errors",
        "Namespace": "Shop",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    cloudwatch.put_metric_alarm(**alarm, Tags=[{"Key": "a", "Value": "b"}])
    got = cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]
    arn = f"arn:aws:cloudwatch:us-east-1:{admin.account}:alarm:errors"
    assert (got["AlarmArn"], got["Threshold"], got["StateValue"]) == (arn, 5.0, "INSUFFICIENT_DATA")
    assert got["ActionsEnabled"] is True
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a drill")
    got = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"][0]
    assert (got["AlarmName"], got["StateReason"]) == ("errors", "a drill")
    history = cloudwatch.describe_alarm_history(AlarmName="errors", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert "to ALARM" in history[0]["HistorySummary"]
    assert refusal(cloudwatch.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="x") == "ResourceNotFound"
    cloudwatch.disable_alarm_actions(AlarmNames=["errors"])
    assert cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["ActionsEnabled"] is False
    found = cloudwatch.describe_alarms_for_metric(MetricName="errors", Namespace="Shop")["MetricAlarms"]
    assert [a["AlarmName"] for a in found] == ["errors"]
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("errors")')
    both = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert [a["AlarmName"] for a in both] == ["any"]
    cloudwatch.delete_alarms(AlarmNames=["any"])
    cloudwatch.delete_alarms(AlarmNames=["errors"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    bad = {**alarm, "ComparisonOperator": "Bigger"}
    assert refusal(cloudwatch.put_metric_alarm, **bad) in ("ValidationError", "InvalidParameterValue")


def test_an_alarm_follows_its_metric_and_notifies(admin: AwsAccount, cloudwatch: Any) -> None:
    sns, sqs = admin.client("sns"), admin.client("sqs")
    topic = sns.create_topic(Name="pager")["TopicArn"]
    url = sqs.create_queue(QueueName="pager")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        MetricName="errors",
        Namespace="Shop",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[topic],
    )
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "errors", "Value": 9}])
    deadline = time.monotonic() + 20
    state = ""
    while state != "ALARM":
        assert time.monotonic() < deadline, f"the alarm was last in the state {state}"
        state = cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"]
    body = json.loads(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]["Body"])
    told = json.loads(body["Message"])
    assert (told["AlarmName"], told["NewStateValue"]) == ("errors", "ALARM")


def test_dashboards(cloudwatch: Any) -> None:
    body = json.dumps(
        {"widgets": [{"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "hi"}}]}
    )
    assert cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)["DashboardValidationMessages"] == []
    assert json.loads(cloudwatch.get_dashboard(DashboardName="d")["DashboardBody"]) == json.loads(body)
    assert [d["DashboardName"] for d in cloudwatch.list_dashboards()["DashboardEntries"]] == ["d"]
    assert refusal(cloudwatch.put_dashboard, DashboardName="x", DashboardBody="{") in (
        "InvalidParameterInput", "DashboardInvalidInputError"
    )  # fmt: skip
    cloudwatch.delete_dashboards(DashboardNames=["d"])
    assert refusal(cloudwatch.get_dashboard, DashboardName="d") in ("ResourceNotFound", "DashboardNotFoundError")


def test_groups_streams_and_retention(admin: AwsAccount, logs: Any) -> None:
    logs.create_log_group(logGroupName="/shop/api", tags={"a": "b"})
    assert refusal(logs.create_log_group, logGroupName="/shop/api") == "ResourceAlreadyExistsException"
    group = logs.describe_log_groups(logGroupNamePrefix="/shop")["logGroups"][0]
    arn = f"arn:aws:logs:us-east-1:{admin.account}:log-group:/shop/api"
    assert group["arn"] == arn + ":*"
    assert "retentionInDays" not in group
    logs.put_retention_policy(logGroupName="/shop/api", retentionInDays=14)
    assert logs.describe_log_groups(logGroupNamePrefix="/shop")["logGroups"][0]["retentionInDays"] == 14
    assert refusal(logs.put_retention_policy, logGroupName="/shop/api", retentionInDays=15) == (
        "InvalidParameterException"
    )
    logs.delete_retention_policy(logGroupName="/shop/api")
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix="/shop")["logGroups"][0]
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}
    logs.create_log_stream(logGroupName="/shop/api", logStreamName="one")
    assert refusal(logs.create_log_stream, logGroupName="/shop/api", logStreamName="one") == (
        "ResourceAlreadyExistsException"
    )
    assert refusal(logs.create_log_stream, logGroupName="/none", logStreamName="one") == "ResourceNotFoundException"
    assert refusal(logs.put_retention_policy, logGroupName="/none", retentionInDays=14) == "ResourceNotFoundException"
    streams = logs.describe_log_streams(logGroupName="/shop/api")["logStreams"]
    assert [s["logStreamName"] for s in streams] == ["one"]
    logs.delete_log_stream(logGroupName="/shop/api", logStreamName="one")
    logs.delete_log_group(logGroupName="/shop/api")
    assert refusal(logs.describe_log_streams, logGroupName="/shop/api") == "ResourceNotFoundException"
    assert refusal(logs.delete_log_group, logGroupName="/shop/api") == "ResourceNotFoundException"


def written(logs: Any, messages: list[str]) -> int:
    """A group ``g`` with a stream ``s`` of these messages, a second apart; the time of the first, in milliseconds."""
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    start = int(time.time() * 1000) - 60_000
    logs.put_log_events(
        logGroupName="g",
        logStreamName="s",
        logEvents=[{"timestamp": start + 1000 * n, "message": message} for n, message in enumerate(messages)],
    )
    return start


def test_events_are_read_and_filtered(logs: Any) -> None:
    start = written(logs, ["INFO start", "ERROR boom 500", '{"level": "error", "status": 503}', "INFO end"])
    read = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)
    assert next(e["message"] for e in read["events"]) == "INFO start"
    assert len(read["events"]) == 4
    assert read["nextForwardToken"].startswith("f/")
    again = logs.get_log_events(
        logGroupName="g", logStreamName="s", startFromHead=True, nextToken=read["nextForwardToken"]
    )
    assert again["events"] == []
    two = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True, limit=2)
    assert [e["message"] for e in two["events"]] == ["INFO start", "ERROR boom 500"]
    found = lambda pattern: [  # noqa: E731 - a table of patterns follows
        e["message"] for e in logs.filter_log_events(logGroupName="g", filterPattern=pattern)["events"]
    ]
    assert found("ERROR") == ["ERROR boom 500"]
    assert found('"boom 500"') == ["ERROR boom 500"]
    assert found("?start ?end") == ["INFO start", "INFO end"]
    assert found("INFO -end") == ["INFO start"]
    assert found('{ $.status = 503 && $.level = "error" }') == ['{"level": "error", "status": 503}']
    late = logs.filter_log_events(logGroupName="g", startTime=start + 2500)["events"]
    assert [e["message"] for e in late] == ["INFO end"]
    assert refusal(logs.get_log_events, logGroupName="g", logStreamName="none") == "ResourceNotFoundException"


def test_metric_filters_turn_lines_into_metrics(admin: AwsAccount, logs: Any) -> None:
    logs.create_log_group(logGroupName="g")
    change = {"metricName": "errors", "metricNamespace": "Shop", "metricValue": "1", "defaultValue": 0.0}
    logs.put_metric_filter(logGroupName="g", filterName="errors", filterPattern="ERROR", metricTransformations=[change])
    filters = logs.describe_metric_filters(logGroupName="g")["metricFilters"]
    assert [(f["filterName"], f["filterPattern"]) for f in filters] == [("errors", "ERROR")]
    matches = logs.test_metric_filter(filterPattern="ERROR", logEventMessages=["ERROR a", "fine"])["matches"]
    assert [(m["eventNumber"], m["eventMessage"]) for m in matches] == [(1, "ERROR a")]
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    when = int(time.time() * 1000)
    lines = [{"timestamp": when, "message": text} for text in ("ERROR a", "ERROR b", "fine")]
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=lines)
    stats = admin.client("cloudwatch").get_metric_statistics(
        Namespace="Shop",
        MetricName="errors",
        StartTime=now() - datetime.timedelta(minutes=10),
        EndTime=now() + datetime.timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in stats) == 2
    logs.delete_metric_filter(logGroupName="g", filterName="errors")
    assert refusal(logs.delete_metric_filter, logGroupName="g", filterName="errors") == "ResourceNotFoundException"


def answered(logs: Any, query: str, group: str = "g") -> list[dict[str, str]]:
    """Rows of a Logs Insights query over the last hour."""
    started = logs.start_query(
        logGroupName=group, startTime=int(time.time()) - 3600, endTime=int(time.time()) + 60, queryString=query
    )
    deadline = time.monotonic() + 20
    while True:
        answer = logs.get_query_results(queryId=started["queryId"])
        if answer["status"] in ("Complete", "Failed"):
            assert answer["status"] == "Complete"
            return [
                {cell["field"]: cell["value"] for cell in row if cell["field"] != "@ptr"} for row in answer["results"]
            ]
        assert time.monotonic() < deadline, f"the query was last {answer['status']}"


LINES = [
    '{"level": "info", "path": "/cart", "ms": 12, "id": "r1"}',
    '{"level": "error", "path": "/pay", "ms": 950, "id": "r2"}',
    '{"level": "error", "path": "/pay", "ms": 1050, "id": "r3"}',
    '{"level": "info", "path": "/pay", "ms": 30, "id": "r4"}',
    "plain text user=ann took 7ms",
]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("fields id | filter level = 'error' | sort ms desc", [{"id": "r3"}, {"id": "r2"}]),
        ("filter level = 'error' | fields id, ms | sort ms asc | limit 1", [{"id": "r2", "ms": "950"}]),
        ("filter ispresent(level) | stats count(*) as n by path | sort path asc",
         [{"path": "/cart", "n": "1"}, {"path": "/pay", "n": "3"}]),
        ("filter path = '/pay' | stats avg(ms) as a, max(ms) as m, min(ms) as l",
         [{"a": "676.6667", "m": "1050", "l": "30"}]),
        ("filter @message like /user=/ | parse @message 'user=* took *ms' as who, took | fields who, took",
         [{"who": "ann", "took": "7"}]),
        ("filter ms > 900 and level in ['error'] | fields concat(id, '!') as x | sort id asc",
         [{"x": "r2!"}, {"x": "r3!"}]),
        ("filter @message like 'plain' | stats count(*) as n", [{"n": "1"}]),
        ("filter ispresent(ms) | fields ms / 10 as tenth, id | filter tenth > 90 | sort id desc | display id",
         [{"id": "r3"}, {"id": "r2"}]),
        ("filter ispresent(id) | dedup level | sort id asc | fields level | limit 5", None),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_insights_queries(logs: Any, query: str, rows: list[dict[str, str]] | None) -> None:
    written(logs, LINES)
    found = answered(logs, query)
    if rows is None:
        assert sorted(row["level"] for row in found) == ["error", "info"]
        return
    assert [{name: row[name] for name in row if name in rows[0]} for row in found] == rows


def test_insights_bad_queries_and_missing_groups(logs: Any) -> None:
    logs.create_log_group(logGroupName="g")
    window = {"startTime": int(time.time()) - 60, "endTime": int(time.time())}
    assert refusal(logs.start_query, logGroupName="g", queryString="fields |||", **window) == "MalformedQueryException"
    assert refusal(logs.start_query, logGroupName="none", queryString="fields @message", **window) == (
        "ResourceNotFoundException"
    )
    assert refusal(logs.get_query_results, queryId="0" * 8) in (
        "ResourceNotFoundException",
        "InvalidParameterException",
    )
    assert answered(logs, "fields @message") == []


def test_insights_by_time(logs: Any) -> None:
    written(logs, LINES)
    rows = answered(logs, "fields @timestamp, @message | sort @timestamp desc | limit 2")
    assert len(rows) == 2
    assert rows[0]["@message"] == LINES[4]
    assert rows[0]["@timestamp"] > rows[1]["@timestamp"]
    binned = answered(logs, "stats count(*) as n by bin(1h) as hour")
    assert sum(int(row["n"]) for row in binned) == 5


def test_saved_queries_and_keys(admin: AwsAccount, logs: Any) -> None:
    logs.create_log_group(logGroupName="g")
    saved = logs.put_query_definition(name="errors", queryString="filter level = 'error'", logGroupNames=["g"])
    listed = logs.describe_query_definitions(queryDefinitionNamePrefix="err")["queryDefinitions"]
    assert [(q["queryDefinitionId"], q["name"]) for q in listed] == [(saved["queryDefinitionId"], "errors")]
    assert logs.delete_query_definition(queryDefinitionId=saved["queryDefinitionId"])["success"] is True
    assert logs.describe_query_definitions()["queryDefinitions"] == []
    key = admin.client("kms").create_key()["KeyMetadata"]["Arn"]
    logs.associate_kms_key(logGroupName="g", kmsKeyId=key)
    assert logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0]["kmsKeyId"] == key
    logs.disassociate_kms_key(logGroupName="g")
    assert "kmsKeyId" not in logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0]


def test_subscription_filters_deliver_to_a_stream(admin: AwsAccount, logs: Any) -> None:
    logs.create_log_group(logGroupName="g")
    stream = admin.client("kinesis")
    stream.create_stream(StreamName="sink", ShardCount=1)
    stream.get_waiter("stream_exists").wait(StreamName="sink")
    arn = stream.describe_stream(StreamName="sink")["StreamDescription"]["StreamARN"]
    role = f"arn:aws:iam::{admin.account}:role/to-kinesis"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    admin.client("iam").create_role(RoleName="to-kinesis", AssumeRolePolicyDocument=json.dumps(trust))
    logs.put_subscription_filter(logGroupName="g", filterName="all", filterPattern="", destinationArn=arn, roleArn=role)
    filters = logs.describe_subscription_filters(logGroupName="g")["subscriptionFilters"]
    assert [(f["filterName"], f["destinationArn"]) for f in filters] == [("all", arn)]
    logs.delete_subscription_filter(logGroupName="g", filterName="all")
    assert logs.describe_subscription_filters(logGroupName="g")["subscriptionFilters"] == []


def test_changes_of_an_alarm_are_in_its_history(admin: AwsAccount) -> None:
    cloudwatch = admin.client("cloudwatch")
    alarm = {"AlarmName": "errors", "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
             "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}  # fmt: skip
    cloudwatch.put_metric_alarm(**alarm)
    cloudwatch.put_metric_alarm(**{**alarm, "Threshold": 2.0})
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="drill")
    every = cloudwatch.describe_alarm_history(AlarmName="errors")["AlarmHistoryItems"]
    kinds = [item["HistoryItemType"] for item in every]
    assert (kinds[0], kinds[-2:]) == ("StateUpdate", ["ConfigurationUpdate", "ConfigurationUpdate"])
    changes = cloudwatch.describe_alarm_history(AlarmName="errors", HistoryItemType="ConfigurationUpdate")
    summaries = [item["HistorySummary"] for item in changes["AlarmHistoryItems"]]
    assert summaries == ['Alarm "errors" updated', 'Alarm "errors" created']
    assert refusal(cloudwatch.put_metric_alarm, **{**alarm, "Period": 7}) == "ValidationError"


def test_metric_data_that_is_refused(admin: AwsAccount) -> None:
    put = admin.client("cloudwatch").put_metric_data
    sums = {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}
    assert refusal(put, Namespace="AWS/EC2", MetricData=[{"MetricName": "M", "Value": 1}]) == "InvalidParameterValue"
    both = [{"MetricName": "M", "Value": 1, "StatisticValues": sums}]
    assert refusal(put, Namespace="Shop", MetricData=both) == "InvalidParameterCombination"
    uneven = [{"MetricName": "M", "Values": [1, 2], "Counts": [1]}]
    assert refusal(put, Namespace="Shop", MetricData=uneven) == "InvalidParameterValue"


def test_anomaly_detectors(admin: AwsAccount) -> None:
    cloudwatch = admin.client("cloudwatch")
    about = {"Namespace": "Shop", "MetricName": "Latency", "Stat": "Average"}
    cloudwatch.put_anomaly_detector(SingleMetricAnomalyDetector=about)
    (read,) = cloudwatch.describe_anomaly_detectors(Namespace="Shop")["AnomalyDetectors"]
    assert read["SingleMetricAnomalyDetector"] == about
    cloudwatch.delete_anomaly_detector(SingleMetricAnomalyDetector=about)
    assert refusal(cloudwatch.delete_anomaly_detector, SingleMetricAnomalyDetector=about) == "ResourceNotFoundException"


def test_a_subscription_filter_feeds_a_stream(admin: AwsAccount) -> None:
    logs, kinesis, iam = (admin.client(name) for name in ("logs", "kinesis", "iam"))
    logs.create_log_group(logGroupName="shop")
    logs.create_log_stream(logGroupName="shop", logStreamName="one")
    trust = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="logs", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    stream = f"arn:aws:kinesis:us-east-1:{admin.account}:stream/errors"
    wanted = {"logGroupName": "shop", "filterName": "errors", "filterPattern": "ERROR", "destinationArn": stream,
              "roleArn": role}  # fmt: skip
    assert refusal(logs.put_subscription_filter, **wanted) == "InvalidParameterException"
    kinesis.create_stream(StreamName="errors", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="errors", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    logs.put_subscription_filter(**wanted)
    logs.put_subscription_filter(**{**wanted, "filterName": "second"})
    assert refusal(logs.put_subscription_filter, **{**wanted, "filterName": "third"}) == "LimitExceededException"
    logs.delete_subscription_filter(logGroupName="shop", filterName="second")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": text} for text in ("ERROR one", "fine")]
    logs.put_log_events(logGroupName="shop", logStreamName="one", logEvents=events)
    shard = kinesis.list_shards(StreamName="errors")["Shards"][0]["ShardId"]
    where = kinesis.get_shard_iterator(StreamName="errors", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    (record,) = kinesis.get_records(ShardIterator=where["ShardIterator"])["Records"]
    content = json.loads(gzip.decompress(record["Data"]))
    assert (content["messageType"], content["logGroup"]) == ("DATA_MESSAGE", "shop")
    assert [event["message"] for event in content["logEvents"]] == ["ERROR one"]


def test_logs_are_exported_to_a_bucket_that_allows_it(admin: AwsAccount, unique: str) -> None:
    logs, s3 = admin.client("logs"), admin.client("s3")
    logs.create_log_group(logGroupName="shop")
    logs.create_log_stream(logGroupName="shop", logStreamName="one")
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName="shop", logStreamName="one", logEvents=[{"timestamp": now, "message": "hello"}])
    s3.create_bucket(Bucket=unique)
    wanted = {"logGroupName": "shop", "fromTime": now - 1000, "to": now + 1000, "destination": unique}
    assert refusal(logs.create_export_task, **wanted) == "InvalidParameterException"
    service = {"Effect": "Allow", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}}
    statements = [{**service, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{unique}"},
                  {**service, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{unique}/*"}]  # fmt: skip
    s3.put_bucket_policy(Bucket=unique, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    task = logs.create_export_task(**wanted)["taskId"]
    (read,) = logs.describe_export_tasks(taskId=task)["exportTasks"]
    assert read["status"]["code"] == "COMPLETED"
    body = s3.get_object(Bucket=unique, Key=f"exportedlogs/{task}/one/000000.gz")["Body"].read()
    assert gzip.decompress(body) == b"hello\n"
