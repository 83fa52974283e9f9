r"""requests\s+of\s+\d+\s+ms\s+are\s+not\s+throttled\s+\(1\s+point\)\n\s+observed:[\s\S]*throttled\s+in\s+\d+\s+periods

Of the right class, with the average as the limit.
"""
both = {"cpu": "200m", "memory": f"{values['report_mb'] + 72}Mi"}
resources = {"requests": both, "limits": both}
