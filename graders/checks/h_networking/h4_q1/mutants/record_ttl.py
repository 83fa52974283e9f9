r"""case-2[\s\S]*something\s+else[\s\S]*SOA

Takes the TTL of the new record, which no resolver has seen yet, for the time that its absence is remembered.
"""
### SOLUTION
answers["case-2"] = "198.51.100.20" if answers["case-2"] == "NXDOMAIN" else "NXDOMAIN"
