r"""ValidationException

Invents a filter key.
"""
archive_filter = {"principalArn": {"eq": [values["sync_arn"]]}}
