r"""contractor's\s+account[\s\S]*ARCHIVED[\s\S]*nobody\s+agreed\s+to

Archives everything that is not public.
"""
archive_filter = {"isPublic": {"eq": ["false"]}}
