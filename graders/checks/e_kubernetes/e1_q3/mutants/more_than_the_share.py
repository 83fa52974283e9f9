r"""2\s+pods\s+run\s+in\s+the\s+team.s\s+share.*\(1\s+point\)\n\s+observed:\s+[01]\s+Ready[\s\S]*exceeded\s+quota

As much as is good for the pod.
"""
both = {"cpu": "1", "memory": "512Mi"}
resources = {"requests": both, "limits": both}
