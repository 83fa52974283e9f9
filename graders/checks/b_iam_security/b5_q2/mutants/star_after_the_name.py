r"""shop reads the administrator's secret[\s\S]*allowed[\s\S]*Six\s+question\s+marks

A pattern that ends in -* covers the -admin secret too.
"""
secret_arn = f"arn:aws:secretsmanager:us-east-1:{values['account']}:secret:"
own = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]
rotation_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": own, "Resource": f"{secret_arn}{values['secret']}-??????"},
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{secret_arn}{values['admin_secret']}-??????"},
        {"Effect": "Allow", "Action": "secretsmanager:GetRandomPassword", "Resource": "*"},
    ],
}
shop_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{secret_arn}{values['secret']}-*"},
    ],
}
