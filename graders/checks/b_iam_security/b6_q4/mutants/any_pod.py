r"""a\s+pod\s+of\s+another\s+service\s+account

Trusts every association.
"""
tags = {"aws:RequestTag/kubernetes-namespace": values["namespace"],
        "aws:RequestTag/kubernetes-service-account": values["service_account"]}
trust_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
     "Action": ["sts:AssumeRole", "sts:TagSession"]},
]}
role_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['bucket']}/{values['folder']}/*"},
]}
