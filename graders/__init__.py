"""What judges an answer.  May import the public names of ``labs``; ``labs`` never imports this package.

``exercise`` (what is asked) → ``collect`` (answer cells run in ``worker``, a process of their own, and come back as
data) → ``runner`` (public and hidden checks against that data and a ``live`` account) → ``verdict``.  ``service``
answers ``check(...)`` over a Unix socket, ``nbgrader_plugins`` answers nbgrader, ``cli`` answers the terminal.
"""
