"""The peer's side of a benchmark: on every line "go" runs once and answers with its seconds; on "end" with its peak memory.

Arguments: name of the case, number of threads."""

import json
import resource
import sys
import time

import torch


def serve(cases):
    """cases: name -> function that sets the case up and returns the function to time."""
    name, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    run = cases[name]()
    run()
    answer({"ready": f"PyTorch {torch.__version__}"})
    for line in sys.stdin:
        if line.strip() == "end":
            answer({"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
            return
        start = time.perf_counter()
        run()
        answer({"seconds": time.perf_counter() - start})


def answer(message):
    print(json.dumps(message), flush=True)
