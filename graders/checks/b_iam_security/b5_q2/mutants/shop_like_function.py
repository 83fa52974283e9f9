r"""shop moves a label[\s\S]*allowed[\s\S]*only\s+reads

Gives the shop what the function has.
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
        {"Effect": "Allow", "Action": own, "Resource": f"{secret_arn}{values['secret']}-??????"},
    ],
}
