r"""baskets\s+lost[\s\S]*Which\s+store\s+outlives

More pods, and the data still in their memory.
"""
### SOLUTION
repair["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "SHOP_DRAIN_SECONDS", "value": "3"}]
