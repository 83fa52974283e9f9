r"""everybody\s+gets\s+at\s+the\s+site\s+bucket[\s\S]*ARCHIVED[\s\S]*name\s+the\s+principal\s+too

Archives whatever is found about two resources.
"""
archive_filter = {
    "resource": {"eq": [f"arn:aws:s3:::{values['site']}",
                        f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"]},
}
