r"""requests\s+of\s+\d+\s+ms\s+are\s+not\s+throttled\s+\(1.5\s+points\)\n\s+observed:[\s\S]*throttled\s+in\s+\d\d\s+periods[\s\S]*periods\s+of\s+100\s+ms

A limit well above what is used on average.
"""
processor = {"requests": {"cpu": "100m"}, "limits": {"cpu": "250m"}}
