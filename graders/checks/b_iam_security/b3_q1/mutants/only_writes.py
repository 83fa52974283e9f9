r"""the\s+job's\s+objects:\s+reads[\s\S]*no\s+such\s+event|reads\s+\(0\.25[\s\S]*The\s+job\s+reads,\s+too

Limits the objects to what is written.
"""
account = values["account"]
wanted = {
    "AWS::S3::Object": f"arn:aws:s3:::{values['bucket']}/",
    "AWS::Lambda::Function": f"arn:aws:lambda:us-east-1:{account}:function:{values['canary']}",
    "AWS::SQS::Queue": f"arn:aws:sqs:us-east-1:{account}:{values['queue']}",
}
selectors = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}] + [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "readOnly", "Equals": ["false"]},
                        {"Field": "resources.type", "Equals": [kind]},
                        {"Field": "resources.ARN", "StartsWith": [arn]}]}
    for kind, arn in wanted.items()
]
