r"""perform\s+sts:TagSession

Allows one of the two actions.
"""
tags = {"aws:RequestTag/kubernetes-namespace": values["namespace"],
        "aws:RequestTag/kubernetes-service-account": values["service_account"]}
trust_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
     "Action": ["sts:AssumeRole"], "Condition": {"StringEquals": tags}},
]}
role_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['bucket']}/{values['folder']}/*"},
]}
