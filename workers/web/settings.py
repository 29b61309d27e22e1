"""What can be set of the live page."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from pipeline.errors import InputError
from pipeline.settings import Section, as_text
from workers.web.address import parse_address


def _address(value: str | None) -> str | None:
    """Refuse what nobody can listen on."""
    if value is not None:
        try:
            parse_address(value)
        except InputError as error:
            raise ValueError(str(error)) from None
    return value


class WebSettings(Section):
    """The live page, metrics and health of ``run``."""

    listen: Annotated[str | None, BeforeValidator(as_text), AfterValidator(_address)] = None
    """Where: HOST:PORT, or PORT for this machine alone; None for nowhere."""
    names: tuple[str, ...] = ()
    """Names under which a proxy asks for them, where it passes on the name that it was asked for."""
