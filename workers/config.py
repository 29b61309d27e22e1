"""Configuration: the command line before the environment before the file before defaults.

Environment variables begin with ``AFFECTSTREAM_`` and join sections by two underscores:
``AFFECTSTREAM_REDIS__URL=redis://localhost`` sets ``url`` in the section ``redis``.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from msgspec.structs import replace
from pydantic import BaseModel, BeforeValidator, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.errors import InputError
from pipeline.ingest.source import SCHEMES, Source, parse_source, source_id
from pipeline.redaction import redact, shown
from pipeline.settings import DetectorSettings, IngestSettings, PipelineSettings, UserPath, as_text, at_home
from pipeline.strict_yaml import parse_yaml, problem
from workers.web.settings import WebSettings

PREFIX = "AFFECTSTREAM_"

OWN = ("min_face", "max_side")
"""Settings of the section ``detector`` that a source may have for itself: all share one network, and so the rest."""

WORDS = {
    "dict_type": "should hold names and values",
    "model_type": "should hold names and values",
    "path_type": "should be a path",
    "tuple_type": "should be a list",
}
"""What pydantic says of its own types, in the words of a configuration file."""

_NAMED = re.compile(r"([^\s:/?#=]+)=(.*://.*|\d{1,3}|/dev/video\d{1,3}|\$\{.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PORT = re.compile(r":(\d*\$\{\w+\}\d*)(?=[/?#]|\Z)")
_ADDRESS = re.compile(r"\[(\$\{\w+\})\]")


def _named(value: Any) -> Any:
    """An empty path, as an unset variable leaves it, would mean the current folder."""
    if value == "":
        raise ValueError("should not be empty")
    return value


class SourceConfig(BaseModel, extra="forbid", frozen=True):
    """A source with a name and settings of its own."""

    url: Annotated[SecretStr, BeforeValidator(as_text)]
    name: str | None = None
    """Id of the source in keys, columns and paths; made from the URL if not given."""
    ingest: dict[str, Any] = {}
    """Settings of the section ``ingest`` that differ for this source."""
    detector: dict[str, Any] = {}
    """Settings of the section ``detector`` that differ for this source: any of ``OWN``."""


class Config(BaseSettings, PipelineSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__")

    out: Annotated[UserPath, BeforeValidator(_named)] = Path("affectstream-out")
    """Folder for Parquet, and for the data of the embedded Redis."""
    sources: tuple[Annotated[SourceConfig | str, BeforeValidator(as_text)], ...] = ()
    """What ``run`` reads, and ``doctor`` looks at, when the command line names no source."""
    web: WebSettings = WebSettings()


def load_config(file: Path | None, options: Mapping[str, Any]) -> Config:
    """Read the configuration.

    Args:
        file: YAML (.yaml, .yml) or TOML (.toml), or None.
        options: what the command line sets: values, or mappings of values by section.

    Raises:
        InputError: the file or a value in it, in the environment or in ``options`` is wrong.
    """
    values = {} if file is None else _read(at_home(file))
    _check_environment()

    class Loaded(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, values)

    try:
        loaded = Loaded(**options)
    except ValidationError as error:
        raise InputError(explain(error, Config)) from None
    except SettingsError as error:
        name = re.sub(r'.*field "(\w+)".*', r"\1", str(error)).upper()
        raise InputError(
            f"environment variable {PREFIX}{name} is not JSON, as lists and sections are there: "
            f"{PREFIX}SOURCES='[\"rtsp://…\"]', {PREFIX}INGEST='{{\"fps\": 5}}'"
        ) from None
    # ``Loaded`` exists only in this function, so what is of that class cannot be pickled for another process.
    return Config.model_construct(**dict(loaded))


def override(section: Any, changes: Mapping[str, Any], where: str, name: str) -> Any:
    """Return a section with some values changed, checked as if read from a file.

    Raises:
        InputError: a name or value is wrong; ``where`` says in which source's settings, ``name`` in which section.
    """
    try:
        return type(section).model_validate(section.model_dump() | dict(changes))
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error, type(section), name)}") from None


def typed(text: str) -> SourceConfig:
    """Return a source as a line of text has it: ``NAME=URL``, or what alone its id is made from.

    >>> typed("door=rtsp://10.0.0.8/h264").name, typed("rtsp://10.0.0.8/h264?channel=1").name
    ('door', None)
    """
    text = text.strip()
    match = _NAMED.fullmatch(text)
    return SourceConfig(url=SecretStr(match[2] if match else text), name=match[1] if match else None)


def configured(source: SourceConfig | str, config: Config) -> Source:
    """Return a source as it is named or described, with its own settings where it has any.

    Each ``${NAME}`` in its URL is looked up in the environment; what is shown of it, and an id that is made from it, is
    of the URL as it is written, lest it hold a secret.

    Raises:
        InputError: it cannot be used as given, or the environment lacks a name.
    """
    if isinstance(source, str):
        source = typed(source)
    ingest, detector = own_settings(source, config)
    written = source.url.get_secret_value()
    if not variables(written):
        return parse_source(written, name=source.name, ingest=ingest, detector=detector)
    name = source.name or written_id(written)
    url = _VARIABLE.sub(lambda match: _variable(match[1], name), written)
    try:
        found = parse_source(url, name=name, ingest=ingest, detector=detector)
    except InputError:  # its words are of what the environment holds
        raise InputError(
            f"source {name!r}: {shown(written)!r} is, with what the environment holds, no URL that can be read, no "
            f"webcam and no file that is there; URLs begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}, and "
            "in a name or a password %40 stands for @, %2F for /, %3F for ?, %23 for # and %25 for %"
        ) from None
    return replace(found, safe_url=shown(written))


def variables(written: str) -> list[str]:
    """Return the name in each ``${NAME}`` of a URL.

    >>> variables("rtsp://${USER}:${PASSWORD}@10.0.0.8/h264")
    ['USER', 'PASSWORD']
    """
    return _VARIABLE.findall(written)


def written_id(written: str) -> str:
    """Return the id that is made from a URL as it is written, ``${NAME}`` and all. Raises ``InputError``.

    >>> written_id("rtsp://${USER}:${PASSWORD}@${HOST}:${PORT}/h264")
    'host-port-h264'
    """
    # Where a URL must have a number or an address, a name would make it none.
    return source_id(_PORT.sub(r"-\1", _ADDRESS.sub(r"\1", written)))


def _variable(variable: str, name: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise InputError(f"source {name!r}: the environment of this process holds no {variable}") from None


def own_settings(source: SourceConfig, config: Config) -> tuple[IngestSettings, DetectorSettings]:
    """Return the settings with which a source is read: its own where it has any.

    Raises:
        InputError: one of its own is wrong.
    """
    where = f"source {source.name or shown(source.url.get_secret_value())!r}"
    detector = override(config.detector, source.detector, where, "detector")
    for name in source.detector:
        if name not in OWN:
            raise InputError(f"{where}: detector.{name} is one for all sources; its own may be {' and '.join(OWN)}")
    return override(config.ingest, source.ingest, where, "ingest"), detector


def of_source(source: Source, config: Config) -> Config:
    """Return what is set where a source is read: by its own settings, save for what is one for all sources."""
    own = {name: getattr(source.detector, name) for name in OWN}
    return config.model_copy(update={"ingest": source.settings, "detector": config.detector.model_copy(update=own)})


def explain(error: ValidationError, model: type[BaseModel], section: str = "") -> str:
    """Say in one line what was wrong, without values that may hold a secret.

    Args:
        error: what pydantic found.
        model: what it was to become.
        section: where that stands in a configuration; empty for the whole.
    """
    # A misspelt name says more than the name that is missing because of it.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = [part for part in first["loc"] if part not in ("SourceConfig", "str")]
    name = ".".join(str(part) for part in ([section, *place] if section else place))
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r}{_meant(str(place[-1]), _known(model, place[:-1]))}"
    # Where a value is not even names and values, pydantic shows all of it, passwords included.
    hidden = not name or "url" in name or "source" in name or first["type"] == "model_type"
    value = "" if hidden else f" = {redact(repr(first['input']))}"
    told = first["msg"].removeprefix("Value error, ")
    said = WORDS.get(first["type"], told[:1].lower() + told[1:])
    if len(place) == 2 and place[0] == "sources" and first["type"] == "model_type":
        said = "should be a URL, or hold names and values"
    return f"setting {name!r}{value}: {said}"


def _known(model: type[BaseModel], place: Iterable[int | str]) -> list[str]:
    """Return the names that may stand at a place."""
    for part in place:
        found = SourceConfig if isinstance(part, int) else model.model_fields[part].annotation
        if isinstance(found, type) and issubclass(found, BaseModel):
            model = found
    return list(model.model_fields)


def _meant(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _check_environment() -> None:
    """Refuse variables of sections that do not exist, as those of a file are refused.

    Others of the prefix may be somebody else's: Kubernetes sets ``AFFECTSTREAM_PORT`` for a service of this name.
    """
    for name in os.environ:
        section, joined, _ = name.upper().removeprefix(PREFIX).partition("__")
        if name.upper().startswith(PREFIX) and joined and section.lower() not in Config.model_fields:
            raise InputError(
                f"environment variable {name}: unknown section {section.lower()!r}"
                f"{_meant(section, list(Config.model_fields))}"
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(
            f"configuration {str(file)!r} is not text in UTF-8; give a .yaml, .yml or .toml file"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read the configuration {str(file)!r}: {error.strerror}") from None
    try:
        match file.suffix.lower():
            case ".yaml" | ".yml":
                values = parse_yaml(text)
            case ".toml":
                values = tomllib.loads(text)
            case suffix:
                raise InputError(f"configuration {str(file)!r} ends in {suffix!r}; give a .yaml, .yml or .toml file")
    except (yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"configuration {str(file)!r} cannot be parsed: {problem(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"configuration {str(file)!r} must hold names and values, not a {type(values).__name__}")
    # A name without a value, such as that of a section whose lines are all commented out, sets nothing.
    return {str(name): value for name, value in values.items() if value is not None}
