"""The store in DynamoDB: one table, the key ``pk`` (what it is) and ``sk``.

    product / SKU       name, cents, stock
    cart#ID / -         items {SKU: quantity}, ordered (the order's id), version, expires
    order#ID / -        cart, items [{…}], cents
    key#KEY / -         order, fingerprint, expires

An order is one ``TransactWriteItems``: every product's stock falls only where enough is left, and the cart (or the
idempotency key) is claimed only where nobody has.  ``expires`` is for the table's time to live.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from typing import Any

from labs.shop.aws import Aws
from labs.shop.catalog import PRODUCTS
from labs.shop.errors import AwsError, Conflict, KeyReused, NotFound, Unavailable
from labs.shop.store import Found, Items, fingerprint, sold_out, total

KEPT_SECONDS = 7 * 86_400  # of carts and idempotency keys
TRIES = 6  # of a transaction that met another one
Item = dict[str, Any]


class DynamoStore:
    """See :class:`labs.shop.store.Store`."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws, self._table = aws, table

    async def ping(self) -> None:
        await self._get("health")

    async def products(self) -> list[Found]:
        asked: Item = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "product"}},
        }
        found: list[Found] = []
        while True:
            answer = await self._call("Query", **asked)
            found += [_product(item) for item in answer["Items"]]
            if not answer.get("LastEvaluatedKey"):
                return found
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def product(self, sku: str) -> Found:
        item = await self._get("product", sku)
        if item is None:
            raise NotFound(f"there is no product {sku}")
        return _product(item)

    async def new_cart(self) -> str:
        cart = str(uuid.uuid4())
        item = _key(f"cart#{cart}") | {"items": {"M": {}}, "version": {"N": "0"}, "expires": _expires()}
        await self._call("PutItem", TableName=self._table, Item=item)
        return cart

    async def put_item(self, cart: str, sku: str, quantity: int) -> Found:
        await self.product(sku)
        change = ("SET #i.#s = :q" if quantity else "REMOVE #i.#s") + " ADD #v :one"
        values = {":one": {"N": "1"}} | ({":q": {"N": str(quantity)}} if quantity else {})
        try:
            answer = await self._call(
                "UpdateItem",
                TableName=self._table,
                Key=_key(f"cart#{cart}"),
                UpdateExpression=change,
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(#o)",
                ExpressionAttributeNames={"#i": "items", "#s": sku, "#v": "version", "#o": "ordered"},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except _ConditionFailed:
            await self._existing_cart(cart)
            raise Conflict(f"cart {cart} is ordered already", "ordered") from None
        return await self._shown(cart, answer["Attributes"])

    async def cart(self, cart: str) -> Found:
        return await self._shown(cart, await self._existing_cart(cart))

    async def check_out(self, cart: str) -> tuple[Found, bool]:
        for attempt in range(TRIES):
            item = await self._existing_cart(cart)
            if "ordered" in item:
                return await self.order(item["ordered"]["S"]), False
            content = _quantities(item)
            if not content:
                raise Conflict(f"cart {cart} is empty", "empty")
            order = await self._priced(content, cart)
            # the version: what is ordered is what was read, not what somebody put in meanwhile
            claim = {
                "Update": {
                    "TableName": self._table,
                    "Key": _key(f"cart#{cart}"),
                    "UpdateExpression": "SET #o = :o",
                    "ConditionExpression": "attribute_not_exists(#o) AND #v = :v",
                    "ExpressionAttributeNames": {"#o": "ordered", "#v": "version"},
                    "ExpressionAttributeValues": {":o": {"S": order["id"]}, ":v": item["version"]},
                }
            }
            if await self._write(order, claim):
                return order, True
            await _pause(attempt)
        raise Unavailable("too many transactions at a time")

    async def place_order(self, items: Items, key: str) -> tuple[Found, bool]:
        for attempt in range(TRIES):
            known = await self._get(f"key#{key}")
            if known is not None:
                if known["fingerprint"]["S"] != fingerprint(items):
                    raise KeyReused(f"the idempotency key {key} was used for another order")
                return await self.order(known["order"]["S"]), False
            order = await self._priced(items, None)
            mark = {"order": {"S": order["id"]}, "fingerprint": {"S": fingerprint(items)}, "expires": _expires()}
            claim = {
                "Put": {
                    "TableName": self._table,
                    "Item": _key(f"key#{key}") | mark,
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            }
            if await self._write(order, claim):
                return order, True
            await _pause(attempt)
        raise Unavailable("too many transactions at a time")

    async def order(self, order: str) -> Found:
        item = await self._get(f"order#{order}")
        if item is None:
            raise NotFound(f"there is no order {order}")
        return dict(json.loads(item["content"]["S"]))

    async def close(self) -> None:
        await self._aws.close()

    async def _write(self, order: Found, claim: Item) -> bool:
        """Claim, take the stock, write the order, all or nothing; false where it must be tried again.

        :raises Conflict: too little is left of a product
        """
        writes: list[Item] = [claim]
        for item in order["items"]:
            taken = {
                "TableName": self._table,
                "Key": _key("product", item["sku"]),
                "UpdateExpression": "SET #s = #s - :q",
                "ConditionExpression": "#s >= :q",
                "ExpressionAttributeNames": {"#s": "stock"},
                "ExpressionAttributeValues": {":q": {"N": str(item["quantity"])}},
            }
            writes.append({"Update": taken})
        written = _key(f"order#{order['id']}") | {"content": {"S": json.dumps(order)}}
        writes.append({"Put": {"TableName": self._table, "Item": written}})
        try:
            await self._call("TransactWriteItems", TransactItems=writes)
        except _Cancelled as error:
            for item, reason in zip(order["items"], error.reasons[1:], strict=False):
                if reason == "ConditionalCheckFailed":
                    raise sold_out(item["sku"]) from None
            return False  # the claim failed, or another transaction was at work on the same items
        return True

    async def _priced(self, items: Items, cart: str | None) -> Found:
        products = {product["sku"]: product for product in await self.products()}
        for sku in items:
            if sku not in products:
                raise NotFound(f"there is no product {sku}")
        priced = _priced(items, products)
        return {"id": str(uuid.uuid4()), "cart": cart, "items": priced, "cents": total(priced)}

    async def _shown(self, cart: str, item: Item) -> Found:
        items = _quantities(item)
        priced = _priced(items, {product["sku"]: product for product in await self.products()}) if items else []
        return {"id": cart, "items": priced, "cents": total(priced)}

    async def _existing_cart(self, cart: str) -> Item:
        item = await self._get(f"cart#{cart}")
        if item is None:
            raise NotFound(f"there is no cart {cart}")
        return item

    async def _get(self, pk: str, sk: str = "-") -> Item | None:
        answer = await self._call("GetItem", TableName=self._table, Key=_key(pk, sk), ConsistentRead=True)
        return answer.get("Item")

    async def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        try:
            return await self._aws.dynamodb(operation, **asked)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                raise _ConditionFailed from error
            if error.code == "TransactionCanceledException":
                reasons = error.answer.get("CancellationReasons", [])
                raise _Cancelled([str(reason.get("Code", "")) for reason in reasons]) from error
            if error.code == "TransactionConflictException":
                raise _Cancelled([]) from error
            raise Unavailable(str(error)) from error


class _ConditionFailed(Exception):
    """``ConditionalCheckFailedException``."""


class _Cancelled(Exception):
    """``TransactionCanceledException``, with a code for each item ("None" where nothing was wrong with it)."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


async def make_table(aws: Aws, table: str) -> None:
    """The table with its first products, where it is missing; what is there stays as it is.

    :raises Unavailable: DynamoDB refused, or the table was not active after 30 s
    """
    try:
        await aws.dynamodb(
            "CreateTable",
            TableName=table,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )
    except AwsError as error:
        if error.code != "ResourceInUseException":
            raise Unavailable(str(error)) from error
    deadline, status = time.monotonic() + 30, ""
    while status != "ACTIVE":
        if time.monotonic() > deadline:
            raise Unavailable(f"the table {table} is {status or 'unknown'} after 30 s")
        try:
            status = (await aws.dynamodb("DescribeTable", TableName=table))["Table"]["TableStatus"]
        except AwsError as error:
            raise Unavailable(str(error)) from error
        await asyncio.sleep(0 if status == "ACTIVE" else 0.2)
    for product in PRODUCTS:
        item = _key("product", product["sku"]) | {
            "name": {"S": product["name"]}, "cents": {"N": str(product["cents"])}, "stock": {"N": str(product["stock"])}
        }  # fmt: skip
        try:
            await aws.dynamodb("PutItem", TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise Unavailable(str(error)) from error


def _key(pk: str, sk: str = "-") -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _expires() -> Item:
    return {"N": str(int(time.time()) + KEPT_SECONDS)}


def _product(item: Item) -> Found:
    return {
        "sku": item["sk"]["S"],
        "name": item["name"]["S"],
        "cents": int(item["cents"]["N"]),
        "stock": int(item["stock"]["N"]),
    }


def _quantities(item: Item) -> dict[str, int]:
    return {sku: int(count["N"]) for sku, count in sorted(item["items"]["M"].items())}


def _priced(items: Items, products: dict[str, Found]) -> list[Found]:
    return [
        {"sku": sku, "name": products[sku]["name"], "quantity": count, "cents": products[sku]["cents"]}
        for sku, count in sorted(items.items())
    ]


async def _pause(attempt: int) -> None:
    """Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog)."""
    await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))
