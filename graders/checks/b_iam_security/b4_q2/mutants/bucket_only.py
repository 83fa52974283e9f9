r"""the\s+partner's\s+role\s+and\s+the\s+queue[\s\S]*ACTIVE[\s\S]*agreed\s+with\s+the\s+partner

Forgets the queue.
"""
archive_filter = {
    "principal.AWS": {"eq": [values["sync_arn"]]},
    "resource": {"eq": [f"arn:aws:s3:::{values['site']}"]},
}
