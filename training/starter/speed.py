"""How fast the shipped files answer on one core, and in how much memory; writes speed.json for the card.

Starts the program bound to the first core with one thread, asks it over HTTP from another core, and stops it.
"""

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from tokenizers import Tokenizer

from everyday import own_settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROMPT, ANSWER, ROUNDS = 100, 256, 15


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, text, most):
    """Seconds to the first and to the last token of an answer of `most` tokens."""
    body = {"model": "local", "messages": [{"role": "user", "content": text}], "max_tokens": most, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True}, "logit_bias": {"0": -100, "2": -100}}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    started, first, tokens = time.perf_counter(), None, 0
    with urllib.request.urlopen(request, timeout=60) as reply:
        for line in reply:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if first is None and event["choices"] and event["choices"][0]["delta"].get("content"):
                first = time.perf_counter() - started
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    return first, time.perf_counter() - started, tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "crossover")
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(ROOT / "models" / "starter" / "tokenizer.json"))
    words = [word for word in tokenizer.get_vocab() if word.startswith("\u0120") and word[1:].isalpha() and len(word) > 3]
    rng, port = random.Random(1), free_port()
    frame = len(tokenizer.encode("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False).ids)

    def prompt():
        return "".join(" " + rng.choice(words)[1:] for _ in range(PROMPT - frame))

    with tempfile.TemporaryDirectory() as state:
        environment = {**own_settings(state), "CROSSOVER__SERVER__LISTEN": f"127.0.0.1:{port}", "CROSSOVER__SERVER__ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "CROSSOVER__LOCAL__THREADS": "1"}
        program = subprocess.Popen(["taskset", "-c", "0", args.program, "serve"], cwd=ROOT, env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            os.sched_setaffinity(0, set(range(1, os.cpu_count())) or {0})
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            ask(port, prompt(), 8)
            rounds = [ask(port, prompt(), ANSWER) for _ in range(ROUNDS)]
            memory = next(int(line.split()[1]) / 1024 for line in Path(f"/proc/{program.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        finally:
            program.terminate()
            program.wait()
    decode = statistics.median((tokens - 1) / (whole - first) for first, whole, tokens in rounds)
    first = statistics.median(first for first, _, _ in rounds) * 1000
    text = (f"On one core of a shared AMD EPYC, through the program over HTTP: {decode:.0f} tokens/s decode (aim 150), first token of a prompt of "
            f"{PROMPT} tokens after {first:.1f} ms (aim 30), medians of {ROUNDS}; {memory:.0f} MB resident for the whole program (aim 120).")
    (HERE / "speed.json").write_text(json.dumps({"decode_tokens_per_s": round(decode), "first_token_ms": round(first, 1), "rss_mb": round(memory), "text": text},
                                                indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
