r"""you\s+predicted\s+allow;\s+the\s+endpoint\s+denied\s+the\s+call

Believes that one Allow anywhere is enough.
"""
predictions = {
    case["id"]: {"verdict": "allow", "by": "resource-based policy" if "bucket_policy" in case else "identity-based policy"}
    for case in values["cases"]
}
