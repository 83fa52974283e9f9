r"""brown-out:\s+a\s+page\s+in\s+time\s+\(1\s+point\)[\s\S]*which\s+rule\s+lies\s+between

No rule between an hour and three days.
"""
policy = [{"severity": "page", "long": 60, "short": 5, "burn_rate": 14.4},
          {"severity": "ticket", "long": 4320, "short": 360, "burn_rate": 1}]
