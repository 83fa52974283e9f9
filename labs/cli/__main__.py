"""``python -m labs.cli`` is ``lab``."""

from labs.cli.main import main

main()
