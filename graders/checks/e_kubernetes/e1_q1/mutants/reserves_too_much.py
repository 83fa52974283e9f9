r"""2\s+pods\s+run\s+in\s+the\s+team.s\s+share.*\(1\s+point\)\n\s+observed:\s+[01]\s+Ready[\s\S]*exceeded\s+quota

The limit is right, the request is the whole share.
"""
memory = {"requests": {"memory": f"{values['memory_budget_mb'] + 8}Mi"}, "limits": {"memory": f"{values['memory_budget_mb'] + 8}Mi"}}
