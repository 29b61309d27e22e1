"""What a network costs: its parameters and its multiplications, counted in the ONNX graph itself."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

PRODUCTS = {"Conv", "ConvInteger", "QLinearConv", "FusedConv"}
MATRICES = {"MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "FusedGemm"}


@dataclass(frozen=True)
class Cost:
    """What one face costs.

    Attributes:
        parameters: numbers in the graph's constant tensors; not those of 32- and 64-bit whole numbers, which are shapes
            and biases of quantised layers, nor single numbers, such as scales.
        macs: multiply-accumulate operations of convolutions and matrix products; None where the shape of one is not
            known from the graph.
    """

    parameters: int
    macs: int | None


def cost(path: Path) -> Cost | None:
    """Count; None where the package onnx is not installed."""
    try:
        import onnx
    except ImportError:
        return None
    model = onnx.load(str(path))
    for tensor in model.graph.input:
        first = tensor.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.output, *graph.value_info)
    }
    shapes = {name: shape for name, shape in known.items() if all(shape)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants.update((node.output[0], one.t) for one in node.attribute if one.name == "value")
    shapes |= {name: tuple(tensor.dims) for name, tensor in constants.items()}
    whole = {onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL}
    sizes = (prod(tensor.dims) for tensor in constants.values() if tensor.data_type not in whole and tensor.dims)
    try:
        macs = sum(_macs(node, shapes) for node in graph.node)
    except KeyError:
        macs = None
    return Cost(sum(sizes), macs)


def _macs(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type in PRODUCTS:
        weights = node.input[3 if node.op_type.startswith("QLinear") else 1]
        # Each output is a sum over the kernel and the input channels of its group.
        return prod(shapes[node.output[0]]) * prod(shapes[weights][1:])
    if node.op_type in MATRICES:
        left = shapes[node.input[0]]
        across = any(one.name == "transA" and one.i for one in node.attribute)
        return prod(shapes[node.output[0]]) * left[0 if across else -1]
    return 0
