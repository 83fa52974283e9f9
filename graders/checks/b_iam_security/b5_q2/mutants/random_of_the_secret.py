r"""failed at createSecret[\s\S]*GetRandomPassword[\s\S]*belongs\s+to\s+no\s+secret

Ties GetRandomPassword to the secret.
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
        {"Effect": "Allow", "Action": [*own, "secretsmanager:GetRandomPassword"], "Resource": f"{secret_arn}{values['secret']}-??????"},
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{secret_arn}{values['admin_secret']}-??????"},
    ],
}
shop_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{secret_arn}{values['secret']}-??????"},
    ],
}
