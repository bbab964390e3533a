"""One training step (forward, backward, clip, AdamW): SeeMoRe-T, and a network of the mimicking module's size; batch 8,
LR 32x32."""

import torch
from convolutional import Mimic, SeeMoRe
from serve import serve
from training import training


def seemore():
    return training(SeeMoRe(), [torch.rand(8, 3, 32, 32)], torch.rand(8, 3, 128, 128))


def mimic():
    return training(Mimic(), [torch.rand(8, 3, 32, 32), torch.rand(8, 3, 32, 32)], torch.rand(8, 3, 32, 32))


serve({"seemore": seemore, "mimic": mimic})
