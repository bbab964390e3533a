"""One training step (forward, backward, clip, AdamW; LR 32x32, batch 8, RRDBNet 2), and the upscaling of a 320x180 picture,
of each SR network. Case: NETWORK-train or NETWORK-upscale."""

import sys

import torch
from convolutional import RrdbNet, SeeMoRe
from serve import serve
from training import training
from transformers import Dat, SwinIr

NETWORKS = {"rrdbnet": RrdbNet, "swinir": SwinIr, "dat": Dat, "seemore": SeeMoRe}


def train(network, batch):
    return lambda: training(network(), [torch.rand(batch, 3, 32, 32)], torch.rand(batch, 3, 128, 128))


def upscale(network):
    def setup():
        model, lr = network().eval(), torch.rand(1, 3, 180, 320)

        def run():
            with torch.no_grad():
                return model(lr)

        return run

    return setup


CASES = {f"{n}-train": train(network, 2 if n == "rrdbnet" else 8) for n, network in NETWORKS.items()}
CASES.update({f"{n}-upscale": upscale(network) for n, network in NETWORKS.items()})

if __name__ == "__main__":
    serve(CASES)
