"""A small op, many times: what one call costs."""

import torch
from serve import serve


def add():
    x = torch.ones(2, 2)

    def run():
        with torch.no_grad():
            for _ in range(10000):
                torch.add(x, x)

    return run


serve({"add": add})
