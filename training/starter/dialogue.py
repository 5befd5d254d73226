"""A dialogue as text: the chat template, and marks around the spans of a prompt whose meaning is taught."""

import re

SEED = 20261121
OPEN, FROM, ENTRY, AS, CLOSE = "\x02", "\x05", "\x06", "\x04", "\x03"  # never part of what is tokenised

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


def span(text, group=""):
    """A span whose last token is taught its meaning, and that of the texts and labels that belong to the same `group`."""
    return f"{OPEN}{text}{AS}{group}{CLOSE}"


def entry(text):
    """One of the choices of a list: what answers name, and somewhere in it the span that tells its meaning."""
    return ENTRY + text


def value_span(text, kind):
    """A span whose first token is taught the meaning of `kind`."""
    return f"{FROM}{text}{AS}{kind}{CLOSE}"


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
    """The text without marks, and what is taught as (last letter of the token that learns it, text with the meaning, group, first
    letter of the entry that the span belongs to or None).
    """
    out, taught, mark, start, end, lead = "", [], None, 0, None, None
    for part in re.split(f"([{OPEN}{FROM}{ENTRY}{AS}{CLOSE}])", text):
        if part == ENTRY:
            lead = len(out)
        elif part in (OPEN, FROM):
            mark, start = part, len(out)
        elif part == AS:
            end = len(out)
        elif part == CLOSE:
            taught.append((end, out[start:], group, lead) if mark == OPEN else (start + 1, group, "", None))
            end = lead = None
        elif end is not None:
            group = part
        else:
            out += part
    return out, taught
