"""The network: token and token-pair tables, masked pooling, hand-made features, a small MLP, two heads.

Nothing attends and nothing recurs, so the cost is a few table rows per token. In the exported graph the tables are
int8 with one scale per row, feature normalisation and calibration are folded in, and padding (id 0) is masked
inside, so rows may be batched.
"""

import torch
from torch import nn

PAIR_A, PAIR_B = 7919, 104729


class Table(nn.Module):
    """An embedding that can be frozen to int8 rows with a scale each."""

    def __init__(self, rows: int, width: int, spread: float = 0.1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, width) * spread)
        self.small = False

    def freeze_small(self) -> None:
        weight = self.weight.detach()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-8) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("codes", torch.round(weight / scale).to(torch.int8))
        del self.weight
        self.small = True

    def forward(self, ids):
        if self.small:
            return self.codes[ids].float() * self.scale[ids]
        return nn.functional.embedding(ids, self.weight)


class Net(nn.Module):
    def __init__(self, vocab: int, feature_mean, feature_std, width=96, pairs=16384, pair_width=32, hidden=96,
                 dropout=0.3):
        super().__init__()
        self.tokens = Table(vocab, width)
        self.pairs = Table(pairs, pair_width)
        self.importance = nn.Embedding(vocab, 1)
        nn.init.zeros_(self.importance.weight)
        self.pair_rows = pairs
        self.register_buffer("feature_mean", torch.as_tensor(feature_mean))
        self.register_buffer("feature_std", torch.as_tensor(feature_std))
        inside = 2 * width + pair_width + len(feature_mean)
        self.norm = nn.LayerNorm(2 * width + pair_width)
        self.drop = nn.Dropout(dropout)
        self.hidden = nn.Linear(inside, hidden)
        self.ok = nn.Linear(hidden, 1)
        self.gain = nn.Linear(hidden, 1)

    def body(self, ids, features):
        mask = (ids != 0).unsqueeze(-1).float()
        rows = self.tokens(ids)
        weights = torch.sigmoid(self.importance(ids)) * mask
        mean = (rows * weights).sum(1) / weights.sum(1).clamp_min(1e-3)
        peak = (rows * mask - (1 - mask) * 1e4).amax(1) * mask.amax(1)
        following = torch.cat([ids[:, 1:], torch.zeros_like(ids[:, :1])], 1)
        both = mask * (following != 0).unsqueeze(-1).float()
        pair_ids = (ids * PAIR_A + following * PAIR_B) % self.pair_rows
        pairs = (self.pairs(pair_ids) * both).sum(1) / both.sum(1).clamp_min(1.0)
        scaled = ((features - self.feature_mean) / self.feature_std).clamp(-4, 4)
        joined = torch.cat([self.norm(torch.cat([mean, peak, pairs], 1)), scaled], 1)
        return torch.relu(self.hidden(self.drop(joined)))

    def heads(self, ids, features):
        """Raw logit of `local_ok`, and `gain`."""
        body = self.drop(self.body(ids, features))
        return self.ok(body).squeeze(1), self.gain(body).squeeze(1)


class Average(nn.Module):
    """Members of equal shape whose heads are averaged, then calibrated; this is what is exported."""

    def __init__(self, members: list[Net]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("platt", torch.tensor([1.0, 0.0]))

    def heads(self, ids, features):
        parts = [member.heads(ids, features) for member in self.members]
        return torch.stack([p[0] for p in parts]).mean(0), torch.stack([p[1] for p in parts]).mean(0)

    def freeze_small(self) -> None:
        for member in self.members:
            member.tokens.freeze_small()
            member.pairs.freeze_small()

    def forward(self, ids, features):
        logit, gain = self.heads(ids, features)
        return torch.sigmoid(self.platt[0] * logit + self.platt[1]), gain.clamp(-1, 1)
