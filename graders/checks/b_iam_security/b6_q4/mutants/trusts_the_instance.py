r"""perform\s+sts:AssumeRole

Names the service that instances use.
"""
tags = {"aws:RequestTag/kubernetes-namespace": values["namespace"],
        "aws:RequestTag/kubernetes-service-account": values["service_account"]}
trust_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
     "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": tags}},
]}
role_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['bucket']}/{values['folder']}/*"},
]}
