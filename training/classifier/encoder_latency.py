"""Latency of the sentence encoder, were it shipped: int8, one thread, 128 tokens. Prints JSON; writes nothing that stays.

    python encoder_latency.py --sense MINILM
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModel


class Pooled(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sense", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Pooled(AutoModel.from_pretrained(args.sense, attn_implementation="eager")).eval()
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
        given = torch.randint(5, 20000, (1, 128))
        torch.onnx.export(model, (given, torch.ones_like(given)), str(plain), dynamo=False, opset_version=17,
                          input_names=["input_ids", "attention_mask"], output_names=["vector"])
        quantize_dynamic(plain, small, weight_type=QuantType.QInt8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(small), options, ["CPUExecutionProvider"])
        names = [entry.name for entry in session.get_inputs()]
        feed = {"input_ids": given.numpy(), "attention_mask": np.ones((1, 128), np.int64)}
        feed = {name: feed[name] for name in names}
        taken = []
        for _ in range(200):
            start = time.perf_counter()
            session.run(None, feed)
            taken.append((time.perf_counter() - start) * 1e3)
        print(json.dumps({"tokens": 128, "bytes": small.stat().st_size, "p50_ms": round(float(np.percentile(taken, 50)), 2),
                          "p99_ms": round(float(np.percentile(taken, 99)), 2)}))


if __name__ == "__main__":
    main()
