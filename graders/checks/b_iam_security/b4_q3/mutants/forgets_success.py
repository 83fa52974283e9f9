r"""refused\s+and\s+changed\s+nothing

Who, what and where, without asking whether it succeeded.
"""
lookup = {"AttributeKey": "EventName", "AttributeValue": "PutBucketPolicy"}
match = {"sourceIPAddress": values["attacker"], "requestParameters.bucketName": values["site"]}
