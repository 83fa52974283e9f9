r"""without moving AWSCURRENT

Leaves the label where it is.
"""
import inspect
import json


def create_secret(client, arn, token):
    try:
        client.get_secret_value(SecretId=arn, VersionId=token, VersionStage="AWSPENDING")
        return
    except client.exceptions.ResourceNotFoundException:
        pass
    login = json.loads(client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])
    name = login["username"]
    login["username"] = name.removesuffix("_clone") if name.endswith("_clone") else name + "_clone"
    login["password"] = client.get_random_password(ExcludePunctuation=True)["RandomPassword"]
    client.put_secret_value(
        SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(login), VersionStages=["AWSPENDING"]
    )


def finish_secret(client, arn, token):
    print("done")


steps = "import json\n\n\n" + inspect.getsource(create_secret) + "\n\n" + inspect.getsource(finish_secret)
