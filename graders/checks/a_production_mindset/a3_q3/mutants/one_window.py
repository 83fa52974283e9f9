r"""over\s+15\s+minutes\s+after\s+the\s+trouble\s+\(1\s+point\)[\s\S]*remembers\s+it

No short window.
"""
policy = [{"severity": "page", "long": 60, "short": 60, "burn_rate": 14.4},
          {"severity": "page", "long": 360, "short": 30, "burn_rate": 6},
          {"severity": "ticket", "long": 4320, "short": 360, "burn_rate": 1}]
