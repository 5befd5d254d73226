"""Starting weights that already look things up in the prompt.

Copying from earlier text is what every task here needs, and a randomly started model spends most of a short
training run finding out how.  So layer 0 starts with a head that passes each token on to its successor, layer 1
with heads that find where the present token stood before and copy what followed, and the other layers with heads
that look at similar tokens.  Training may change all of it.
"""

import torch

SCALE = 0.3  # of the embeddings
LEVEL = 4.0  # size of the one dimension that is the same in every embedding
SPACE = 3.0  # size of the one dimension that tells a word after a space from the same word without


@torch.no_grad()
def start(model, vocabulary):
    """vocabulary: {token: number}.  A word with and without its leading space starts with the same embedding."""
    config = model.config
    width, head, heads, groups = config.hidden_size, config.head_dim, config.num_attention_heads, config.num_key_value_heads
    half, quarter, shared = head // 2, head // 4, heads // groups
    slow = torch.cat([torch.arange(quarter, half), torch.arange(half + quarter, head)])  # dimensions RoPE hardly turns

    embedding = model.model.embed_tokens.weight
    embedding.normal_(0, SCALE)
    for token, number in vocabulary.items():
        if token[1:] in vocabulary and token.startswith("\u0120"):
            embedding[number] = embedding[vocabulary[token[1:]]]
    embedding[:, -2] = 0
    embedding[[number for token, number in vocabulary.items() if token.startswith("\u0120")], -2] = SCALE * SPACE
    embedding[:, -1] = SCALE * LEVEL
    model.model.norm.weight.fill_(0.05 / SCALE)
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        layer.mlp.gate_proj.weight.normal_(0, 0.05)
        layer.mlp.up_proj.weight.normal_(0, 0.05)
        keys = torch.randn(groups, head, width) / 16
        layer.self_attn.k_proj.weight.copy_(keys.reshape(-1, width))
        queries = keys.repeat_interleave(shared, 0) + torch.randn(heads, head, width) / 40
        layer.self_attn.q_proj.weight.copy_(queries.reshape(-1, width))
        layer.self_attn.v_proj.weight.normal_(0, 1 / 16)

    # Layer 0, first head: attend one token back (RoPE turns the constant dimension), write what stood there.
    attention = model.model.layers[0].self_attn
    turn = 10000.0 ** (-torch.arange(quarter) / half)
    strength = (8 * torch.tensor([8.0, 6, 4, 3, 2, 2, 2, 2])).sqrt() / LEVEL
    for first in range(shared):
        query = attention.q_proj.weight[first * head: (first + 1) * head]
        query.normal_(0, 0.01)
        query[:quarter, -1] = strength * turn.cos()
        query[half: half + quarter, -1] = -strength * turn.sin()
    key = attention.k_proj.weight[:head]
    key.normal_(0, 0.01)
    key[:quarter, -1] = strength
    read = torch.linalg.qr(torch.randn(width - 1, head))[0].T
    write = torch.linalg.qr(torch.randn(width - 1, head))[0]
    attention.v_proj.weight[:head].zero_()
    attention.v_proj.weight[:head, :-1] = read
    attention.o_proj.weight[:-1, :head] = write * SCALE * 2

    # Layer 1: the query is the present token, the key the token before; the value goes to the output.
    attention = model.model.layers[1].self_attn
    copied = torch.linalg.qr(torch.randn(width, width))[0]
    for group in range(groups):
        match = torch.linalg.qr(torch.randn(head, half))[0].T
        rows = slice(group * head, (group + 1) * head)
        attention.k_proj.weight[rows].normal_(0, 0.01)
        attention.k_proj.weight[group * head + slow, :-1] = 2.6 * match @ write.T
        attention.v_proj.weight[rows] = copied[rows]
        for number in range(group * shared, (group + 1) * shared):
            attention.q_proj.weight[number * head: (number + 1) * head].normal_(0, 0.01)
            attention.q_proj.weight[number * head + slow, :-1] = 2.6 * match @ read
            attention.o_proj.weight[:, number * head: (number + 1) * head] = copied[rows].T * SCALE * 3
