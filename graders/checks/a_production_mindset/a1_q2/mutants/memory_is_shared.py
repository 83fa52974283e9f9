r"""customers\s+noticed\s+'lost\s+carts'[\s\S]*Each\s+request\s+is\s+a\s+connection|empty\s+memory

Believes that two pods know the same baskets.
"""
### SOLUTION
noticed = {case["id"]: "failed requests" if noticed[case["id"]] == "both" else "nothing" for case in values["cases"]}
