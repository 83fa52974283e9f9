r"""limit\s+for\s+memory\s+is\s+1Gi,\s+over\s+the\s+budget

Plenty of memory.
"""
import hashlib

def digest(label):
    return hashlib.blake2b(label.encode(), key=values["room"].encode(), digest_size=32).hexdigest()

order = [values["apps"][i] for i in sorted(range(len(values["apps"])), key=lambda i: digest(f"assigned:{i}"))]
by = dict(zip(values["causes"], order))

def container(**changes):
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", **changes}]}}}}

labels = {"app.kubernetes.io/name": by["removed-api"]}
source = {"configMapKeyRef": {"name": "program", "key": "web.py"}}
repairs = {
    by["bad-setting"]: container(env=[{"name": "WORKERS", "value": "4"}]),
    by["image-name"]: container(image="host/python3"),
    by["config-key"]: container(env=[{"name": "GREETING", "valueFrom": {
        "configMapKeyRef": {"name": "texts", "key": values["key"]}}}]),
    by["memory-limit"]: container(resources={"limits": {"memory": "96Mi"}}),
    by["disk-limit"]: container(resources={"limits": {"ephemeral-storage": "48Mi"}}),
    by["node-gone"]: {"spec": {"template": {"spec": {"nodeSelector": None}}}},
    by["removed-api"]: {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": by["removed-api"], "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                "name": "web", "image": "host/python3", "command": ["python3", "-u", "-c", "$(PROGRAM)"],
                "env": [{"name": "PROGRAM", "valueFrom": source}],
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            }]}}}},
}
repairs[by["memory-limit"]] = container(resources={"limits": {"memory": "1Gi"}})
