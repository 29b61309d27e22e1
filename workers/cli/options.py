"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import InputError


def _as_setting(section: str, name: str) -> Callable[[typer.CallbackParam, Any], Any]:
    """Return what refuses, by the name of its option, a value that the setting behind it cannot have."""

    def check(option: typer.CallbackParam, value: Any) -> Any:
        if value is not None:
            from pydantic import ValidationError

            from pipeline.settings import PipelineSettings

            try:
                PipelineSettings.model_validate({section: {name: value}})
            except ValidationError as error:
                told = error.errors()[0]["msg"]
                raise InputError(f"{option.opts[0]} {value:g}: {told[:1].lower() + told[1:]}") from None
        return value

    return check


_PERCEPTION = "Networks and perception"
_OUTPUT = "Output"

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder for Parquet (default: affectstream-out).", rich_help_panel=_OUTPUT),
]
Redis = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        help="redis://, rediss:// or unix:// URL of a server; 'none' publishes nothing (default: an embedded Redis).",
        rich_help_panel=_OUTPUT,
    ),
]
SharedRedis = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        help="redis://, rediss:// or unix:// URL of the server that all workers share "
        "(default: $AFFECTSTREAM_REDIS__URL).",
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="[HOST:]PORT",
        help="Serve a live page for browsers, metrics for Prometheus (/metrics) and health (/healthz) there; PORT "
        "alone: to this machine only (default: nowhere).",
        rich_help_panel=_OUTPUT,
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration in YAML or TOML (default: none).")
]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps", callback=_as_setting("ingest", "fps"), help="Frames per second to analyse (default: every frame)."
    ),
]
Detector = Annotated[
    Path | None,
    typer.Option(
        "--detector",
        metavar="NAME|FILE",
        help="Another face detector: one of those that `affectstream models` lists, or an ONNX file of the YuNet kind "
        "(default: standard).",
        rich_help_panel=_PERCEPTION,
    ),
]
EmotionNetwork = Annotated[
    Path | None,
    typer.Option(
        "--emotion",
        metavar="NAME|FILE",
        help="Another expression network: one of those that `affectstream models` lists, or an ONNX file with its "
        "card FILE.json beside it (default: standard).",
        rich_help_panel=_PERCEPTION,
    ),
]
MinFace = Annotated[
    float | None,
    typer.Option(
        "--min-face",
        callback=_as_setting("detector", "min_face"),
        help="Height of the smallest face wanted, px (default: 20).",
        rich_help_panel=_PERCEPTION,
    ),
]
DetectEvery = Annotated[
    int | None,
    typer.Option(
        "--detect-every",
        metavar="K",
        min=1,
        max=100,
        help="Search every K-th frame for faces and carry them on by their motion between (default: 1).",
        rich_help_panel=_PERCEPTION,
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider",
        help="ONNX Runtime's execution provider: cpu, cuda, tensorrt, openvino, coreml (default: cpu).",
        rich_help_panel=_PERCEPTION,
    ),
]


def shared_redis(url: str | None) -> str:
    """Return the URL that was given, or else that of the environment; raises ``InputError`` where there is none."""
    from workers.config import PREFIX

    url = url or os.environ.get(f"{PREFIX}REDIS__URL")
    if url is None:
        raise InputError("name the Redis that the workers share: --redis redis://HOST:PORT")
    return url


def settings(
    *,
    out: Path | None = None,
    redis: str | None = None,
    fps: float | None = None,
    detector: Path | None = None,
    emotion: Path | None = None,
    min_face: float | None = None,
    detect_every: int | None = None,
    provider: str | None = None,
    listen: str | None = None,
) -> dict[str, Any]:
    """Arrange given options by section, as ``load_config`` takes them; what was not given is left out.

    >>> settings(fps=5.0, redis="none")
    {'ingest': {'fps': 5.0}, 'redis': {'url': 'none'}}
    """
    sections: dict[str, dict[str, Any]] = {
        "ingest": {"fps": fps},
        "detector": {"model": detector, "min_face": min_face, "every": detect_every},
        "emotion": {"model": emotion},
        "redis": {"url": redis},
        "runtime": {"provider": provider},
        "web": {"listen": listen},
    }
    given: dict[str, Any] = {
        name: {key: value for key, value in section.items() if value is not None} for name, section in sections.items()
    }
    return {name: section for name, section in (given | {"out": out}).items() if section}
