"""The issues that ``ValidatePolicy`` may report: code, finding type and AWS's wording, from the JSON file beside this.

"IAM policy validation check reference" (IAM User Guide).  A code's place on that page is the ``learnMoreLink``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

PAGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
_ANCHOR = {
    "ERROR": "error",
    "WARNING": "general-warning",
    "SECURITY_WARNING": "security-warning",
    "SUGGESTION": "suggestion",
}


@cache
def issues() -> dict[str, tuple[str, str]]:
    """Issue code → finding type and text, with places ``{0}``, ``{1}``… for what the policy says."""
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    return {code: (kind, message) for code, (kind, message) in json.loads(text).items()}


def link(code: str) -> str:
    """The place of an issue on AWS's page."""
    kind = _ANCHOR[issues()[code][0]]
    return f"{PAGE}#access-analyzer-reference-policy-checks-{kind}-{code.lower().replace('_', '-')}"
