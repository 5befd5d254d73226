"""Write the verify form of a decoder: `verify.onnx`, which runs several tokens of one answer and gives logits for each.

Its weights are the decoder's own, in the decoder's own files. Products take all tokens at once; attention takes them
one by one, each behind its predecessor's keys and values: a kernel over several tokens sums in another order than a
step does, and then drafts would change answers. `python training/verify/make.py FOLDER`
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

ATTENTION = "GroupQueryAttention"
# Inputs of the operator: queries, keys and values, the cache, lengths, and what would differ from token to token.
FLOWS, CACHE, LENGTHS, PER_TOKEN = (0, 1, 2), (3, 4), 5, (9, 10)


def unprune(graph) -> None:
    """The head takes every token: Gather and Unsqueeze of the last one go."""
    makers = {output: node for node in graph.node for output in node.output}
    node = makers["logits"]
    while node.op_type != "Unsqueeze" or makers[node.input[0]].op_type != "Gather":
        if node.op_type == ATTENTION or not node.input or node.input[0] not in makers:
            return  # it does so already
        node = makers[node.input[0]]
    last = makers[node.input[0]]
    for other in graph.node:
        for at, name in enumerate(other.input):
            if name == node.output[0]:
                other.input[at] = last.input[0]
    graph.node.remove(node)
    graph.node.remove(last)


def one_by_one(node, tokens: int) -> list:
    """Nodes that do what an attention node does, one token after another."""
    if any(len(node.input) > at and node.input[at] for at in PER_TOKEN):
        raise SystemExit(f"{node.name}: attention with positions or a bias of its own is not supported")
    made, parts = [], {}
    for at in (at for at in FLOWS if node.input[at]):
        # Queries, keys and values may come from one tensor.
        parts[at] = [f"{node.output[0]}.{at}.{token}" for token in range(tokens)]
        made.append(helper.make_node("Split", [node.input[at], "verify.ones"], parts[at], axis=1))
    for token in range(tokens):
        inputs = list(node.input)
        for at, names in parts.items():
            inputs[at] = names[token]
        inputs[LENGTHS] = f"verify.length.{token}"
        if token > 0:
            for at, name in zip(CACHE, node.output[1:3]):
                inputs[at] = present(name, token - 1, tokens)
        outputs = [f"{node.output[0]}.{token}", *(present(name, token, tokens) for name in node.output[1:3])]
        made.append(helper.make_node(ATTENTION, inputs, outputs, domain=node.domain))
        made[-1].attribute.extend(node.attribute)
    flows = [f"{node.output[0]}.{token}" for token in range(tokens)]
    return [*made, helper.make_node("Concat", flows, [node.output[0]], axis=1)]


def present(name: str, token: int, tokens: int) -> str:
    """The cache after a token; all of them are to be bound to one buffer."""
    return name if token == tokens - 1 else f"{name}.{token}"


def convert(model, tokens: int) -> None:
    graph = model.graph
    unprune(graph)
    first = next((node for node in graph.node if node.op_type == ATTENTION), None)
    if first is None:
        raise SystemExit("the graph has no GroupQueryAttention: only a cache that is written in place can be shared")
    graph.initializer.append(numpy_helper.from_array(np.ones(tokens, np.int64), "verify.ones"))
    lengths = []
    for token in range(tokens):
        behind, length = f"verify.behind.{token}", f"verify.length.{token}"
        graph.initializer.append(numpy_helper.from_array(np.array(tokens - 1 - token, np.int32), behind))
        lengths.append(helper.make_node("Sub", [first.input[LENGTHS], behind], [length]))
    nodes, outputs = [], []
    for node in graph.node:
        if node.op_type != ATTENTION:
            nodes.append(node)
            continue
        if node is first:
            nodes += lengths
        nodes += one_by_one(node, tokens)
        for name in node.output[1:3]:
            declared = next(output for output in graph.output if output.name == name)
            for token in range(tokens - 1):
                outputs.append(onnx.ValueInfoProto())
                outputs[-1].CopyFrom(declared)
                outputs[-1].name = present(name, token, tokens)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.output.extend(outputs)
    for value, name in ((graph.input, "input_ids"), (graph.output, "logits")):
        axis = next(one for one in value if one.name == name).type.tensor_type.shape.dim[1]
        axis.dim_value = tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", type=int, default=4, help="tokens of one run: the last one, and the draft")
    wanted = parser.parse_args()
    name = json.loads((wanted.folder / "genai_config.json").read_text())["model"]["decoder"]["filename"]
    model = onnx.load(wanted.folder / name, load_external_data=False)
    convert(model, wanted.tokens)
    onnx.save(model, wanted.folder / "verify.onnx")


if __name__ == "__main__":
    main()
