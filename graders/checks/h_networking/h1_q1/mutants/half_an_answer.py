r"""no\s+prediction

Says where, and not what the browser gets.
"""
### SOLUTION
predictions = {name: [said[0], ""] for name, said in predictions.items()}
