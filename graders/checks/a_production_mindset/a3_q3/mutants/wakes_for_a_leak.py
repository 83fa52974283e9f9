r"""leak:\s+nobody\s+is\s+woken\s+\(0.5\s+points\)[\s\S]*anybody\s+to\s+be\s+woken

Everything pages.
"""
policy = [{"severity": "page", "long": 60, "short": 5, "burn_rate": 14.4},
          {"severity": "page", "long": 360, "short": 30, "burn_rate": 6},
          {"severity": "ticket", "long": 4320, "short": 360, "burn_rate": 1},
          {"severity": "page", "long": 4320, "short": 360, "burn_rate": 1}]
