"""Opening a network in ONNX Runtime: provider chosen explicitly, threads bounded, failures said in one line."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import onnxruntime as ort

from pipeline.errors import AffectError, InputError, ModelError
from pipeline.settings import RuntimeSettings

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "rocm": "ROCMExecutionProvider",
}
"""Short names of execution providers."""


def provider_name(name: str) -> str:
    """Return ONNX Runtime's name for an execution provider that this installation has.

    Raises:
        InputError: unknown, or not in this build of ONNX Runtime. ONNX Runtime itself would fall back to the CPU.

    >>> provider_name("cpu")
    'CPUExecutionProvider'
    """
    full = PROVIDERS.get(name.lower(), name)
    available = ort.get_available_providers()
    if full in available:
        return full
    short = {provider: key for key, provider in PROVIDERS.items()}
    have = ", ".join(short.get(provider, provider) for provider in available)
    if full not in ort.get_all_providers():
        raise InputError(f"execution provider {name!r} is unknown; this machine has: {have}")
    raise InputError(
        f"execution provider {name!r} is not in the installed ONNX Runtime, which has: {have}; "
        "install the build that carries it (for CUDA: pip uninstall -y onnxruntime && pip install onnxruntime-gpu)"
    )


def open_session(path: Path, runtime: RuntimeSettings) -> ort.InferenceSession:
    """Open an ONNX file.

    Raises:
        InputError: the file is missing or no network, or the execution provider is missing.
        ModelError: ONNX Runtime cannot run it, or not with the provider.
    """
    provider = provider_name(runtime.provider)
    if not path.is_file():
        raise InputError(f"no network at {str(path)!r}; `affectstream models` lists those at hand")
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from the decoder and the other stages while they wait.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what is an error is raised too, and told in one line
    with refusals(f"{str(path)!r} is not an ONNX network that can be run here", InputError):
        session = ort.InferenceSession(str(path), options, providers=[provider])
    if provider not in session.get_providers():
        raise ModelError(
            f"ONNX Runtime could not start {runtime.provider!r} for {path.name!r} "
            "(driver or library missing); choose another with --provider"
        )
    return session


@contextmanager
def refusals(told: str, kind: type[AffectError] = ModelError) -> Iterator[None]:
    """Make whatever ONNX Runtime raises within an error of one line: ``told``, and the first of its reasons."""
    try:
        yield
    # ONNX Runtime's exceptions share no base class below Exception.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise kind(f"{told}: {reason}") from error


def checked_hash(path: Path, wanted: str) -> str:
    """Return the SHA-256 of a network's file.

    Raises:
        ModelError: it is not ``wanted``, that of the network's card.
    """
    found = file_hash(path)
    if found != wanted:
        raise ModelError(
            f"{str(path)!r} is not the file that its card describes: the SHA-256 differs "
            f"({found[:12]}… of the file, {wanted[:12]}… in the card)"
        )
    return found


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
