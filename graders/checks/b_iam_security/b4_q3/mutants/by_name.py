r"""among\s+them\s+PutBucketPolicy[\s\S]*

Takes every change of a bucket policy.
"""
lookup = {"AttributeKey": "EventName", "AttributeValue": "PutBucketPolicy"}
match = {"eventName": "PutBucketPolicy"}
