"""Speed of onnxruntime-genai: one line `PROMPT TOKENS` in, one line of JSON out.

The time from the first generated token to the last counts, with the CPU time of this process, so that loading, the
prompt and Python's own start stay out; the prompt's, up to the first token, stands beside it. Greedy, batch 1; threads
as the folder's genai_config.json says.
"""

import json
import sys
import time

import onnxruntime_genai as og

model = og.Model(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    prompt, tokens = map(int, line.split())
    parameters = og.GeneratorParams(model)
    parameters.set_search_options(max_length=prompt + tokens, do_sample=False)
    generator = og.Generator(model, parameters)
    started, cpu = time.perf_counter(), time.process_time()
    generator.append_tokens([3 + at * 37 % 3000 for at in range(prompt)])
    generator.generate_next_token()
    prefill, prefill_cpu = time.perf_counter() - started, time.process_time() - cpu
    started, cpu = time.perf_counter(), time.process_time()
    done = 0
    while done < tokens - 1 and not generator.is_done():
        generator.generate_next_token()
        generator.get_next_tokens()
        done += 1
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    times = {"seconds": seconds, "cpu_seconds": cpu, "prefill_seconds": prefill, "prefill_cpu_seconds": prefill_cpu}
    print(json.dumps({"tokens": done, **times}), flush=True)
