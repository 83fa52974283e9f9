r"""customers\s+trust:\s+old\s+and\s+new[\s\S]*new\s+root\s+only

The old authority stays trusted.
"""
### SOLUTION
plan.remove("trust the new root only")
