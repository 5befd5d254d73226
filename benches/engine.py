"""The local engine beside onnxruntime-genai and llama.cpp: full-size models with random weights, the same threads.

Subjects take turns in every round and medians count; the gateway is the release program, spoken to over HTTP streams.
Prints a Markdown table and writes target/bench/engine.json. `python benches/engine.py --models .local/big`
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from engine_subjects import Gateway, Genai, LlamaCpp, bandwidth

ROOT = Path(__file__).resolve().parent.parent
DECODE, PROMPT, SHORT, SHARED, LONG = 128, 512, 64, 1024, 2048
STREAMS, CHUNK = 8, 128


def median(values) -> float:
    return statistics.median(values) if values else float("nan")


def read_per_token(folder: Path) -> int:
    """Bytes of weights that a decode step reads: all but the table of rotations."""
    model = json.loads((folder / "genai_config.json").read_text())["model"]
    table = model["context_length"] * model["decoder"]["head_size"] * 4
    return sum(file.stat().st_size for file in folder.glob("model.onnx*")) - table


class Race:
    """One model's runs, by (subject, case)."""

    def __init__(self, name: str, wanted):
        self.name, self.wanted, self.runs, self.bandwidth = name, wanted, {}, []
        folder = wanted.models / f"{name}-b128"
        if not (folder / "genai_config.json").exists():
            raise SystemExit(f"{folder} is not there; make it with `python benches/big_models.py --out {wanted.models}`")
        self.weights = read_per_token(folder)
        self.subjects = {"crossover": Gateway(wanted.program, folder, wanted.threads)}
        for setting in wanted.also:
            self.subjects[f"crossover, {setting}"] = Gateway(wanted.program, folder, wanted.threads, setting)
        if wanted.seeded:
            self.subjects["crossover, seeded"] = Gateway(wanted.program, folder, wanted.threads, seed=1)
        for form in ("b128", "b32"):
            self.subjects[f"genai {form}"] = Genai(wanted.models / f"{name}-{form}", wanted.threads)
        gguf = wanted.models / f"{name}-q4_0.gguf"
        if wanted.llama and gguf.exists():
            self.subjects["llama.cpp Q4_0"] = LlamaCpp(wanted.llama, gguf, wanted.threads)

    def note(self, subject: str, case: str, run: dict) -> None:
        self.runs.setdefault((subject, case), []).append(run)

    def rounds(self, count: int) -> None:
        names = list(self.subjects)
        for at in range(count):
            self.bandwidth.append(bandwidth(self.wanted.threads))
            for subject in names[at % len(names):] + names[: at % len(names)]:
                for case, run in self.subjects[subject].turn(SHORT, DECODE, PROMPT):
                    self.note(subject, case, run)
            own = self.subjects["crossover"]
            self.note("crossover", "eight", own.many(STREAMS, SHORT, DECODE // 2))
            print(f"{self.name}: round {at + 1} of {count}", file=sys.stderr, flush=True)

    def extras(self, count: int) -> None:
        own = self.subjects["crossover"]
        for at in range(count):
            self.note("crossover", "long", own.turn_decode(LONG, DECODE // 4))
            self.note("genai b128", "long", self.subjects["genai b128"].run(LONG, DECODE // 4))
            miss, hit = own.prefix(SHARED, SHORT // 2, seed=at)
            self.note("crossover", "miss", miss)
            self.note("crossover", "hit", hit)
            self.note("crossover", "behind", own.behind(LONG, SHORT // 2))
            self.note("crossover", "chunks", own.turn_prefill(LONG, 1))

    def value(self, subject: str, case: str, what: str) -> float:
        return median([run[what] for run in self.runs.get((subject, case), []) if what in run])

    def speed(self, subject: str, case: str) -> float:
        return median([run["tokens"] / run["seconds"] for run in self.runs.get((subject, case), [])])

    def ratio(self, case: str, subject: str, other: str, other_case: str | None = None) -> float:
        """Of runs of the same round."""
        pairs = zip(self.runs.get((subject, case), []), self.runs.get((other, other_case or case), []))
        return median([(own["tokens"] / own["seconds"]) / (peer["tokens"] / peer["seconds"]) for own, peer in pairs])

    def close(self) -> None:
        for subject in self.subjects.values():
            subject.close()


def mark(value: float, target: float, more: bool) -> str:
    held = value >= target if more else value <= target
    return f"{'>=' if more else '<='} {target:g} ({'held' if held else 'missed in this run'})" if value == value else ""


def report(race: Race) -> list[str]:
    lines = [f"### {race.name}", "", "| engine | decode, batch 1 | CPU ms/token | prefill 512 | CPU ms/token |",
             "|---|---|---|---|---|"]
    for name in race.subjects:
        cells = []
        for case in ("decode", "prefill"):
            runs = race.runs.get((name, case), [])
            cells += [f"{race.speed(name, case):.1f}",
                      f"{median([1000 * run['cpu_seconds'] / run['tokens'] for run in runs]):.2f}"]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    lines += ["", "| what | measured | target |", "|---|---|---|"]

    def add(what: str, value: float, unit: str, target: float | None = None, more: bool = True) -> None:
        if value == value:
            lines.append(f"| {what} | {value:.3g} {unit} | {mark(value, target, more) if target else ''} |")

    own, limit = "crossover", median(race.bandwidth)
    add("decode, ours / genai, same file", race.ratio("decode", own, "genai b128"), "x", 1.0)
    add("decode, ours / llama.cpp Q4_0", race.ratio("decode", own, "llama.cpp Q4_0"), "x", 1.4)
    add("memory bandwidth, reading", limit, "GB/s")
    add("decode, share of the bandwidth", race.speed(own, "decode") * race.weights / limit / 1e9, "x")
    add("eight streams together", race.speed(own, "eight"), "tokens/s")
    add("eight streams / one", race.ratio("eight", own, own, "decode"), "x", 2.8)
    add("prefill 512, ours / genai int4 block 32", race.ratio("prefill", own, "genai b32"), "x", 3.0)
    add("prefill 512, ours / llama.cpp Q4_0", race.ratio("prefill", own, "llama.cpp Q4_0"), "x", 2.0)
    add("decode after 2,048 tokens, ours / genai", race.ratio("long", own, "genai b128"), "x")
    chunk = race.value(own, "chunks", "seconds") / (LONG / CHUNK)
    add("one prefill chunk of 128 tokens", 1000 * chunk, "ms")
    add("first token behind a 2,048-token prefill", 1000 * race.value(own, "behind", "seconds"), "ms")
    add("of it, in chunks", race.value(own, "behind", "seconds") / chunk, "x", 1.5, False)
    add("prefix hit / miss, 1,024 shared tokens",
        race.value(own, "hit", "seconds") / race.value(own, "miss", "seconds"), "x", 0.15, False)
    memory = race.subjects[own].memory()
    add("weight files", memory["files"] / 1e6, "MB")
    add("resident, loaded", memory["loaded"] / 1e6, "MB")
    add("resident at the end, KV cache included", memory["now"] / 1e6, "MB")
    add("resident at most", memory["peak"] / 1e6, "MB")
    add("resident, loaded, beyond a gateway without it / weight files", memory["share"], "x", 1.3, False)
    add("start to ready, model included", memory["ready"], "s")
    add("of it, loading the model", memory["load"], "s", 0.5, False)
    return lines + [""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / ".local/big")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/crossover")
    parser.add_argument("--llama", type=Path, help="folder of llama.cpp's shared libraries; left out without it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--also", action="append", default=[], metavar="SETTING",
                        help="also measure ours with a setting of [local] that the race does not make, as `prefill-form = false`")
    parser.add_argument("--seeded", action="store_true", help="run the gateway again with requests that carry a seed")
    parser.add_argument("names", nargs="*", default=["qwen2.5-0.5b", "llama-3.2-1b"])
    wanted = parser.parse_args()
    out, text = {}, []
    load, started = os.getloadavg()[0], time.time()
    for name in wanted.names:
        race = Race(name, wanted)
        try:
            race.rounds(wanted.rounds)
            race.extras(max(2, wanted.rounds // 2))
            text += report(race)
        finally:
            race.close()
        out[name] = {"bandwidth": race.bandwidth, "runs": {f"{s}: {c}": r for (s, c), r in race.runs.items()}}
    text.insert(0, f"{wanted.threads} threads, {wanted.rounds} rounds, load before: {load:.2f}, "
                   f"{time.time() - started:.0f} s in all. Tokens per second, medians.\n")
    print("\n".join(text))
    file = ROOT / "target/bench/engine.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
