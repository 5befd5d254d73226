"""Speed of llama.cpp: one line `PROMPT TOKENS` in, one line of JSON out, as genai.py; token ids, greedy, batch 1.

`python llama.py LIBRARIES MODEL.gguf THREADS`: its C interface in a folder of shared libraries, with one CPU back-end for
each kind of processor, as the releases have them. Only calls and fields that have stayed the same for long are used.
"""

import ctypes
import json
import sys
import time
from pathlib import Path

import numpy as np

CONTEXT, BATCH, KEPT = 4096, 512, 0


class Parameters(ctypes.Structure):
    """Larger than either structure of parameters, whose first fields are all that is touched."""

    _fields_ = [("words", ctypes.c_uint32 * 128)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("pointers", ctypes.c_void_p * 6)]


class Llama:
    def __init__(self, libraries: Path, model: str, threads: int):
        def load(pattern: str) -> ctypes.CDLL:
            return ctypes.CDLL(str(next(iter(sorted(libraries.glob(pattern))))), ctypes.RTLD_GLOBAL)

        load("libggml-base*.so*")
        ggml = load("libggml.*so*")
        ggml.ggml_backend_load_all_from_path(str(libraries).encode())
        self.api = api = load("libllama.*so*")
        self.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
        api.llama_log_set(self.quiet, None)
        for name in ("llama_model_load_from_file", "llama_init_from_model", "llama_get_memory"):
            getattr(api, name).restype = ctypes.c_void_p
        api.llama_model_default_params.restype = api.llama_context_default_params.restype = Parameters
        api.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Parameters]
        api.llama_init_from_model.argtypes = [ctypes.c_void_p, Parameters]
        api.llama_batch_get_one.restype, api.llama_batch_get_one.argtypes = Batch, [ctypes.c_void_p, ctypes.c_int32]
        api.llama_decode.argtypes = [ctypes.c_void_p, Batch]
        api.llama_set_n_threads.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]
        api.llama_get_memory.argtypes = [ctypes.c_void_p]
        api.llama_memory_clear.argtypes = [ctypes.c_void_p, ctypes.c_bool]
        api.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
        api.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
        api.llama_backend_init()
        loaded = api.llama_model_load_from_file(model.encode(), api.llama_model_default_params())
        parameters = api.llama_context_default_params()
        parameters.words[0], parameters.words[1] = CONTEXT, BATCH
        self.context = loaded and api.llama_init_from_model(loaded, parameters)
        if not self.context:
            raise SystemExit("llama.cpp cannot open the model")
        api.llama_set_n_threads(self.context, threads, threads)
        vocabulary = api.llama_model_get_vocab
        vocabulary.restype, vocabulary.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        api.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]
        self.vocabulary = api.llama_vocab_n_tokens(vocabulary(loaded))

    def clear(self) -> None:
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), False)

    def feed(self, ids: list[int]) -> int:
        """The likeliest token after `ids`."""
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        if self.api.llama_decode(self.context, self.api.llama_batch_get_one(tokens, len(ids))) != 0:
            raise SystemExit("llama.cpp failed")
        logits = self.api.llama_get_logits_ith(self.context, -1)
        return int(np.ctypeslib.as_array(logits, (self.vocabulary,)).argmax())


def main() -> None:
    llama = Llama(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    for line in sys.stdin:
        prompt, tokens = map(int, line.split())
        ids = [3 + at * 37 % 3000 for at in range(prompt)]
        llama.clear()
        started, cpu = time.perf_counter(), time.process_time()
        for at in range(0, prompt, BATCH):
            last = llama.feed(ids[at : at + BATCH])
        prefill, prefill_cpu = time.perf_counter() - started, time.process_time() - cpu
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(tokens - 1):
            last = llama.feed([last])
        times = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu,
                 "prefill_seconds": prefill, "prefill_cpu_seconds": prefill_cpu}
        print(json.dumps({"tokens": tokens - 1, **times}), flush=True)


if __name__ == "__main__":
    main()
