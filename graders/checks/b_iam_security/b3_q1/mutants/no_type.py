r"""CloudTrail\s+accepts\s+the\s+selectors[\s\S]*resources\.type\s+must\s+equal[\s\S]*compare\s+it\s+with\s+the\s+example

Asks for data events of no kind in particular.
"""
selectors = [
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::{values['bucket']}/"]}]},
]
