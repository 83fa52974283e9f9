r"""2\s+pods\s+run\s+in\s+the\s+team.s\s+share.*\(1\s+point\)\n\s+observed:\s+[01]\s+Ready[\s\S]*exceeded\s+quota

A request as for both together.
"""
both = f"{values['cpu_budget_m'] + 20}m"
processor = {"requests": {"cpu": both}, "limits": {"cpu": both}}
