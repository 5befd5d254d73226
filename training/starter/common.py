"""The model's shape and the files that make its folder readable: configuration, tokenizer files, chat template."""

import json
import shutil

from prepare import DEFAULT_SYSTEM, VOCABULARY

CONTEXT = 1024
END_OF_TEXT, TURN_START, TURN_END = 0, 1, 2

CHAT_TEMPLATE = """{%- macro text(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content is iterable -%}{%- for part in content -%}{%- if part.type == 'text' -%}{{ part.text }}{%- endif -%}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- if not messages or messages[0].role not in ['system', 'developer'] -%}
<|im_start|>system
DEFAULT_SYSTEM<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ 'system' if message.role == 'developer' else message.role }}
{{ text(message.content) }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
""".replace("DEFAULT_SYSTEM", DEFAULT_SYSTEM)


def model_config():
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=END_OF_TEXT,
        eos_token_id=TURN_END,
        pad_token_id=END_OF_TEXT,
        attention_dropout=0.0,
        initializer_range=0.02,
    )


def write_tokenizer_files(tokenizer_json, folder):
    """Put tokenizer.json, tokenizer_config.json, chat_template.jinja and generation_config.json into `folder`."""
    shutil.copyfile(tokenizer_json, folder / "tokenizer.json")
    special = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    names = {END_OF_TEXT: "<|endoftext|>", TURN_START: "<|im_start|>", TURN_END: "<|im_end|>"}
    config = {
        "added_tokens_decoder": {str(number): {"content": name, **special} for number, name in names.items()},
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    generation = {
        "bos_token_id": END_OF_TEXT,
        "eos_token_id": [TURN_END, END_OF_TEXT],
        "pad_token_id": END_OF_TEXT,
        "do_sample": False,
        "max_new_tokens": 256,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
