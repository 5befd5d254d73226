"""A dialogue as text: the chat template, and marks around the spans of a prompt whose meaning is taught."""

import re

SEED = 20261121
OPEN, CLOSE = "\x02", "\x03"  # never part of what is tokenised

CHAT_TEMPLATE = """{%- macro text(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content is iterable -%}{%- for part in content -%}{%- if part.type == 'text' -%}{{ part.text }}{%- endif -%}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
<|im_start|>{{ 'system' if message.role == 'developer' else message.role }}
{{ text(message.content) }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""


def span(text):
    return f"{OPEN}{text}{CLOSE}"


def render(messages, generation_prompt=False):
    """The same text as chat_template.jinja, in segments: (text, is answer)."""
    segments, text = [], ""
    for role, content in messages:
        text += f"<|im_start|>{role}\n"
        if role == "assistant":
            segments += [(text, False), (content + "<|im_end|>", True)]
            text = "\n"
        else:
            text += content + "<|im_end|>\n"
    if generation_prompt:
        segments.append((text + "<|im_start|>assistant\n", False))
    return segments


def unmarked(text):
    """The text without marks, and its marked spans as (end in the text, span)."""
    out, spans, start = "", [], None
    for part in re.split(f"([{OPEN}{CLOSE}])", text):
        if part == OPEN:
            start = len(out)
        elif part == CLOSE:
            spans.append((len(out), out[start:]))
        else:
            out += part
    return out, spans
