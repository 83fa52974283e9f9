r"""too large: \[10\]"""

evens = [0, 2, 4, 6, 8, 10]
