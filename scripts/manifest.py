#!/usr/bin/env python3
"""Writes models/manifest.toml: the files of each shipped model with their SHA-256, and what it was trained on.

Run after an export: `python3 scripts/manifest.py`. With `--check`, changes nothing and fails where the file is not true, or
where models/ holds what MODELS does not list.
"""

import hashlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "models"

CLINC = ("CLINC150", "CC BY 3.0", "Larson et al., clinc/oos-eval")
BANKING = ("BANKING77", "CC BY 4.0", "Casanueva et al., PolyAI")
HWU = ("HWU64", "CC BY 4.0", "Liu et al., Heriot-Watt University")
SNIPS = ("SNIPS", "CC0-1.0", "Coucke et al., Snips")
RESTAURANTS = ("RESTAURANTS-8K", "CC BY 4.0", "Coope et al., PolyAI")
WNUT = ("WNUT 2017", "CC BY 4.0", "Derczynski et al.")
TLDR = ("tldr-pages", "CC BY 4.0", "tldr-pages contributors")
QUAREL = ("QuaRel", "CC BY", "Tafjord et al., AI2")
QUARTZ = ("QuaRTz", "CC BY", "Tafjord et al., AI2")
COSMOS = ("CosmosQA", "CC BY 4.0", "Huang et al.")
MINILM = ("all-MiniLM-L6-v2, sentence vectors", "Apache-2.0", "sentence-transformers")

MODELS = [
    {
        "name": "classifier",
        "kind": "classifier",
        "source": "trained by training/classifier",
        "files": ["config.json", "model.onnx", "tokenizer.json"],
        "data": [
            ("MMLU-Pro", "Apache-2.0", "Wang et al., TIGER-AI-Lab"),
            ("LLMRouter", "MIT", "ulab-uiuc"),
            ("ZeroEval", "Apache-2.0", "WildEval"),
            CLINC, BANKING, HWU, SNIPS, RESTAURANTS, WNUT, TLDR,
            ("GSM8K, train split", "MIT", "Cobbe et al., OpenAI"),
            QUAREL, QUARTZ, COSMOS,
            ("CommonGen", "MIT", "Lin et al."),
            MINILM,
        ],
    },
    {
        "name": "starter",
        "kind": "language",
        "source": "trained by training/starter",
        "files": [
            "chat_template.jinja", "config.json", "genai_config.json", "generation_config.json", "model.onnx",
            "model.onnx.data", "tokenizer.json", "tokenizer_config.json",
        ],
        "data": [CLINC, BANKING, HWU, SNIPS, RESTAURANTS, WNUT, TLDR, QUAREL, QUARTZ, COSMOS, MINILM],
    },
]


def render() -> str:
    lines = ["# Which model files ship, and where they come from. Written by scripts/manifest.py.", "", "schema-version = 1"]
    for model in MODELS:
        lines += ["", "[[model]]"]
        lines += [f'{key} = "{model[key]}"' for key in ("name", "kind", "source")]
        lines += ['licence = "Apache-2.0"', "", "[model.files]"]
        for file in model["files"]:
            digest = hashlib.sha256((ROOT / model["name"] / file).read_bytes()).hexdigest()
            lines.append(f'"{file}" = "{digest}"')
        for name, licence, attribution in model["data"]:
            lines += ["", "[[model.data]]", f'name = "{name}"', f'licence = "{licence}"', f'attribution = "{attribution}"']
    return "\n".join(lines) + "\n"


def unlisted() -> list[pathlib.Path]:
    """Folders of no model above, and what lies in a model's folder besides its files and its card. Hidden files are nobody's."""
    def shown(folder: pathlib.Path) -> list[pathlib.Path]:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))

    files = {model["name"]: {*model["files"], "README.md"} for model in MODELS}
    folders = [path for path in shown(ROOT) if path.is_dir()]
    known = [folder for folder in folders if folder.name in files]
    return [folder for folder in folders if folder not in known] + [
        path for folder in known for path in shown(folder) if path.name not in files[folder.name]]


def main() -> int:
    target, text = ROOT / "manifest.toml", render()
    if "--check" in sys.argv[1:]:
        wrong = [f"{path.relative_to(ROOT.parent)} is not listed in scripts/manifest.py: list it there or take it away" for path in unlisted()]
        if not target.exists() or target.read_text() != text:
            wrong.append(f"{target.relative_to(ROOT.parent)} is not true: run python3 scripts/manifest.py")
        print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
        return 1 if wrong else 0
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
