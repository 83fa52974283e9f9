r"""after\s+3600\s+s[\s\S]*costs\s+money

Waits to be on the safe side.
"""
### SOLUTION
drain_seconds = 3600
