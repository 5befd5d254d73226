"""What engine.py races: the gateway over HTTP, onnxruntime-genai and llama.cpp in processes of their own.

Every run is a dict with `tokens`, `seconds` and, where it can be told, `cpu_seconds` of the subject's process.
"""

import atexit
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PATIENCE = 120
TICKS = os.sysconf("SC_CLK_TCK")


def bandwidth(threads: int, size: int = 512 << 20) -> float:
    """Bytes a second that so many threads read from memory, best of five."""
    data = bandwidth.data = getattr(bandwidth, "data", None)
    if data is None:
        data = bandwidth.data = np.ones(size // 4, np.float32)
    best = 0.0
    for _ in range(5):
        readers = [threading.Thread(target=part.max) for part in np.array_split(data, threads)]
        started = time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        best = max(best, data.nbytes / (time.perf_counter() - started))
    return best / 1e9


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(pid: int) -> dict:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")}


class Gateway:
    """`crossover serve` with one local model; prompts are digits, a token each, and never begin alike."""

    def __init__(self, program: Path, folder: Path, threads: int, setting: str = "", seed: int | None = None):
        self.seed = {} if seed is None else {"seed": seed}
        self.files = sum(file.stat().st_size for file in folder.glob("model.onnx*"))
        self.files += sum(file.stat().st_size for file in folder.glob("prefill.onnx*"))
        self.digits = random.Random(1)
        self.base = self.start(program, None, threads)
        self.stop()
        self.own = self.start(program, folder, threads, setting)
        self.overhead = 0
        self.overhead = self.ask(self.text(SAMPLE), 1)["prompt"] - SAMPLE

    def start(self, program: Path, folder: Path | None, threads: int, setting: str = "") -> dict:
        self.state = tempfile.TemporaryDirectory()
        local = ["enabled = false"] if folder is None else [
            f'model = "{folder.resolve()}"', f"threads = {threads}", "max-streams = 8", "kv-cache-mib = 4096",
            "prefix-cache-mib = 512", "prefix-cache-shared = true",
            setting,
        ]
        config = Path(self.state.name) / "crossover.toml"
        config.write_text("\n".join([
            "schema-version = 1", "[server]", 'listen = "127.0.0.1:0"', 'admin-listen = "127.0.0.1:0"', "[local]", *local,
        ]))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CROSSOVER_")}
        environment.setdefault("OPENAI_API_KEY", "sk-none")
        command = [program, "serve", "--config", config, "--state", self.state.name]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=HERE.parent, env=environment, text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # However the race ends, no gateway outlives it.
        atexit.register(self.process.kill)
        self.port, admin = None, None
        for line in self.process.stdout:
            if "listens on" in line:
                self.port = int(line.rsplit(":", 1)[1].split("/")[0])
            elif "metrics and health" in line:
                admin = int(line.split("127.0.0.1:", 1)[1].split("/")[0])
                break
        if admin is None:
            raise SystemExit(f"the gateway did not start; `crossover check --config {config}` may say why")
        while not healthy(admin):
            time.sleep(0.002)
        ready = time.perf_counter() - started
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        time.sleep(1)
        return {"ready": ready, "rss": memory_of(self.process.pid)["VmRSS"]}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.state.cleanup()

    close = stop

    def text(self, tokens: int, digits: random.Random | None = None) -> str:
        return "".join((digits or self.digits).choices("0123456789", k=tokens - self.overhead))

    def ask(self, text: str, tokens: int) -> dict:
        """One streamed answer: when each piece came, and the process's CPU time at the first and at the last."""
        body = json.dumps({"model": "local", "messages": [{"role": "user", "content": text}], "max_tokens": tokens,
                           "temperature": 0, "stream": True, "stream_options": {"include_usage": True}, **self.seed})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        cpu, started, pieces, usage = [cpu_of(self.process.pid)], time.perf_counter(), [], None
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise SystemExit(f"the gateway answered {response.status}: {response.read().decode()}")
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise SystemExit(f"the gateway's stream failed: {event}")
            usage = event.get("usage") or usage
            choice = (event.get("choices") or [{}])[0]
            if choice.get("delta", {}).get("content") or choice.get("finish_reason"):
                pieces.append(time.perf_counter())
                if len(pieces) == 1:
                    cpu.append(cpu_of(self.process.pid))
        cpu.append(cpu_of(self.process.pid))
        connection.close()
        return {"started": started, "pieces": pieces, "cpu": cpu, "prompt": usage["prompt_tokens"],
                "tokens": usage["completion_tokens"]}

    def turn(self, short: int, decode: int, prompt: int):
        yield "decode", self.turn_decode(short, decode)
        yield "prefill", self.turn_prefill(prompt, 1)

    def turn_decode(self, prompt: int, tokens: int) -> dict:
        for _ in range(5):
            run = self.ask(self.text(prompt), tokens)
            if run["tokens"] == tokens:
                return {"tokens": tokens - 1, "seconds": run["pieces"][-1] - run["pieces"][0],
                        "cpu_seconds": run["cpu"][2] - run["cpu"][1]}
        raise SystemExit("five answers ended early")

    def turn_prefill(self, prompt: int, tokens: int, text: str | None = None) -> dict:
        run = self.ask(text or self.text(prompt), tokens)
        return {"tokens": run["prompt"], "seconds": run["pieces"][0] - run["started"],
                "cpu_seconds": run["cpu"][1] - run["cpu"][0]}

    def prefix(self, shared: int, own: int, seed: int) -> tuple[dict, dict]:
        """The same beginning twice, with another end."""
        beginning = self.text(shared + self.overhead, random.Random(1000 + seed))
        first, second = (self.turn_prefill(0, 1, beginning + self.text(own + self.overhead)) for _ in range(2))
        return first, second

    def behind(self, long: int, short: int) -> dict:
        """First token of a short request that comes while a long prompt is read."""
        texts, out = (self.text(long), self.text(max(short, self.overhead + 8))), []
        reader = threading.Thread(target=lambda: out.append(self.ask(texts[0], 1)))
        reader.start()
        time.sleep(0.3)
        run = self.turn_prefill(0, 1, texts[1])
        reader.join()
        if out[0]["pieces"][0] < run["seconds"]:
            raise SystemExit("the long prompt was over too early")
        return run

    def many(self, streams: int, prompt: int, tokens: int) -> dict:
        """Tokens of all streams between the moment when all have begun and the first one's end."""
        out, before = [], cpu_of(self.process.pid)
        texts = [self.text(prompt) for _ in range(streams)]
        readers = [threading.Thread(target=lambda text=text: out.append(self.ask(text, tokens))) for text in texts]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        start, end = max(run["pieces"][0] for run in out), min(run["pieces"][-1] for run in out)
        seen = sum(sum(start < piece <= end for piece in run["pieces"]) for run in out)
        return {"tokens": seen, "seconds": end - start, "cpu_seconds": cpu_of(self.process.pid) - before}

    def memory(self) -> dict:
        now = memory_of(self.process.pid)
        return {"files": self.files, "loaded": self.own["rss"], "now": now["VmRSS"], "peak": now["VmHWM"],
                "share": (self.own["rss"] - self.base["rss"]) / self.files, "ready": self.own["ready"],
                "load": self.own["ready"] - self.base["ready"]}


SAMPLE = 64


def healthy(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False


class Lines:
    """A rival in a process that reads `PROMPT TOKENS` and answers a line of JSON."""

    def __init__(self, command: list):
        self.process = subprocess.Popen([sys.executable, *command], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{command[0]} did not start; run it by itself to see why")

    def run(self, prompt: int, tokens: int) -> dict:
        self.process.stdin.write(f"{prompt} {tokens}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def turn(self, short: int, decode: int, prompt: int):
        yield "decode", self.run(short, decode)
        run = self.run(prompt, 2)
        yield "prefill", {"tokens": prompt, "seconds": run["prefill_seconds"], "cpu_seconds": run["prefill_cpu_seconds"]}

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(PATIENCE)


class Genai(Lines):
    """onnxruntime-genai on the same folder, with the same threads."""

    def __init__(self, folder: Path, threads: int):
        self.copy = tempfile.TemporaryDirectory()
        for file in folder.iterdir():
            if not file.name.startswith("prefill."):
                (Path(self.copy.name) / file.name).symlink_to(file.resolve())
        config = Path(self.copy.name) / "genai_config.json"
        settings = json.loads(config.read_text())
        settings["model"]["decoder"].setdefault("session_options", {})["intra_op_num_threads"] = threads
        config.unlink()
        config.write_text(json.dumps(settings))
        super().__init__([HERE / "genai.py", self.copy.name])

    def close(self) -> None:
        super().close()
        self.copy.cleanup()


class LlamaCpp(Lines):
    """llama.cpp's own libraries, with the same threads."""

    def __init__(self, libraries: Path, model: Path, threads: int):
        super().__init__([HERE / "llama.py", libraries, model, str(threads)])
