r"""the\s+job's\s+objects:\s+writes\s+\(0\.25[\s\S]*no\s+such\s+event[\s\S]*Each\s+kind\s+of\s+resource

Names the bucket where objects are meant.
"""
account = values["account"]
wanted = {
    "AWS::S3::Object": f"arn:aws:s3:::{values['bucket']}",
    "AWS::Lambda::Function": f"arn:aws:lambda:us-east-1:{account}:function:{values['canary']}",
    "AWS::SQS::Queue": f"arn:aws:sqs:us-east-1:{account}:{values['queue']}",
}
selectors = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}] + [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "resources.type", "Equals": [kind]},
                        {"Field": "resources.ARN", "Equals": [arn]}]}
    for kind, arn in wanted.items()
]
