r"""still\s+failed[\s\S]*name\s+the\s+health\s+check

Makes a health check that no record names.
"""
### SOLUTION
for each in records:
    each.pop("HealthCheckId", None)
