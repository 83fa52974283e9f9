"""What learners may see of t1-q1."""

from graders.exercise import Finding


def check(answer, live):
    """Parity first, then the bound."""
    evens = answer["evens"]
    odd = [number for number in evens if number % 2]
    yield Finding(
        "only even numbers",
        1,
        bool(evens) and not odd,
        f"odd numbers: {odd}; {len(evens)} in all",
        "even numbers and no others",
        "An even number leaves no rest when divided by two.",
    )
    high = [number for number in evens if number >= 10]
    yield Finding(
        "below ten",
        1,
        bool(evens) and not high,
        f"too large: {high}",
        "numbers below ten",
        "Look at the end of the list.",
    )
