"""The shop on the AWS endpoint: DynamoDB as its store, pictures in S3, secrets from Secrets Manager, IAM in between."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from labs.aws.account import AwsAccount
from tests.labs.shop.conftest import aws_environment


@pytest.fixture
def account(endpoint: str) -> AwsAccount:
    return AwsAccount(endpoint, str(secrets.randbelow(10**11) + 3 * 10**11))


@pytest.fixture
def environment(account: AwsAccount) -> dict[str, str]:
    return aws_environment(account.endpoint, account.account)


def get(shop: Any, path: str, **more: Any) -> httpx.Response:
    return httpx.get(f"{shop.url}{path}", trust_env=False, timeout=15, **more)


def migrate(environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "labs.shop", "migrate"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_without_a_database_the_shop_sells_from_dynamodb_with_pictures_from_s3(
    run_shop: Any, account: AwsAccount, environment: dict[str, str]
) -> None:
    account.client("s3").create_bucket(Bucket=f"shop-images-{account.account}")
    settings = {**environment, "SHOP_STORE": "dynamodb", "SHOP_IMAGES_BUCKET": f"shop-images-{account.account}"}
    for _ in range(2):
        status, said = migrate(settings)
        assert status == 0, said
    backend = run_shop(**settings)
    frontend = run_shop("frontend", SHOP_BACKEND_URL=backend.url)
    assert get(backend, "/readyz").json()["checks"] == {"database": "ok"}
    picture = get(frontend, "/products/1001/image")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["cache-control"] == "public, max-age=3600"  # not the plain one, which is kept for 10 s
    assert get(backend, "/api/products/9999/image").status_code == 404
    with httpx.Client(base_url=frontend.url, trust_env=False, follow_redirects=True, timeout=15) as customer:
        for form in ("/basket", "/checkout"):
            page = customer.get("/products/1004" if form == "/basket" else "/basket").text
            fields = dict(re.findall(r'name="(token|cart|sku)" value="([^"]*)"', page))
            answer = customer.post(form, data={**fields, "quantity": "2"})
    assert answer.url.path.startswith("/orders/")
    assert get(backend, "/api/products/1004").json()["stock"] == 118
    assert backend.stop() == 0


def test_a_role_that_may_not_read_makes_not_ready_and_says_so_in_the_log_only(
    run_shop: Any, account: AwsAccount, environment: dict[str, str]
) -> None:
    status, said = migrate({**environment, "SHOP_STORE": "dynamodb"})
    assert status == 0, said
    iam = account.client("iam")
    iam.create_user(UserName="shop")
    key = iam.create_access_key(UserName="shop")["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    shop = run_shop(**{**environment, **own}, SHOP_STORE="dynamodb")
    answer = get(shop, "/api/products")
    assert (answer.status_code, "dynamodb" in answer.text) == (503, False)
    assert any("AccessDenied" in line.get("reason", "") for line in shop.log())
    allowed = {"Effect": "Allow", "Action": ["dynamodb:Query", "dynamodb:GetItem"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="shop", PolicyName="read", PolicyDocument=policy)
    assert get(shop, "/api/products").status_code == 200
    assert httpx.post(f"{shop.url}/api/carts", trust_env=False, timeout=15).status_code == 503


def test_a_session_secret_is_rotated_while_the_frontend_runs(
    run_shop: Any, account: AwsAccount, environment: dict[str, str]
) -> None:
    client = account.client("secretsmanager")
    client.create_secret(Name="shop/session", SecretString=secrets.token_hex(16))
    backend = run_shop(SHOP_STORE="memory")
    settings = {**environment, "SHOP_SESSION_SECRET_ID": "shop/session", "SHOP_SECRET_SECONDS": "0.5"}
    frontends = [run_shop("frontend", SHOP_BACKEND_URL=backend.url, **settings) for _ in range(2)]
    with httpx.Client(trust_env=False, timeout=15) as customer:
        page = customer.get(frontends[0].url).text
        fields = dict(re.findall(r'name="(token)" value="([^"]*)"', page))
        for turn in range(4):  # each replica in turn, the secret changing in between
            if turn == 2:
                client.put_secret_value(SecretId="shop/session", SecretString=secrets.token_hex(16))
                time.sleep(0.6)
            form = {**fields, "sku": "1001", "quantity": str(turn + 1)}
            assert customer.post(f"{frontends[turn % 2].url}/basket", data=form).status_code == 303
        basket = customer.get(f"{frontends[1].url}/basket").text
    assert 'value="4"' in basket
    assert "SHOP_SESSION_SECRET" not in str([shop.log() for shop in frontends])


def test_missing_credentials_and_a_missing_endpoint_are_errors_with_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from labs.shop import aws
    from labs.shop.errors import AwsError

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    aws._session.cache_clear()
    with pytest.raises(AwsError, match="no AWS credentials"):
        aws.SecretsManager().get_secret_value("shop/db")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    aws._session.cache_clear()
    with pytest.raises(AwsError, match="GetSecretValue: ConnectError"):
        aws.SecretsManager().get_secret_value("shop/db")

    async def call() -> None:
        client = aws.Aws()
        try:
            await client.dynamodb("ListTables")
        finally:
            await client.close()

    with pytest.raises(AwsError, match="ListTables: ConnectError"):
        asyncio.run(call())
    aws._session.cache_clear()
