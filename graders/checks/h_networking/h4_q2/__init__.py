"""h4-q2: one domain, two zones, three places to ask from."""

from graders.exercise import Exercise

CHANGES = {
    "type": "array",
    "maxItems": 20,
    "items": {
        "type": "object",
        "required": ["Action", "ResourceRecordSet"],
        "properties": {
            "Action": {"enum": ["CREATE", "UPSERT", "DELETE"]},
            "ResourceRecordSet": {"type": "object"},
        },
        "additionalProperties": False,
    },
    "description": 'a list of {"Action": …, "ResourceRecordSet": {…}}, as in ChangeResourceRecordSets',
}

EXERCISE = Exercise(
    id="h4-q2",
    points=5,
    lab="h4",
    seconds=4,
    summary="Repair a public and a private zone so that three places are answered as required.",
    answers={
        "public_changes": CHANGES,
        "private_changes": CHANGES,
        "vpcs": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": ["shop", "office"]},
            "description": 'names of the VPCs that the private zone is for, of "shop" and "office"',
        },
    },
)
