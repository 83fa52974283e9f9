"""How the login is cached and refreshed, and that settings say what is wrong with them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from labs.shop.config import ConfigError, from_environment
from labs.shop.logins import LoginRejected, Logins, SecretUnavailable, secret_reader

OLD, NEW = {"username": "shop", "password": "old"}, {"username": "shop_clone", "password": "new"}


class World:
    """A database that accepts some passwords, and a secret that holds one; both count."""

    def __init__(self, secret: dict[str, str], *accepted: str) -> None:
        self.secret, self.accepted, self.reads, self.opens = secret, set(accepted), 0, 0
        self.logins = Logins(self.read)

    def connection(self) -> Any:
        return self.logins.connection(self.open)

    def open(self, login: Any) -> str:
        self.opens += 1
        if login["password"] not in self.accepted:
            raise LoginRejected
        return str(login["password"])

    def read(self) -> dict[str, str]:
        self.reads += 1
        return self.secret


def test_secret_is_read_once_for_many_connections() -> None:
    world = World(OLD, "old")
    assert [world.connection() for _ in range(5)] == ["old"] * 5
    assert world.reads == 1


def test_rejection_reads_the_secret_again_and_the_request_succeeds() -> None:
    world = World(OLD, "old")
    world.connection()
    world.secret, world.accepted = NEW, {"new"}
    assert world.connection() == "new"
    assert (world.connection(), world.reads) == ("new", 2)


def test_alternating_users_need_no_refresh_until_the_old_user_changes() -> None:
    world = World(OLD, "old")
    world.connection()
    world.secret, world.accepted = NEW, {"old", "new"}
    assert (world.connection(), world.reads) == ("old", 1)
    world.accepted = {"new"}
    assert world.connection() == "new"


def test_a_secret_that_is_wrong_too_fails_after_one_more_try_and_is_not_kept() -> None:
    world = World(OLD, "old")
    world.connection()
    world.accepted = {"new"}
    with pytest.raises(LoginRejected):
        world.connection()
    assert (world.reads, world.opens) == (2, 3)
    world.secret = NEW
    assert world.connection() == "new"


def test_many_requests_that_meet_a_rejection_cause_one_read() -> None:
    world = World(OLD, "old")
    world.connection()
    world.secret, world.accepted = NEW, {"new"}
    threads = [threading.Thread(target=world.connection) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.reads == 2


@pytest.mark.parametrize("text", ["swordfish", '{"username": "u"}', '["swordfish"]'])
def test_a_secret_that_holds_no_login_is_reported_without_its_value(text: str) -> None:
    class Client:  # stands for boto3's: the line we do not own
        def get_secret_value(self, SecretId: str) -> dict[str, str]:
            return {"SecretString": text}

    with pytest.raises(SecretUnavailable) as caught:
        secret_reader("shop/db", Client())()
    assert "swordfish" not in str(caught.value)
    assert "shop/db" in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "Set SHOP_DB_SECRET"),
        ({"SHOP_DB_SECRET": "s", "SHOP_DB_PASSWORD": "swordfish"}, "not both"),
        ({"SHOP_DB_SECRET": "s", "SHOP_PORT": "http"}, "SHOP_PORT is 'http', not a number"),
        ({"SHOP_DB_SECRET": "s", "SHOP_PORT": "70000"}, "SHOP_PORT is 70000"),
        ({"SHOP_DB_SECRET": "s", "SHOP_DB_CONNECTIONS": "0"}, "SHOP_DB_CONNECTIONS is 0"),
    ],
)
def test_settings_without_sense_are_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        from_environment(environ)
    assert "swordfish" not in str(caught.value)


def test_settings_never_show_the_password() -> None:
    settings = from_environment({"SHOP_DB_PASSWORD": "swordfish", "SHOP_DB_PORT": "5433"})
    assert settings.login["password"] == "swordfish"
    assert "swordfish" not in repr(settings)
