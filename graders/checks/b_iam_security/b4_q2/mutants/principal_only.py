r"""role\s+gets\s+at\s+another\s+bucket[\s\S]*ARCHIVED[\s\S]*trusts\s+this\s+role\s+everywhere

Archives whatever the partner's role may do.
"""
archive_filter = {"principal.AWS": {"eq": [values["sync_arn"]]}}
