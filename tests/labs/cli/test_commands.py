"""Commands of `lab`, each run as a process."""

from __future__ import annotations

import json
import shlex
import subprocess

from labs.services import state


def test_status_before_anything_ran(lab, labs_home):
    found = json.loads(lab("status", "--json").stdout)
    assert found["home"] == str(labs_home)
    assert {"aws": "stopped"}.items() <= {row["name"]: row["state"] for row in found["services"]}.items()


def test_status_leaves_heavy_packages_alone(lab):
    done = lab("status", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "labs.services.control" in loaded
    assert not loaded & {"boto3", "botocore", "nbgrader", "nbformat", "httpx", "starlette", "uvicorn", "kubernetes"}


def test_unknown_command_and_service_are_named(lab):
    assert "No such command" in lab("strat", status=2).stderr
    done = lab("up", "kubernets", status=1)
    assert "There is no service 'kubernets'" in done.stderr
    assert "There are: aws" in done.stderr
    assert "Traceback" not in done.stderr


def test_start_with_unknown_service_starts_nothing(lab, labs_home):
    assert "no service 'mainframe'" in lab("start", "--no-browser", "--with", "mainframe", status=1).stderr
    assert not (labs_home / "learner.json").exists()


def test_env_before_up_says_what_to_do(lab):
    assert "Run `lab up aws`" in lab("env", status=1).stderr


def test_env_survives_eval_whatever_the_values_are(lab, labs_home):
    state.make_home()
    state.write_json(labs_home / "endpoints.json", {"aws": "http://127.0.0.1:4567"})
    secret = "a'b\"c $(touch /tmp/never) `d` \\ e"
    state.write_json(labs_home / "learner.json", {"access_key_id": "AKIAX", "secret_access_key": secret})
    exports = lab("env", "--learner").stdout
    shell = ('eval "$1"; printf "%s|%s|%s|%s" '
             '"$AWS_ENDPOINT_URL" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$KUBECONFIG"')
    seen = subprocess.run(["bash", "-c", shell, "-", exports], capture_output=True, text=True, check=True, env={})
    assert seen.stdout == f"http://127.0.0.1:4567|AKIAX|{secret}|"


def test_env_is_the_administrator_and_names_a_kubeconfig_only_if_there_is_one(lab, labs_home):
    state.make_home()
    state.write_json(labs_home / "endpoints.json", {"aws": "http://127.0.0.1:4567"})
    exports = dict(shlex.split(line)[1].split("=", 1) for line in lab("env").stdout.splitlines())
    assert exports == {"AWS_ENDPOINT_URL": "http://127.0.0.1:4567", "AWS_ACCESS_KEY_ID": "test",
                       "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    (labs_home / "kubeconfig").touch()
    assert f"export KUBECONFIG={labs_home}/kubeconfig" in lab("env").stdout
    (labs_home / "endpoints.json").unlink()
    assert "AWS" not in lab("env").stdout, "a cluster without AWS is fine"


def test_env_puts_a_fitting_kubectl_first(lab, labs_home, tmp_path):
    state.make_home()
    (labs_home / "kubeconfig").touch()
    wanted = json.loads(lab("tools", "--json").stdout)[4]["wanted"]
    for folder, version in (("old", "1.11.0"), ("new", wanted)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kubectl").write_text(f"#!/bin/sh\necho Client Version: v{version}\n")
        (tmp_path / folder / "kubectl").chmod(0o755)
    place = {"LABS_CACHE": str(tmp_path / "cache")}
    shell = ["bash", "-c", 'eval "$1"; kubectl version --client', "-"]
    path = f"{tmp_path}/old:{tmp_path}/new:/usr/bin:/bin"
    exports = lab("env", PATH=path, **place).stdout
    assert subprocess.run([*shell, exports], capture_output=True, text=True, check=True,
                          env={"PATH": path}).stdout == f"Client Version: v{wanted}\n"
    assert "PATH=" not in lab("env", PATH=f"{tmp_path}/new:/usr/bin:/bin", **place).stdout, "found without help"
    assert "PATH=" not in lab("env", PATH=f"{tmp_path}/old", **place).stdout, "none that fits"


def test_reset_without_aws_says_what_to_do(lab, labs_home):
    assert "lab up aws" in lab("reset", "aws", status=1).stderr
    assert "There is no lab 'z9'" in lab("reset", "z9", status=1).stderr


def test_down_with_nothing_running(lab):
    assert lab("down").stdout == "nothing was running\n"


def test_logs_of_an_unknown_service(lab):
    assert "There is no service 'nope'" in lab("logs", "nope", status=1).stderr


def test_tools_says_what_is_where_and_why_one_was_passed_over(lab, tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    for name, said in (("etcd", "etcd Version: 3.6.99"), ("kubectl", "Client Version: v1.11.0")):
        (bare / name).write_text(f"#!/bin/sh\necho {said}\n")
        (bare / name).chmod(0o755)
    places = {"PATH": str(bare), "LABS_CACHE": str(tmp_path / "cache"),
              "LABS_KUBERNETES_RELEASES": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1",
              "LABS_GO_PYTHON": str(bare / "python")}       # nor can Go be installed
    rows = {row["name"]: row for row in json.loads(lab("tools", "--json", **places).stdout)}
    assert (rows["etcd"]["version"], rows["etcd"]["source"], rows["etcd"]["path"]) == ("3.6.99", "PATH", f"{bare}/etcd")
    assert rows["kubectl"]["path"] is None
    assert "it is 1.11.0, and" in rows["kubectl"]["passed_over"][0]
    shown = lab("tools", **places).stdout
    assert f"passed over: {bare}/kubectl: it is 1.11.0" in shown
    assert "apt install bubblewrap" in shown
    assert lab("tools", "fetch", "etcd", **places).stdout == f"etcd 3.6.99 {bare}/etcd\n"
    failed = lab("tools", "fetch", "kubectl", status=1, **places).stderr
    assert "127.0.0.1:9" in failed
    assert "building it needs Go" in failed
    assert "There is no tool 'kubelet'" in lab("tools", "fetch", "etcd", "kubelet", status=1, **places).stderr
