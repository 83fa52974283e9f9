"""Every error this package raises on purpose.

    LabError                 base class; its text is written for the person at the keyboard
    ├── TemporaryError       worth trying again until a deadline (``retry_after`` seconds)
    └── PermanentError       trying again cannot help; ``remedy`` says what to do

Nothing else decides a retry.
"""

from __future__ import annotations


class LabError(Exception):
    """Base class of the two kinds below; never raised itself."""


class TemporaryError(LabError):
    """Something is not ready yet.

    :param message: what was last seen
    :param retry_after: seconds to wait before the next try
    """

    def __init__(self, message: str, retry_after: float = 0.1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(LabError):
    """Something is wrong that waiting will not mend.

    :param message: what was seen and what was expected
    :param remedy: what the reader should do about it, as a sentence
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}\n{remedy}" if remedy else message)
        self.remedy = remedy
