r"""the\s+customers'\s+bucket[\s\S]*PutObject[\s\S]*limit\s+this\s+kind\s+of\s+resource

Logs the objects of every bucket.
"""
account = values["account"]
wanted = {
    "AWS::Lambda::Function": f"arn:aws:lambda:us-east-1:{account}:function:{values['canary']}",
    "AWS::SQS::Queue": f"arn:aws:sqs:us-east-1:{account}:{values['queue']}",
}
selectors = [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]},
] + [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "resources.type", "Equals": [kind]},
                        {"Field": "resources.ARN", "Equals": [arn]}]}
    for kind, arn in wanted.items()
]
