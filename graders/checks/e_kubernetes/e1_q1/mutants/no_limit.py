r"""it\s+runs\s+on\s+with\s+\d+\s+MiB[\s\S]*no\s+limit\s+stops

A request alone reserves memory, and stops nobody.
"""
memory = {"requests": {"memory": f"{values['report_mb'] + 72}Mi"}}
