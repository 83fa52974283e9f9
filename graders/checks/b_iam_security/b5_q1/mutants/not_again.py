r"""ResourceExistsException[\s\S]*runs\s+again\s+with\s+the\s+same\s+token

Makes a new password each time it is called.
"""
import inspect
import json


def create_secret(client, arn, token):
    login = json.loads(client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])
    name = login["username"]
    login["username"] = name.removesuffix("_clone") if name.endswith("_clone") else name + "_clone"
    login["password"] = client.get_random_password(ExcludePunctuation=True)["RandomPassword"]
    client.put_secret_value(
        SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(login), VersionStages=["AWSPENDING"]
    )


def finish_secret(client, arn, token):
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    client.update_secret_version_stage(
        SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
    )


steps = "import json\n\n\n" + inspect.getsource(create_secret) + "\n\n" + inspect.getsource(finish_secret)
