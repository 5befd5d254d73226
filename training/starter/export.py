"""Export what was trained as an ONNX Runtime GenAI folder with 4-bit, 8-bit or float32 weights: three quarters of the weights at the end of
the closing phase's second round and a quarter of those at the end of its first, which is better than either."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
import torch

from dialogue import CHAT_TEMPLATE
from model import CONTEXT, as_transformers
from tokenizer import END_OF_TEXT, SPECIALS, TURN_END

SECOND_ROUND = 0.75  # its part of the weights that ship
SHIPPED = ["config.json", "genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json",
           "chat_template.jinja", "generation_config.json"]


def write_tokenizer_files(tokenizer_json, folder):
    """Put tokenizer.json, tokenizer_config.json, chat_template.jinja and generation_config.json into `folder`."""
    shutil.copyfile(tokenizer_json, folder / "tokenizer.json")
    special = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    config = {
        "added_tokens_decoder": {str(number): {"content": name, **special} for number, name in enumerate(SPECIALS)},
        "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": SPECIALS[TURN_END], "pad_token": SPECIALS[END_OF_TEXT],
        "unk_token": None, "clean_up_tokenization_spaces": False, "model_max_length": CONTEXT, "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    generation = {"bos_token_id": END_OF_TEXT, "eos_token_id": [TURN_END, END_OF_TEXT], "pad_token_id": END_OF_TEXT, "do_sample": False,
                  "max_new_tokens": 256}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def trained(work):
    """The weights to export: the last ones, in the second round of the closing phase mixed with the first round's."""
    last = torch.load(work / "checkpoint.pt", weights_only=True, map_location="cpu")
    if last["progress"]["phase"] != "again":
        return last["model"]
    first = torch.load(work / "checkpoint-closing.pt", weights_only=True, map_location="cpu")["model"]
    return {name: SECOND_ROUND * state + (1 - SECOND_ROUND) * first[name] for name, state in last["model"].items()}


def tie_embedding(path):
    """In a model of 8 bits let the embedding read the head's matrix, of which the builder writes a second copy in float32.

    Both are the same bytes of the file in two shapes, so that a runtime which maps the file reads the rows that it needs.
    """
    model = onnx.load(path)
    graph, table, head = model.graph, "model.embed_tokens.weight", "lm_head.MatMul.weight"
    for tensor in [tensor for tensor in graph.initializer if tensor.name == table]:
        graph.initializer.remove(tensor)
    data = path.with_name(path.name + ".data")
    data.unlink()
    onnx.save(model, path, save_as_external_data=True, location=data.name)

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    matrix = next(tensor for tensor in graph.initializer if tensor.name == head + "_Q8")
    rows, blocks, block = matrix.dims
    flat = onnx.TensorProto()
    flat.CopyFrom(matrix)
    flat.name, flat.dims[:] = table + "_Q8", [rows, blocks * block]
    graph.initializer.append(flat)
    node = next(node for node in graph.node if table in node.input)
    node.CopyFrom(onnx.helper.make_node("GatherBlockQuantized", [flat.name, node.input[1], head + "_scales"], node.output, node.name + "BlockQuantized",
                                        domain="com.microsoft", bits=8, block_size=block, gather_axis=0, quantize_axis=1))
    onnx.save(model, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder prepare.py and train.py wrote to")
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--precision", choices=["int4", "int8", "fp32"], default="int8")
    parser.add_argument("--option", action="append", default=["prune_lm_head=true"], help="of onnxruntime_genai's builder, KEY=VALUE")
    args = parser.parse_args()

    model = as_transformers(trained(args.work))
    with tempfile.TemporaryDirectory() as scratch:
        source, built = Path(scratch) / "hf", Path(scratch) / "onnx"
        model.save_pretrained(source)
        write_tokenizer_files(args.work / "tokenizer.json", source)
        options = args.option + (["accuracy_level=4", "block_size=32"] if args.precision != "fp32" else [])
        subprocess.run([sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", built, "-p", args.precision,
                        "-e", "cpu", "-c", Path(scratch) / "cache", "--extra_options", *options], check=True)
        if args.precision == "int8":
            tie_embedding(built / "model.onnx")
        write_tokenizer_files(args.work / "tokenizer.json", built)
        shutil.copyfile(source / "config.json", built / "config.json")
        genai = json.loads((built / "genai_config.json").read_text())
        genai["model"].update(bos_token_id=END_OF_TEXT, eos_token_id=[TURN_END, END_OF_TEXT], pad_token_id=END_OF_TEXT, context_length=CONTEXT)
        genai["search"].update(do_sample=False, max_length=CONTEXT)
        (built / "genai_config.json").write_text(json.dumps(genai, indent=4) + "\n")
        args.out.mkdir(parents=True, exist_ok=True)
        for name in SHIPPED:
            (args.out / name).unlink(missing_ok=True)
            if (built / name).exists():
                shutil.copyfile(built / name, args.out / name)
    for path in sorted(args.out.iterdir()):
        print(f"{path.name}\t{path.stat().st_size}")


if __name__ == "__main__":
    main()
