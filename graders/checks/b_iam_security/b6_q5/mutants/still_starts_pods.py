r"""starts\s+a\s+pod\s+as\s+the\s+account\s+deployer[\s\S]*I\s+am\s+system:serviceaccount[\s\S]*may\s+create\s+pods

Takes the Secrets away and leaves the pods, which seem harmless.
"""
### SOLUTION
access[0]["rules"].append({"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["*"]})
