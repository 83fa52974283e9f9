r"""leak:\s+a\s+ticket\s+in\s+time\s+\(1\s+point\)[\s\S]*long\s+enough\s+to\s+see\s+it

Nothing looks further back than six hours.
"""
policy = [{"severity": "page", "long": 60, "short": 5, "burn_rate": 14.4},
          {"severity": "page", "long": 360, "short": 30, "burn_rate": 6}]
