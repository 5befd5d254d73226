"""The starter model's shape, and a lean Llama for training it: bfloat16 sums, float32 weights.

`Starter` holds the same weights as transformers' `LlamaForCausalLM` with some of them joined (query, key and value; gate and
up); `as_transformers` takes them apart again.
"""

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY = 29_696
CONTEXT = 1024
WIDTH, HIDDEN, LAYERS = 384, 768, 6
HEADS, GROUPS, HEAD = 12, 6, 32
EPSILON, THETA = 1e-6, 10000.0
SENSE_LAYER, SENSE = 3, 384  # after this many layers marked tokens are taught a sentence vector
# Layer (from 0) and heads that pointing.py teaches.
POINTERS = {"copies": (4, slice(4, 12)), "choices": (4, slice(0, 4)), "leads": (2, slice(0, 4)), "bags": (2, slice(4, 8)), "follows": (5, slice(0, 6))}


def config():
    from transformers import LlamaConfig

    from tokenizer import END_OF_TEXT, TURN_END

    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=GROUPS, head_dim=HEAD, max_position_embeddings=CONTEXT, rms_norm_eps=EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": THETA}, tie_word_embeddings=True, bos_token_id=END_OF_TEXT,
        eos_token_id=TURN_END, pad_token_id=END_OF_TEXT, attention_dropout=0.0)


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return F.rms_norm(x, (WIDTH,), self.weight.to(x.dtype), EPSILON)


class Linear(nn.Module):
    """A matrix kept in float32 and used in the input's precision."""

    def __init__(self, inputs, outputs, std):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * std)

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))


def turned(x, cos, sin):
    """Rotary positions, in the half-split form of transformers."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        deep = 0.02 / (2 * LAYERS) ** 0.5
        self.before_attention, self.before_mlp = Norm(), Norm()
        self.qkv = Linear(WIDTH, (HEADS + 2 * GROUPS) * HEAD, 0.04)
        self.out = Linear(HEADS * HEAD, WIDTH, deep)
        self.gate_up = Linear(WIDTH, 2 * HIDDEN, 0.04)
        self.down = Linear(HIDDEN, WIDTH, deep)

    def forward(self, x, cos, sin):
        """The block's output, and its attention [rows, heads, length, length]."""
        rows, length, _ = x.shape
        qkv = self.qkv(self.before_attention(x)).view(rows, length, HEADS + 2 * GROUPS, HEAD).transpose(1, 2)
        both = turned(qkv[:, : HEADS + GROUPS], cos, sin)
        keys, values = (part.repeat_interleave(HEADS // GROUPS, 1) for part in (both[:, HEADS:], qkv[:, HEADS + GROUPS:]))
        # Written out, because that is faster on short rows on a CPU than the fused operator.
        future = torch.full((length, length), -1e9, dtype=x.dtype, device=x.device).triu(1)
        attention = (both[:, :HEADS] @ keys.transpose(2, 3) * HEAD**-0.5 + future).softmax(-1)
        x = x + self.out((attention @ values).transpose(1, 2).reshape(rows, length, HEADS * HEAD))
        gate, up = self.gate_up(self.before_mlp(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up), attention


class Starter(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(VOCABULARY, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm()
        self.sense = Linear(WIDTH, SENSE, 0.02)
        turn = torch.arange(CONTEXT)[:, None] * THETA ** (-torch.arange(HEAD // 2) * 2 / HEAD)
        self.register_buffer("cos", turn.cos(), persistent=False)
        self.register_buffer("sin", turn.sin(), persistent=False)

    def through(self, ids, precision, layers=LAYERS, embedding=None):
        """After each of the first layers: hidden states [rows, length, WIDTH] and attention [rows, heads, length, length].

        `ids` number the rows of `embedding`; without one, of the whole table.
        """
        x = F.embedding(ids, self.embedding if embedding is None else embedding).to(precision)
        cos, sin = self.cos[: ids.shape[1]].to(precision), self.sin[: ids.shape[1]].to(precision)
        for block in self.blocks[:layers]:
            x, attention = block(x, cos, sin)
            yield x, attention

    def forward(self, ids, precision=torch.float32, embedding=None):
        """Hidden states after the last norm and after SENSE_LAYER layers, each [rows, length, WIDTH]; the pointers' attention by kind."""
        states, attentions = zip(*self.through(ids, precision, embedding=embedding))
        return self.norm(states[-1]), states[SENSE_LAYER - 1], {kind: attentions[layer][:, heads] for kind, (layer, heads) in POINTERS.items()}

    def meaning(self, ids, precision, embedding=None):
        """What the first layers know of each place, as `sense` reads it: [rows, length, SENSE]."""
        *_, (x, _) = self.through(ids, precision, SENSE_LAYER, embedding)
        return self.sense(x)

    def logits(self, hidden):
        return F.linear(hidden, self.embedding.to(hidden.dtype))


def as_transformers(state):
    """The weights of a `Starter` as a `LlamaForCausalLM`."""
    from transformers import LlamaForCausalLM

    own = {"model.embed_tokens.weight": state["embedding"], "lm_head.weight": state["embedding"], "model.norm.weight": state["norm.weight"]}
    for number in range(LAYERS):
        ours, theirs = f"blocks.{number}.", f"model.layers.{number}."
        query, key, value = state[ours + "qkv.weight"].split([HEADS * HEAD, GROUPS * HEAD, GROUPS * HEAD])
        gate, up = state[ours + "gate_up.weight"].chunk(2)
        own |= {theirs + "self_attn.q_proj.weight": query, theirs + "self_attn.k_proj.weight": key, theirs + "self_attn.v_proj.weight": value,
                theirs + "self_attn.o_proj.weight": state[ours + "out.weight"], theirs + "mlp.gate_proj.weight": gate,
                theirs + "mlp.up_proj.weight": up, theirs + "mlp.down_proj.weight": state[ours + "down.weight"],
                theirs + "input_layernorm.weight": state[ours + "before_attention.weight"],
                theirs + "post_attention_layernorm.weight": state[ours + "before_mlp.weight"]}
    model = LlamaForCausalLM(config())
    model.load_state_dict(own)
    return model
