"""Write the model card, models/starter/README.md, from results.json and the exported files."""

import argparse
import json
from pathlib import Path

CARD = """# starter: a very small language model

Answers narrow requests: choose one of the labels that stand in the prompt, and put named fields of a sentence into JSON.
It was trained from scratch for this project and exists so that a hybrid gateway can be tried with nothing downloaded.

- Llama architecture, 4,590,848 parameters (6 layers, width 256, 8 heads, 4 key/value heads, tied embeddings).
- Byte-level BPE of 4,096 pieces; context 1,024 tokens. Training examples are mostly under 150 tokens.
- {size:,} bytes: 4-bit weights (block 32), ONNX Runtime GenAI layout, logits of the last position only.
- End tokens 2 (`<|im_end|>`) and 0 (`<|endoftext|>`). No BOS. Greedy decoding by default.
- Licence: Apache-2.0. English only.

## Measured

{questions:,} held-out questions. Held out are a tenth of all texts, whole intents and slot types (`unseen`), two instruction
wordings and six sentence frames. "exact" is the share of exactly right answers, "f1" counts pairs of field and value.
`float32` is the same checkpoint exported without quantisation. `majority` is the most frequent offered label, or each
field's most frequent value. `nearest` compares with the trained texts by TF-IDF and knows the task; where labels were never
trained it compares with their names.

{table}

## What it can and cannot do

{verdict}

## Reproduce

```sh
python3 -m venv .venv && .venv/bin/pip install -r training/requirements.txt
PYTHON=.venv/bin/python training/starter/run.sh DATA
```

The shipped weights saw {tokens:,} tokens on two shared cores, in several runs that were stopped and gone on with while the
rates of the second phase were still being chosen; `run.sh` repeats the method, not the weights.

## Data

| set | licence | attribution |
|---|---|---|
| CLINC150 | CC BY 3.0 | Larson et al. 2019, clinc/oos-eval; train and validation splits |
| BANKING77 | CC BY 4.0 | PolyAI, Casanueva et al. 2020; train split |
| HWU64 | CC BY 4.0 | Heriot-Watt University, Liu et al. 2019; train fold |
| Snips NLU | CC0-1.0 | Snips, Coucke et al. 2018 |
| RESTAURANTS-8K | CC BY 4.0 | PolyAI, Coope et al. 2020; train split |
| WNUT 2017 | CC BY 4.0 | Derczynski et al. 2017; train and dev |
| tldr-pages | CC BY 4.0 | the tldr-pages contributors; a choice of common commands |

Customer messages, sentence frames, facts, small talk and sums were written for this project. No test split was used.
"""


def table(results):
    lines = ["| questions | n | measure | shipped | float32 | majority | nearest |", "|---|---|---|---|---|---|---|"]
    for group, scores in results["shipped"].items():
        measure = "f1" if "f1" in scores else "exact"

        def figure(found, group=group, measure=measure):
            return f"{found[group][measure]:.3f}" if group in found else "-"

        others = [results.get("float32", {}), results["baselines"]["majority"], results["baselines"]["tfidf_nearest"]]
        cells = [group, str(scores["questions"]), measure, f"{scores[measure]:.3f}", *map(figure, others)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the exported folder; README.md is written there")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results.json"))
    args = parser.parse_args()
    results = json.loads(args.results.read_text())
    size = sum(path.stat().st_size for path in args.model.iterdir() if path.name != "README.md")
    verdict = Path(__file__).with_name("verdict.md").read_text().strip()
    card = CARD.format(size=size, questions=results["questions"], table=table(results), verdict=verdict,
                       tokens=results["training"]["tokens"])
    (args.model / "README.md").write_text(card)


if __name__ == "__main__":
    main()
