"""Configuration: the command line before the environment before the file before defaults.

Environment variables begin with ``AFFECTSTREAM_`` and join sections by two underscores:
``AFFECTSTREAM_REDIS__URL=redis://localhost`` sets ``url`` in the section ``redis``.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.errors import InputError
from pipeline.ingest.source import Source, parse_source
from pipeline.settings import PipelineSettings

PREFIX = "AFFECTSTREAM_"


class SourceConfig(BaseModel, extra="forbid", frozen=True):
    """A source with a name and settings of its own."""

    url: SecretStr
    name: str | None = None
    """Id of the source in keys, columns and paths; made from the URL if not given."""
    ingest: dict[str, Any] = {}
    """Settings of the section ``ingest`` that differ for this source."""
    detector: dict[str, Any] = {}
    """Settings of the section ``detector`` that differ for this source: ``min_face`` and ``max_side``."""


class Config(BaseSettings, PipelineSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__")

    out: Path = Path("affectstream-out")
    """Folder for Parquet, and for the data of the embedded Redis."""
    sources: tuple[SourceConfig | str, ...] = ()
    """What ``run`` reads when the command line names no source."""


def load_config(file: Path | None, options: Mapping[str, Any]) -> Config:
    """Read the configuration.

    Args:
        file: YAML (.yaml, .yml) or TOML (.toml), or None.
        options: what the command line sets: values, or mappings of values by section.

    Raises:
        InputError: the file or a value in it, in the environment or in ``options`` is wrong.
    """
    values = {} if file is None else _read(file)

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
        raise InputError(explain(error)) from None
    except SettingsError as error:
        raise InputError(f"an environment variable {PREFIX}… cannot be read: {error}") from None
    # A class that exists only in here could not be sent to another process.
    return Config.model_construct(**dict(loaded))


def override(section: Any, changes: Mapping[str, Any], where: str) -> Any:
    """Return a section with some values changed, checked as if read from a file.

    Raises:
        InputError: a name or value is wrong; ``where`` says in which source's settings.
    """
    try:
        return type(section).model_validate(section.model_dump() | dict(changes))
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from None


def configured(source: SourceConfig | str, config: Config) -> Source:
    """Return a source as it is named or described, with its own settings where it has any.

    Raises:
        InputError: it cannot be used as given.
    """
    if isinstance(source, str):
        return parse_source(source, ingest=config.ingest, detector=config.detector)
    where = f"source {source.name or 'without name'!r}"
    return parse_source(
        source.url.get_secret_value(),
        name=source.name,
        ingest=override(config.ingest, source.ingest, where),
        detector=override(config.detector, source.detector, where),
    )


def explain(error: ValidationError) -> str:
    """Say in one line what was wrong, without values that may hold a secret."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if part not in ("SourceConfig", "str"))
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r}"
    # What could not be taken apart is all there is, passwords included.
    value = "" if not name or "url" in name or "source" in name else f" = {first['input']!r}"
    return f"setting {name!r}{value}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the configuration {str(file)!r}: {error}") from None
    try:
        match file.suffix.lower():
            case ".yaml" | ".yml":
                values = yaml.safe_load(text)
            case ".toml":
                values = tomllib.loads(text)
            case suffix:
                raise InputError(f"configuration {str(file)!r} ends in {suffix!r}; give a .yaml, .yml or .toml file")
    except (yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"configuration {str(file)!r} cannot be parsed: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"configuration {str(file)!r} must hold names and values, not a {type(values).__name__}")
    return values
