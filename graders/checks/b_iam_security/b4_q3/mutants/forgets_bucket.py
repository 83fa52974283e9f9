r"""same\s+call\s+for\s+another\s+bucket

Finds the thief's call for the other bucket, too.
"""
lookup = {"AttributeKey": "EventName", "AttributeValue": "PutBucketPolicy"}
match = {"sourceIPAddress": values["attacker"], "errorCode": None}
