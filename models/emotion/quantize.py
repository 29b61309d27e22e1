"""Make an expression network of whole numbers.

`python -m models.emotion.quantize --data FERPLUS_TRAIN.npz --out OUT.onnx`.

Static quantisation (Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-
only inference"): activations in 8 bits with ranges seen on training faces, weights in 8 bits by channel, as pairs of
QuantizeLinear and DequantizeLinear that ONNX Runtime turns into integer kernels. Bytes in and probabilities out stay,
and so does the card, but for what is measured anew.

With --valid the figures of the card are measured there, beside the float network's on the same faces. Without --out it
is measured only; a network that is not faster, or loses more than 0.3 points of accuracy, is not written. With
--compare, ways to quantise are compared on training faces that the float network did not learn from, and nothing is
written: so the way was chosen.
"""

import argparse
import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from rich.console import Console

from models.emotion.derived import derived_card
from models.emotion.exchange import BATCHES, MOST_LOST, Exchange, exchange, table
from models.emotion.faces import read_faces
from models.emotion.figures import entry, title
from models.program import model_words, run
from models.written import writable, write_file
from pipeline.card import EmotionCard, emotion_card, network_file
from pipeline.errors import ModelError
from pipeline.inference.contract import tensor
from pipeline.messages import Bytes

COMMAND = "python -m models.emotion.quantize --data FERPLUS_TRAIN.npz --valid FERPLUS_VALID.npz"
HELD_OUT, SEED = 0.04, 1
"""The training rows that the network that ships did not learn from: this share, drawn with this seed."""
CALIBRATED = 512
"""Faces that the ranges of activations are taken from."""
TIMED = f"median processor time of n calls, in turns, one thread, ONNX Runtime {ort.__version__}"
METHODS = {
    "min to max": CalibrationMethod.MinMax,
    "percentiles": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}


@dataclass(frozen=True)
class Way:
    """How to quantise. The defaults are what is used; see `WAYS` for why."""

    ranges: str = "percentiles"
    """Of activations: a key of `METHODS`."""
    activations: QuantType = QuantType.QUInt8
    seven_bits: bool = True
    """Weights in -64 to 63: processors without VNNI add products of 8 bits up in 16 and would overflow."""
    by_channel: bool = True
    head: bool = True
    """Whether what follows the last convolution stays in float: rare labels' probabilities are below 1/255."""
    first: bool = True
    """Whether the first convolution stays in float: it sums up nine products, too few for rounding to even out."""
    gates: bool = False
    """Whether the convolutions of squeeze-and-excitation stay in float."""


WAYS = {
    "as shipped": Way(),
    "min to max": Way(ranges="min to max"),
    "entropy": Way(ranges="entropy"),
    "weights of 8 bits": Way(seven_bits=False),
    "signed activations": Way(activations=QuantType.QInt8),
    "weights by tensor": Way(by_channel=False),
    "head in 8 bits too": Way(head=False),
    "first layer in 8 bits too": Way(first=False),
    "gates in float": Way(gates=True),
}


