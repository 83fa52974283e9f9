"""``python -m labs.cluster.alb``: its program, without what libraries would load for nothing."""

from __future__ import annotations

import sys
from typing import Any

lacking: Any = None
sys.modules.setdefault("kubernetes", lacking)  # kopf would load that client's models, 20 MB, to know one on sight


def main() -> None:
    """See there."""
    from labs.cluster.alb import program

    program.main()


if __name__ == "__main__":
    main()
