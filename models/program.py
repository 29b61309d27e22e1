"""What every program of this package (`python -m models...`) begins with."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipeline.card import STANDARD, Kind, variants
from pipeline.errors import AffectError, InputError


def run(main: Callable[[], None]) -> None:
    """Runs a program; what goes wrong outside of it becomes one line and an exit code, as on the command line.

    Besides errors made on purpose these are the system's: a file that is not there, a folder that cannot be written.
    """
    try:
        main()
    except AffectError as error:
        _leave(str(error), error.exit_code)
    except OSError as error:
        if error.filename is None:
            _leave(str(error), AffectError.exit_code)
        _leave(f"{str(error.filename)!r} cannot be used: {str(error.strerror).lower()}", InputError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def model_words(kind: Kind, network: Path) -> str:
    """What a program's command adds to be told of `network`: " --model NAME"; nothing for the standard one.

    NAME is that of a network that ships, else that of its file without its folder: folders are local.
    """
    known = {path.resolve(): name for name, path in variants(kind).items()}
    name = known.get(network.resolve(), network.name)
    return "" if name == STANDARD else f" --model {name}"


def _leave(why: str, code: int) -> NoReturn:
    print("error:", " ".join(why.split()), file=sys.stderr)
    sys.exit(code)
