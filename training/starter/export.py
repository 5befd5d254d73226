"""Export a training checkpoint as an ONNX Runtime GenAI folder with 4-bit (or 8-bit) weights."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from common import CONTEXT, END_OF_TEXT, TURN_END, model_config, write_tokenizer_files

SHIPPED = ["config.json", "genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json",
           "chat_template.jinja", "generation_config.json"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder prepare.py and train.py wrote to")
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--precision", choices=["int4", "int8", "fp32"], default="int4")
    parser.add_argument("--random", action="store_true", help="untrained weights, to try the layout")
    args = parser.parse_args()

    torch.manual_seed(0)
    model = LlamaForCausalLM(model_config())
    if not args.random:
        model.load_state_dict(torch.load(args.work / "checkpoint.pt", weights_only=True)["model"])
    with tempfile.TemporaryDirectory() as scratch:
        source, built = Path(scratch) / "hf", Path(scratch) / "onnx"
        model.save_pretrained(source)
        write_tokenizer_files(args.work / "tokenizer.json", source)
        options = ["prune_lm_head=true"]
        if args.precision != "fp32":
            options += ["accuracy_level=4", "block_size=32"]
        subprocess.run([sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", built, "-p", args.precision,
                        "-e", "cpu", "-c", Path(scratch) / "cache", "--extra_options", *options], check=True)
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
