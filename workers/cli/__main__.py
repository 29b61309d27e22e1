"""Makes ``python -m workers.cli`` the command ``affectstream``."""

from workers.cli import main

if __name__ == "__main__":
    main()
