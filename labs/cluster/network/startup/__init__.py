"""The folder that is put on the PYTHONPATH of every pod; see ``sitecustomize``."""
