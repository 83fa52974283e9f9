r"""odd numbers: \[1, 3, 5, 7, 9\]"""

evens = [1, 3, 5, 7, 9]
