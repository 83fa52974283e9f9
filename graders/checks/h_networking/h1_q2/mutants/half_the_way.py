r"""the\s+way\s+ends\s+at[\s\S]*not\s+counted\s+yet

Repairs what is seen first, and goes home.
"""
### SOLUTION
repairs = repairs[:2]