class Batches(CalibrationDataReader):
    """Hands faces to ONNX Runtime's calibration as the network takes them."""

    def __init__(self, card: EmotionCard, faces: Bytes) -> None:
        chunks = (faces[at : at + 64] for at in range(0, len(faces), 64))
        self._feeds = ({card.input.name: tensor(card.input, chunk)} for chunk in chunks)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch, None after the last."""
        return next(self._feeds, None)


def left_in_float(graph: onnx.GraphProto, way: Way) -> list[str]:
    """Names of the nodes that are not to be quantised."""
    convolutions = [at for at, node in enumerate(graph.node) if node.op_type == "Conv"]
    if not convolutions:
        raise ModelError("the network has no convolution; there is nothing to gain from whole numbers")
    chosen = list(graph.node[convolutions[-1] + 1 :]) if way.head else []
    # The activation and the sum of the last block belong to its convolution: only from the pooling on is it the head.
    pooled = [at for at, node in enumerate(chosen) if "Pool" in node.op_type or node.op_type == "ReduceMean"]
    chosen = chosen[pooled[0] :] if pooled else chosen
    if way.first:
        chosen.append(graph.node[convolutions[0]])
    if way.gates:
        chosen += _gates(graph)
    return [node.name for node in chosen]


def _gates(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """What leads from a pooling to a Sigmoid."""
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "Sigmoid":
            before = made_by.get(node.input[0])
            while before is not None and before.op_type in ("Conv", "Relu"):
                yield before
                before = made_by.get(before.input[0])


def quantise(network: Path, faces: Bytes, way: Way, out: Path) -> None:
    """Write the network of whole numbers to `out`, the ranges from `faces` uint8 (n, S, S): the same from the same."""
    model = onnx.load(str(network))
    for at, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{at}"
    excluded = left_in_float(model.graph, way)
    # ONNX Runtime prints how far its calibration is, and recommends what the export has done already.
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            quantize_static(
                model,
                out,
                Batches(emotion_card(network), faces),
                quant_format=QuantFormat.QDQ,
                per_channel=way.by_channel,
                reduce_range=way.seven_bits,
                activation_type=way.activations,
                weight_type=QuantType.QInt8,
                calibrate_method=METHODS[way.ranges],
                nodes_to_exclude=excluded,
            )
    finally:
        logging.disable(logging.NOTSET)


def card_of(network: Path, out: Path, way: Way, calibrated: int) -> dict[str, Any]:
    """The card of the quantised network at `out`: that of the float `network`, less its figures."""
    quantisation = {
        "recipe": f"weights in {7 if way.seven_bits else 8} bits, activations in 8; ranges of activations by "
        f"{way.ranges} over {calibrated} training faces; first layer, and from the last pooling on, in float",
        "onnxruntime": ort.__version__,
        "command": f"{COMMAND}{model_words('emotion', network)}",
    }
    suffix = out.stem.removeprefix(f"{network.stem}-")
    return derived_card(network, out, suffix, "In whole numbers of 8 bits.", quantisation=quantisation)


def figures(measured: Exchange, data: str, network: Path) -> list[dict[str, Any]]:
    """The card's figures; `network`: the float one."""
    command = f"{COMMAND}{model_words('emotion', network)}"
    told = [
        ("majority accuracy", measured.new.accuracy),
        ("KL(votes || prediction), nats", measured.new.divergence),
        ("majority accuracy gained by quantisation, paired", measured.paired.accuracy),
        ("KL(votes || prediction) gained by quantisation, nats, paired", measured.paired.divergence),
    ]
    rows = [entry(what, found, data, command) for what, found in told]
    for batch, (old, new) in zip(BATCHES, measured.times, strict=True):
        for who, (median, fastest, calls) in (("", new), (", float network", old)):
            told_of = {
                "what": f"ms per face, batch {batch}{who}",
                "value": round(median, 3),
                "fastest": round(fastest, 3),
            }
            rows.append(told_of | {"n": calls, "data": "random faces", "protocol": TIMED, "command": command})
    return rows


def main() -> None:
    """Quantises, measures, and writes the network with its card; or compares ways to do it."""
    parser = argparse.ArgumentParser(
        prog="python -m models.emotion.quantize", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="npz of images and votes that it learnt from")
    parser.add_argument("--valid", type=Path, help="npz to measure on (default: the rows that it did not learn from)")
    parser.add_argument("--model", type=Path, help="the float network (default: the one shipped)")
    parser.add_argument("--out", type=Path, help="ONNX file to write; the card goes beside it (default: only measure)")
    parser.add_argument("--compare", action="store_true", help="compare ways to quantise, and write nothing")
    parser.add_argument("--seconds", type=float, default=2.0, help="of timing per network and size of batch")
    options = parser.parse_args()
    network = network_file("emotion", options.model)
    out = options.out or network.with_name(f"{network.stem}-int8.onnx")
    if options.out:
        writable(out)
    training = read_faces(options.data)
    order = np.random.default_rng(SEED).permutation(len(training))
    cut = round(HELD_OUT * len(order))
    faces = training.images[order[cut : cut + CALIBRATED]]
    if options.valid and not options.compare:
        unseen = read_faces(options.valid)
        where = title(unseen)
    else:
        unseen, where = training.take(np.sort(order[:cut])), f"{title(training)}, rows not learnt from"
    console, rows = Console(highlight=False, width=120), {}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / out.name
        card = made.with_suffix(".json")
        for name, way in WAYS.items() if options.compare else [("quantised", Way())]:
            with console.status(name):
                quantise(network, faces, way, made)
                told = card_of(network, made, way, len(faces))
                card.write_text(json.dumps(told))
                rows[name] = exchange(network, made, unseen, options.seconds), made.stat().st_size
        ((measured, _), *_) = rows.values()
        console.print(f"{emotion_card(network).id} on {where}, n = {measured.new.accuracy.n:,}")
        console.print(table(rows))
        if options.compare or not options.out:
            return
        if not measured.worth_it:
            raise ModelError(f"not written: it is not faster, or loses more than {100 * MOST_LOST:.1f} points")
        told |= {"figures": figures(measured, where, network)}
        write_file(out, made.read_bytes())
        write_file(out.with_suffix(".json"), json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    console.print(f"written: {out} and its card", soft_wrap=True)


if __name__ == "__main__":
    run(main)
