r"""was\s+refused\s+and\s+changed\s+nothing

Takes the thief's refused call for the archive as well.
"""
lookup = {"AttributeKey": "EventName", "AttributeValue": "PutBucketPolicy"}
match = {"sourceIPAddress": values["attacker"], "eventSource": "s3.amazonaws.com",
         "requestParameters.nothing": None}
