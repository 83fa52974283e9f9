"""DynamoDB as the labs use it (Amazon DynamoDB Developer Guide and API Reference)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


@pytest.fixture
def ddb(admin: AwsAccount) -> Any:
    return admin.client("dynamodb")


@pytest.fixture
def table(ddb: Any) -> Iterator[str]:
    ddb.create_table(
        TableName="orders",
        AttributeDefinitions=[
            {"AttributeName": "customer", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
            {"AttributeName": "state", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "customer", "KeyType": "HASH"},
            {"AttributeName": "number", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-state",
                "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    ddb.get_waiter("table_exists").wait(TableName="orders")
    return "orders"


def order(customer: str, number: int, state: str = "new") -> dict[str, Any]:
    return {"customer": {"S": customer}, "number": {"N": str(number)}, "state": {"S": state}}


def test_a_table_is_described_and_removed(admin: AwsAccount, ddb: Any, table: str) -> None:
    described = ddb.describe_table(TableName=table)["Table"]
    assert described["TableStatus"] == "ACTIVE"
    assert described["TableArn"] == f"arn:aws:dynamodb:us-east-1:{admin.account}:table/orders"
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [i["IndexName"] for i in described["GlobalSecondaryIndexes"]] == ["by-state"]
    assert ddb.list_tables()["TableNames"] == ["orders"]
    keys = {"KeySchema": described["KeySchema"], "AttributeDefinitions": described["AttributeDefinitions"][:2]}
    assert refusal(ddb.create_table, TableName=table, BillingMode="PAY_PER_REQUEST", **keys) == "ResourceInUseException"
    assert refusal(ddb.create_table, TableName="x", **keys) == "ValidationException"  # no throughput
    ddb.update_table(TableName=table, DeletionProtectionEnabled=True)
    assert refusal(ddb.delete_table, TableName=table) in ("ValidationException", "ResourceInUseException")
    ddb.update_table(TableName=table, DeletionProtectionEnabled=False)
    ddb.tag_resource(ResourceArn=described["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
    assert ddb.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    ddb.delete_table(TableName=table)
    ddb.get_waiter("table_not_exists").wait(TableName=table)
    assert refusal(ddb.describe_table, TableName=table) == "ResourceNotFoundException"
    assert refusal(ddb.put_item, TableName=table, Item=order("a", 1)) == "ResourceNotFoundException"


def test_items_are_written_on_conditions(ddb: Any, table: str) -> None:
    ddb.put_item(TableName=table, Item=order("ann", 1))
    put = {"TableName": table, "Item": order("ann", 1, "paid"), "ConditionExpression": "attribute_not_exists(customer)"}
    assert refusal(ddb.put_item, **put) == "ConditionalCheckFailedException"
    with pytest.raises(ClientError) as caught:
        ddb.put_item(**put, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert caught.value.response["Item"] == order("ann", 1)
    key = {"customer": {"S": "ann"}, "number": {"N": "1"}}
    changed = ddb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #s = :paid ADD tries :one",
        ConditionExpression="#s = :new",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":paid": {"S": "paid"}, ":new": {"S": "new"}, ":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert (changed["state"], changed["tries"]) == ({"S": "paid"}, {"N": "1"})
    got = ddb.get_item(TableName=table, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    assert got["Item"] == changed
    assert got["ConsumedCapacity"]["TableName"] == "orders"
    assert ddb.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD")["Attributes"] == changed
    assert "Item" not in ddb.get_item(TableName=table, Key=key)
    assert refusal(ddb.get_item, TableName=table, Key={"customer": {"S": "ann"}}) == "ValidationException"
    assert refusal(ddb.put_item, TableName=table, Item={"customer": {"S": "a"}}) == "ValidationException"
    wrong = {"customer": {"N": "1"}, "number": {"N": "1"}}
    assert refusal(ddb.put_item, TableName=table, Item=wrong) == "ValidationException"


def test_queries_and_scans_page(ddb: Any, table: str) -> None:
    for number in range(5):
        ddb.put_item(TableName=table, Item=order("ann", number, "paid" if number % 2 else "new"))
    ddb.put_item(TableName=table, Item=order("bob", 9))
    query = {
        "TableName": table,
        "KeyConditionExpression": "customer = :c AND #n >= :n",
        "ExpressionAttributeNames": {"#n": "number"},
        "ExpressionAttributeValues": {":c": {"S": "ann"}, ":n": {"N": "1"}},
    }
    first = ddb.query(**query, Limit=2)
    assert [item["number"]["N"] for item in first["Items"]] == ["1", "2"]
    assert (first["Count"], first["ScannedCount"]) == (2, 2)
    rest = ddb.query(**query, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [item["number"]["N"] for item in rest["Items"]] == ["3", "4"]
    assert "LastEvaluatedKey" not in rest
    back = ddb.query(**query, ScanIndexForward=False)
    assert [item["number"]["N"] for item in back["Items"]] == ["4", "3", "2", "1"]
    index = ddb.query(
        TableName=table,
        IndexName="by-state",
        KeyConditionExpression="#s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": "paid"}},
        Select="COUNT",
    )
    assert index["Count"] == 2
    assert "Items" not in index
    scan = ddb.scan(
        TableName=table,
        FilterExpression="#n > :n",
        ProjectionExpression="customer",
        ExpressionAttributeNames={"#n": "number"},
        ExpressionAttributeValues={":n": {"N": "3"}},
    )
    assert sorted(item["customer"]["S"] for item in scan["Items"]) == ["ann", "bob"]
    assert scan["ScannedCount"] == 6
    pages = ddb.get_paginator("scan").paginate(TableName=table, PaginationConfig={"PageSize": 4})
    assert [page["Count"] for page in pages] == [4, 2]
    assert refusal(ddb.query, TableName=table, IndexName="none", KeyConditionExpression="a = :a",
                   ExpressionAttributeValues={":a": {"S": "x"}}) == "ValidationException"  # fmt: skip


def test_batches_and_transactions(ddb: Any, table: str) -> None:
    puts = [{"PutRequest": {"Item": order("ann", n)}} for n in range(3)]
    assert ddb.batch_write_item(RequestItems={table: puts})["UnprocessedItems"] == {}
    keys = [{"customer": {"S": "ann"}, "number": {"N": str(n)}} for n in range(4)]
    assert len(ddb.batch_get_item(RequestItems={table: {"Keys": keys}})["Responses"][table]) == 3
    assert refusal(ddb.batch_write_item, RequestItems={table: [puts[0], puts[0]]}) == "ValidationException"
    exists = {"TableName": table, "Key": keys[3], "ConditionExpression": "attribute_exists(customer)"}
    with pytest.raises(ClientError) as caught:
        ddb.transact_write_items(
            TransactItems=[{"Put": {"TableName": table, "Item": order("eve", 1)}}, {"ConditionCheck": exists}]
        )
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    reasons = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    eve = {"customer": {"S": "eve"}, "number": {"N": "1"}}
    assert "Item" not in ddb.get_item(TableName=table, Key=eve)
    ddb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": order("eve", 1)}}])
    got = ddb.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": eve}}])["Responses"]
    assert got[0]["Item"] == order("eve", 1)


def test_backups_restore_and_point_in_time(ddb: Any, table: str) -> None:
    ddb.put_item(TableName=table, Item=order("ann", 1))
    backup = ddb.create_backup(TableName=table, BackupName="daily")["BackupDetails"]
    assert backup["BackupStatus"] in ("CREATING", "AVAILABLE")
    ddb.delete_item(TableName=table, Key={"customer": {"S": "ann"}, "number": {"N": "1"}})
    ddb.restore_table_from_backup(TargetTableName="restored", BackupArn=backup["BackupArn"])
    ddb.get_waiter("table_exists").wait(TableName="restored")
    assert ddb.scan(TableName="restored")["Items"] == [order("ann", 1)]
    assert [b["BackupName"] for b in ddb.list_backups(TableName=table)["BackupSummaries"]] == ["daily"]
    ddb.delete_backup(BackupArn=backup["BackupArn"])
    assert refusal(ddb.describe_backup, BackupArn=backup["BackupArn"]) == "BackupNotFoundException"
    state = ddb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert state["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    restore = {"SourceTableName": table, "TargetTableName": "pit", "UseLatestRestorableTime": True}
    assert refusal(ddb.restore_table_to_point_in_time, **restore) == "PointInTimeRecoveryUnavailableException"
    ddb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    state = ddb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert state["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_expiry_encryption_and_streams(admin: AwsAccount, ddb: Any, table: str) -> None:
    ddb.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    ttl = ddb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires")
    ddb.update_table(
        TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    stream = ddb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    ddb.put_item(TableName=table, Item=order("ann", 1))
    streams = admin.client("dynamodbstreams")
    shard = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [(r["eventName"], r["dynamodb"]["NewImage"]) for r in records] == [("INSERT", order("ann", 1))]
    key = admin.client("kms").create_key()["KeyMetadata"]["Arn"]
    ddb.update_table(TableName=table, SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
    sse = ddb.describe_table(TableName=table)["Table"]["SSEDescription"]
    assert (sse["Status"], sse["KMSMasterKeyArn"]) == ("ENABLED", key)
