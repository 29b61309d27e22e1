"""Where the command ``affectstream`` begins: it may be stopped while the rest is still being loaded."""

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C or SIGTERM ends it with 130 from the first moment on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from workers.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
