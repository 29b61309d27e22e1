"""Makes ``python -m workers.cli`` the command ``affectstream``."""

from workers.cli import main

main()
