r"""nobody\s+is\s+bothered\s+\(1\s+point\)[\s\S]*ends\s+by\s+itself

Five minutes are enough to wake somebody.
"""
policy = [{"severity": "page", "long": 5, "short": 1, "burn_rate": 14.4},
          {"severity": "page", "long": 360, "short": 30, "burn_rate": 6},
          {"severity": "ticket", "long": 4320, "short": 360, "burn_rate": 1}]
