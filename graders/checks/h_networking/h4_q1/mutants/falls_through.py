r"""case-6[\s\S]*you\s+predicted\s+198.51.100.10[\s\S]*which\s+of\s+them\s+decides

Believes that a VPC's resolver tries the public zone next.
"""
### SOLUTION
answers["case-6"] = "198.51.100.10"
