"""The graph: hashed n-grams through one int8 table to a few dozen columns, then closed-form heads on those.

Nothing attends and nothing recurs. Feature scaling, inverse document frequencies and calibration are folded in; a
bucket 0 of weight 0 is padding, so rows may be batched.
"""

import numpy as np
import torch
from torch import nn


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float32))


class Columns(nn.Module):
    """`x W + f V + b` with x the weighed n-grams of norm 1 and W in int8 with a scale a row and one a column."""

    def __init__(self, idf, weights, scaler, feature_weights, bias):
        super().__init__()
        column = np.maximum(weights.std(0), 1e-9)
        rows = weights / column
        row = np.maximum(np.abs(rows).max(1), 1e-9) / 127
        self.register_buffer("codes", torch.as_tensor(np.round(rows / row[:, None]).astype(np.int8)))
        self.register_buffer("aside", tensor(np.stack([idf, idf * row], 1)))
        self.register_buffer("column", tensor(column))
        self.register_buffer("mean", tensor(scaler.mean))
        self.register_buffer("std", tensor(scaler.std))
        self.register_buffer("feature_weights", tensor(feature_weights))
        self.register_buffer("bias", tensor(bias))

    def forward(self, ids, weights, features):
        scaled = ((features - self.mean) / self.std).clamp(-4, 4)
        aside = self.aside[ids] * weights.unsqueeze(-1)
        norm = (aside[:, :, 0] ** 2).sum(1, keepdim=True).sqrt().clamp_min(1e-6)
        summed = (aside[:, :, 1] / norm).unsqueeze(1) @ self.codes[ids].float()
        return summed.squeeze(1) * self.column + scaled @ self.feature_weights + self.bias, scaled


class Graph(nn.Module):
    """All heads. `plan` names where each group of columns lies; see `train.py`."""

    def __init__(self, columns: Columns, plan: dict, parts: dict):
        super().__init__()
        self.columns, self.plan = columns, plan
        for name, values in parts.items():
            self.register_buffer(name, tensor(values))

    def forward(self, ids, weights, features):
        columns, scaled = self.columns(ids, weights, features)
        at = lambda name: columns[:, self.plan[name][0]:self.plan[name][1]]
        gates = torch.softmax((at("gates") + self.lead) * self.gate_heat, 1)
        gated = (gates * at("experts")).sum(1, keepdim=True)
        sense = at("sense") * self.sense_scale
        place = torch.cat([sense * self.sense_spread, scaled * self.feature_spread, at("ok"), at("experts")], 1)
        squares = (place**2).sum(1, keepdim=True) + self.landmark_squares - 2 * place @ self.landmarks.T
        bumps = torch.exp(-self.gamma * squares.clamp_min(0))
        near = bumps @ self.readout + self.readout_mean
        gain = (torch.cat([at("gain"), near[:, 1:2], gates], 1) @ self.gain_stack).squeeze(1).clamp(-1, 1)
        kind = torch.cat([at("tasks"), sense, scaled * self.kind_spread], 1)
        kinds = kind @ self.kind_weights + self.kind_bias
        task = torch.softmax(kinds, 1)
        everyday = gates[:, -1:]
        heard = torch.cat([gated, near[:, :1] * (1 - everyday), at("ok") * (1 - everyday), gates, everyday * task], 1)
        logit = (heard @ self.stack + self.stack_bias).squeeze(1)
        local_ok = torch.sigmoid(self.platt[0] * logit + self.platt[1])
        words = (torch.cat([kind, task], 1) @ self.length_weights + self.length_bias).squeeze(1)
        tokens = torch.exp(words.clamp(0, 8.5))
        embedding = torch.cat([sense[:, :self.kept], scaled * 0.5, task * 2, gates * 2, (gated - 0.5) * 4,
                               (near[:, :1] - 0.5) * 4, (at("ok") - 0.5) * 4], 1).clamp(-8, 8)
        return local_ok, gain, task, tokens, embedding

    @property
    def kept(self) -> int:
        """Dimensions of meaning that the embedding keeps: it has 64 numbers in all."""
        return 64 - 12 - 12 - self.plan["gates"][1] + self.plan["gates"][0] - 3
