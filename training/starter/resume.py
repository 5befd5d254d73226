"""Make a checkpoint of an exported folder, so that training goes on from weights whose own checkpoint is lost.

The 8-bit weights are taken as they are; what reads a span's meaning in the middle of the model does not ship, and is fitted anew
by least squares on the spans of the work folder.  The second round of the closing phase is next, with nothing of it done.
"""

import argparse
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer

from dialogue import SEED
from model import LAYERS, SENSE_LAYER, Starter
from train import Run, Spans

BATCHES, BATCH_TOKENS, RIDGE, SCALE = 60, 6144, 1e-2, 3.0  # of spans; a little of each dimension's mean square; logits' usual size


def weights(folder):
    """The exported weights under the names of `Starter`, without `sense`."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(folder / "model.onnx").graph.initializer}

    def matrix(name):
        blocks, scales = found[name + ".MatMul.weight_Q8"], found[name + ".MatMul.weight_scales"]
        return torch.from_numpy(((blocks.astype("float32") - 128) * scales[..., None]).reshape(len(blocks), -1))

    def vector(name):
        return torch.from_numpy(found[name + "_layernorm.weight"].copy())

    state = {"embedding": matrix("lm_head"), "norm.weight": vector(f"model.layers.{LAYERS}.final_norm")}
    for number in range(LAYERS):
        ours, theirs = f"blocks.{number}.", f"model.layers.{number}."
        state |= {ours + "qkv.weight": matrix(theirs + "attn.qkv_proj"), ours + "out.weight": matrix(theirs + "attn.o_proj"),
                  ours + "gate_up.weight": torch.cat([matrix(theirs + "mlp.gate_proj"), matrix(theirs + "mlp.up_proj")]),
                  ours + "down.weight": matrix(theirs + "mlp.down_proj"),
                  ours + "before_attention.weight": vector(theirs + "input"), ours + "before_mlp.weight": vector(theirs + "post_attention")}
    return state


@torch.no_grad()
def fit_sense(model, spans):
    """Fits what reads meaning; returns its mean cosine on spans."""
    hidden, vectors = [], []
    for _ in range(BATCHES):
        ids, (rows, positions, wanted) = spans.batch(BATCH_TOKENS)
        *_, (states, _) = model.through(ids, torch.float32, SENSE_LAYER)
        hidden.append(states[rows, positions])
        vectors.append(wanted)
    hidden, vectors = torch.cat(hidden), torch.cat(vectors)
    squares = hidden.T @ hidden
    solved = torch.linalg.solve(squares + RIDGE * squares.diagonal().mean() * torch.eye(len(squares)), hidden.T @ vectors)
    model.sense.weight.copy_(SCALE * solved.T)
    return torch.cosine_similarity(hidden @ solved, vectors).mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="exported folder in 8 bits")
    parser.add_argument("--work", type=Path, required=True, help="folder that prepare.py wrote to, without a checkpoint")
    args = parser.parse_args()
    if (args.work / "checkpoint.pt").exists():
        parser.error(f"{args.work} has a checkpoint: training goes on from that")
    tokenizers = [Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (args.model, args.work)]
    if tokenizers[0].to_str() != tokenizers[1].to_str():
        parser.error("the work folder has another tokenizer than the model: copy the model's there before prepare.py")
    run = Run(args.work, "cpu")
    state = weights(args.model)
    run.model.load_state_dict(state | {"sense.weight": run.model.sense.weight})
    cosine = fit_sense(run.model, Spans(args.work, tokenizers[0], SEED))
    run.progress.update(phase="again", steps=1)  # the exercises before everything else are done
    run.save()
    print(f"meaning read at a mean cosine of {cosine:.3f}; wrote {run.checkpoint}")


if __name__ == "__main__":
    main()
