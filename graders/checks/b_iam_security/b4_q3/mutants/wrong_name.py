r"""0\s+events[\s\S]*not\s+among\s+them

Writes the IAM action in place of the event's name.
"""
lookup = {"AttributeKey": "ResourceName", "AttributeValue": values["site"]}
match = {"eventName": "s3:PutBucketPolicy", "sourceIPAddress": values["attacker"], "errorCode": None}
