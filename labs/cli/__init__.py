"""The ``lab`` command.  May import everything in ``labs``; nothing imports it.

    main.py         the commands, each a few lines
    start.py        `lab start`: learner, workspace, services, JupyterLab
    workspace.py    the learner's notebooks: delivered, never overwritten
    reset.py        `lab reset`
    curriculum.py   which curriculum line is taught, proved and graded where
"""
