"""What is said about a rotation and the versions it leaves."""

from __future__ import annotations

from typing import Any

from graders.checks.b_iam_security.shop_checks import NOT_COUNTED
from graders.exercise import Finding

HINTS = {
    "createSecret": "Compare the call that AWS refused with the steps the lab began with. Which version is it about?",
    "setSecret": (
        "setSecret works on the version whose id is the token and which carries AWSPENDING. Does createSecret write "
        "that version?"
    ),
    "testSecret": "The pending login does not work: compare it with what setSecret was given.",
    "finishSecret": "A label moves from a version to a version: AWS wants to be told both.",
    "customers": "Between setSecret and finishSecret the shop still has the old login. Does it still work then?",
    "both": (
        "When the rotation is over, a shop that has not noticed still uses AWSPREVIOUS. Give the new version another "
        "user, so that the old one keeps its password."
    ),
    "new": (
        "AWSCURRENT moved before the database knew the password: a value written without VersionStages is AWSCURRENT "
        "at once."
    ),
    "again": (
        "createSecret runs again with the same token. If that version has a value already, keep it: setSecret may "
        "have told the database."
    ),
    "turns": "Two users take turns: name, name_clone, name. Each version needs a random password of its own.",
}


def rotated(name: str, rotation: Any, points: float) -> Finding:
    """Whether a rotation ended well, with a hint for the step at which it did not."""
    hint = HINTS["again"] if "ResourceExistsException" in rotation.reason else HINTS.get(rotation.step, HINTS["again"])
    return Finding(name, points, rotation.succeeded, str(rotation), "all four steps succeed", hint)


def labels_moved(shop: Any, before: str, rotation: Any, points: float) -> Finding:
    """Whether the labels are where AWS's own templates leave them."""
    stages = shop.stages()
    words = {before: "old version", rotation.version: "new version"}
    observed = "; ".join(f"{words.get(version, 'another')}: {', '.join(held)}" for version, held in stages.items())
    passed = stages == {rotation.version: ["AWSCURRENT"], before: ["AWSPREVIOUS"]}
    expected = "new version: AWSCURRENT; old version: AWSPREVIOUS"
    return Finding("the labels are on the right versions", points, passed, observed, expected, HINTS["setSecret"])


def both_work(shop: Any, rotation: Any, points: float) -> Finding:
    """Whether the database accepts the new login and, still, the old one."""
    name, expected = "the database accepts AWSCURRENT and still AWSPREVIOUS", "both accepted"
    if not rotation.succeeded:
        return Finding(name, points, False, NOT_COUNTED, expected, HINTS["both"])
    accepted = {label: shop.database.accepts(shop.current(label)) for label in ("AWSCURRENT", "AWSPREVIOUS")}
    observed = ", ".join(f"{label} is {'accepted' if yes else 'rejected'}" for label, yes in accepted.items())
    hint = HINTS["both"] if accepted["AWSCURRENT"] else HINTS["new"]
    return Finding(name, points, all(accepted.values()), observed, expected, hint)
