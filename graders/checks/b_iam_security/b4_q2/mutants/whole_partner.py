r"""trainee\s+gets\s+at\s+the\s+queue[\s\S]*ARCHIVED[\s\S]*whole\s+ARN

Compares the partner's account number only.
"""
archive_filter = {
    "principal.AWS": {"contains": [values["partner_account"]]},
    "resource": {"eq": [f"arn:aws:s3:::{values['site']}",
                        f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"]},
}
