r"""report\s+of\s+\d+\s+MiB\s+is\s+finished\s+\(1\s+point\)\n\s+observed:\s+0\s+of\s+2\s+reports

Of the right class, with the memory of an idle pod.
"""
both = {"cpu": f"{values['work_ms'] * 10 + 250}m", "memory": "56Mi"}
resources = {"requests": both, "limits": both}
