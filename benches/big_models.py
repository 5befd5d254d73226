"""Full-size models with random weights: the real configurations of Qwen2.5-0.5B and Llama-3.2-1B, for speed only.

Writes OUT/NAME/hf (float32 weights, our own tokenizer of the real vocabulary's size) and, exported from it by
onnxruntime-genai's builder, OUT/NAME-b128 (int4, block 128, pruned head) and OUT/NAME-b32 (int4, block 32).
Needs about 5 GB of memory for the larger one. `python benches/big_models.py --out .local/big qwen2.5-0.5b`
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

COMMON = dict(hidden_act="silu", rms_norm_eps=1e-6, initializer_range=0.02, use_cache=True)
# The published architecture numbers; nothing else of these models is used.
MODELS = {
    "qwen2.5-0.5b": dict(
        COMMON, model_type="qwen2", vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
        num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32768, tie_word_embeddings=True,
        rope_theta=1000000.0, use_sliding_window=False, bos_token_id=151643, eos_token_id=151645,
    ),
    "llama-3.2-1b": dict(
        COMMON, model_type="llama", vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
        num_attention_heads=32, num_key_value_heads=8, head_dim=64, max_position_embeddings=131072,
        tie_word_embeddings=True, rope_theta=500000.0, attention_bias=False, mlp_bias=False, rms_norm_eps=1e-5,
        rope_scaling=dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=8192),
        bos_token_id=128000, eos_token_id=128009,
    ),
}
FORMS = {
    "b128": ["block_size=128", "prune_lm_head=true"],
    "b32": ["block_size=32"],
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(size: int, eos: int, bos: int):
    """Byte-level BPE: the 256 bytes, then as many words of two, three and four small letters as the size wants."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {symbol: at for at, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    letters = "abcdefghijklmnopqrstuvwxyz"
    merges = []
    reserved = {eos: "<|im_end|>", bos: "<|endoftext|>", size - 1: "<|im_start|>"}

    def add(left: str, right: str) -> bool:
        at = len(vocabulary)
        while at in reserved:
            vocabulary[f"<|unused{at}|>"] = at
            at += 1
        if at >= size:
            return False
        vocabulary[left + right] = at
        merges.append((left, right))
        return True

    pairs = [(a, b) for a in letters for b in letters]
    triples = [(a + b, c) for a, b in pairs for c in letters]
    fours = [(a + b, c + d) for a, b in pairs for c, d in pairs]
    for left, right in pairs + triples + fours:
        if not add(left, right):
            break
    for at, text in reserved.items():
        vocabulary.pop(f"<|unused{at}|>", None)
        vocabulary[text] = at
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in reserved.values()])
    return made


def make(folder: Path, numbers: dict) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    numbers = dict(numbers)
    config = AutoConfig.for_model(numbers.pop("model_type"), **numbers)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)
    model = AutoModelForCausalLM.from_config(config)
    for name, values in model.named_parameters():
        if name.endswith("bias"):  # zeros would be left out of the graph
            torch.nn.init.normal_(values, std=0.02)
    model.generation_config.pad_token_id = config.bos_token_id
    model.save_pretrained(folder)
    made = tokenizer(config.vocab_size, config.eos_token_id, config.bos_token_id)
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>", "model_max_length": config.max_position_embeddings, "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def export(source: Path, target: Path, options: list[str], cache: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", str(target),
               "-p", "int4", "-e", "cpu", "-c", str(cache), "--extra_options", "accuracy_level=4", *options]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".local/big"))
    parser.add_argument("names", nargs="*", default=list(MODELS))
    wanted = parser.parse_args()
    for name in wanted.names:
        source = wanted.out / name / "hf"
        if not (source / "tokenizer_config.json").exists():
            make(source, MODELS[name])
        for form, options in FORMS.items():
            target = wanted.out / f"{name}-{form}"
            if not (target / "genai_config.json").exists():
                export(source, target, options, wanted.out / "cache")
            print(target, sum(file.stat().st_size for file in target.iterdir()) >> 20, "MiB", flush=True)


if __name__ == "__main__":
    main()
