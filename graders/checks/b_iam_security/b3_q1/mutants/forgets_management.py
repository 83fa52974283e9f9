r"""management\s+events[\s\S]*no\s+such\s+event[\s\S]*Selectors\s+replace

Adds data events and loses all others.
"""
account = values["account"]
wanted = {
    "AWS::S3::Object": f"arn:aws:s3:::{values['bucket']}/",
    "AWS::Lambda::Function": f"arn:aws:lambda:us-east-1:{account}:function:{values['canary']}",
    "AWS::SQS::Queue": f"arn:aws:sqs:us-east-1:{account}:{values['queue']}",
}
selectors = [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "resources.type", "Equals": [kind]},
                        {"Field": "resources.ARN", "StartsWith": [arn]}]}
    for kind, arn in wanted.items()
]
