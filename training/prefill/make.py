"""Write the prefill form of an int4 or int8 decoder: `prefill.onnx`, which fills the KV cache and gives no logits.

Every MatMulNBits becomes an int8 product with one scale a column, which multiplies many rows several times faster;
activations are rounded row by row, so a token's keys and values depend on the tokens before it and on nothing else.
What only logits need (the head, the last layer's feed-forward part) is left out. `python make.py FOLDER`
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

UNIT, MIDDLE, LAST, TINY = "prefill.unit", "prefill.middle", "prefill.last", "prefill.tiny"
MICROSOFT = "com.microsoft"


def dequantised(node, tensors) -> np.ndarray:
    """The weights of a MatMulNBits node in float32, [columns, inputs]."""
    numbers = {a.name: a.i for a in node.attribute}
    inputs, columns, block, bits = (numbers[name] for name in ("K", "N", "block_size", "bits"))
    if bits not in (4, 8) or (len(node.input) > 4 and node.input[4]):
        raise SystemExit(f"{node.output[0]}: only 4 and 8 bits without reordering are supported")

    def unpack(packed: np.ndarray) -> np.ndarray:
        packed = packed.reshape(columns, -1)
        if bits == 8:
            return packed.astype(np.float32)
        return np.stack([packed & 15, packed >> 4], axis=-1).reshape(columns, -1).astype(np.float32)

    values = unpack(tensors(node.input[1])).reshape(columns, -1, block)
    scales = tensors(node.input[2]).astype(np.float32).reshape(columns, -1, 1)
    middle = np.float32(1 << (bits - 1))
    if len(node.input) > 3 and node.input[3]:
        zeros = tensors(node.input[3])
        packed = np.issubdtype(zeros.dtype, np.uint8)
        middle = (unpack(zeros) if packed else zeros.astype(np.float32).reshape(columns, -1))[:, : scales.shape[1], None]
    return ((values - middle) * scales).reshape(columns, -1)[:, :inputs]


def product(node, weights: np.ndarray, rounded: set[str]):
    """Nodes and tensors that multiply the same input by `weights`, one scale a column and one a row."""
    scales = np.abs(weights).max(axis=1) / 127
    scales[scales == 0] = 1
    values = np.clip(np.rint(weights / scales[:, None]), -127, 127).astype(np.int8).T
    # Nodes need not have names; tensors do.
    source, target = node.input[0], node.output[0]
    name = target
    tensors = [numpy_helper.from_array(np.ascontiguousarray(values), f"{name}.q8"),
               numpy_helper.from_array(scales.astype(np.float32), f"{name}.scale")]
    nodes, row = [], f"{source}.row"
    if source not in rounded:
        rounded.add(source)
        nodes += [
            helper.make_node("Abs", [source], [f"{row}.abs"]),
            helper.make_node("ReduceMax", [f"{row}.abs", LAST], [f"{row}.most"], keepdims=1),
            helper.make_node("Max", [f"{row}.most", TINY], [f"{row}.scale"]),
            helper.make_node("Div", [source, f"{row}.scale"], [f"{row}.unit"]),
            helper.make_node("QuantizeLinear", [f"{row}.unit", UNIT, MIDDLE], [f"{row}.q8"]),
        ]
    bias = node.input[5] if len(node.input) > 5 else ""
    scaled = f"{target}.scaled" if bias else target
    nodes += [
        helper.make_node("MatMulIntegerToFloat", [f"{row}.q8", f"{name}.q8", UNIT, f"{name}.scale", MIDDLE, ""],
                         [f"{target}.unit"], name=name, domain=MICROSOFT),
        helper.make_node("Mul", [f"{target}.unit", f"{row}.scale"], [scaled]),
    ]
    if bias:
        nodes.append(helper.make_node("Add", [scaled, bias], [target]))
    return nodes, tensors


def needed(nodes, outputs: set[str]):
    """The nodes that `outputs` hang on, in their order. A graph that runs in order lets one backward walk do."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & {name for name in node.output if name}:
            kept.append(node)
            wanted |= {name for name in node.input if name}
    return kept[::-1], wanted


def reshaped(nodes, stored, constants):
    """Replaces reshapes of weights by the same bytes under another shape, which load without a copy."""
    kept = []
    for node in nodes:
        source = stored.get(node.input[0]) if node.op_type == "Reshape" else None
        if source is None or node.input[1] not in constants:
            kept.append(node)
            continue
        tensor = onnx.TensorProto()
        tensor.CopyFrom(source)
        tensor.name = node.output[0]
        del tensor.dims[:]
        tensor.dims.extend(int(size) for size in constants[node.input[1]])
        stored[tensor.name] = tensor
    return kept


def convert(folder: Path, graph_file: str) -> onnx.ModelProto:
    model = onnx.load(folder / graph_file, load_external_data=False)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    constants = {node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node
                 if node.op_type == "Constant"}

    def values(name: str) -> np.ndarray:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(stored[name])
        if uses_external_data(tensor):
            load_external_data_for_tensor(tensor, str(folder))
        return numpy_helper.to_array(tensor)

    outputs = [output for output in graph.output if output.name != "logits"]
    nodes, _ = needed(list(graph.node), {output.name for output in outputs})
    nodes = reshaped(nodes, stored, constants)
    made, added, rounded = [], [], set()
    for node in nodes:
        if node.op_type == "MatMulNBits":
            replacement, tensors = product(node, dequantised(node, values), rounded)
            made += replacement
            added += tensors
        else:
            made.append(node)
    made, wanted = needed(made, {output.name for output in outputs})
    added += [numpy_helper.from_array(np.float32(1 / 127), UNIT), numpy_helper.from_array(np.uint8(128), MIDDLE),
              numpy_helper.from_array(np.array([-1], np.int64), LAST), numpy_helper.from_array(np.float32(1e-8), TINY)]
    for part, content in ((graph.node, made), (graph.output, outputs),
                          (graph.initializer, [t for name, t in stored.items() if name in wanted] + added)):
        kept = list(content)
        del part[:]
        part.extend(kept)
    del graph.value_info[:]
    return model


def save(model: onnx.ModelProto, folder: Path) -> None:
    """New weights go to prefill.onnx.data; what the decoder's own data file holds is read from there."""
    data = folder / "prefill.onnx.data"
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            if uses_external_data(tensor) or len(tensor.raw_data) < 1024:
                continue
            file.write(b"\0" * (-file.tell() % 4096))
            place = {"location": data.name, "offset": file.tell(), "length": len(tensor.raw_data)}
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
    onnx.save_model(model, folder / "prefill.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a model folder whose decoder is model.onnx")
    parser.add_argument("--graph", default="model.onnx")
    wanted = parser.parse_args()
    save(convert(wanted.folder, wanted.graph), wanted.folder)
    for name in ("prefill.onnx", "prefill.onnx.data"):
        print(wanted.folder / name, (wanted.folder / name).stat().st_size >> 20, "MiB")


if __name__ == "__main__":
    main()
