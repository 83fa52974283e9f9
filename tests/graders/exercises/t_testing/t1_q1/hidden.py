"""What only the instructor sees of t1-q1."""

from graders.exercise import Finding


def check(answer, live):
    """Zero is even too."""
    yield Finding(
        "SECRET all of them",
        1,
        sorted(answer["evens"]) == [0, 2, 4, 6, 8],
        f"{sorted(answer['evens'])}",
        "each even number once",
        "Is zero even?",
    )
