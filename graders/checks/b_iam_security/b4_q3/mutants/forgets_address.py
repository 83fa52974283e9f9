r"""by\s+somebody\s+else\s+or\s+from\s+elsewhere

Looks at the role and the bucket, not at where the call came from.
"""
lookup = {"AttributeKey": "ResourceName", "AttributeValue": values["site"]}
match = {
    "eventName": "PutBucketPolicy",
    "userIdentity.arn": f"arn:aws:sts::{values['account']}:assumed-role/{values['web']}/{values['instance']}",
    "errorCode": None,
}
