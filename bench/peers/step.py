"""One training step (forward, backward, clip, AdamW): SeeMoRe-T, and a network of the mimicking module's size; batch 8,
LR 32x32."""

import torch
import torch.nn.functional as F
from networks import Mimic, SeeMoRe
from serve import serve


def training(network, inputs, target):
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.9), weight_decay=0)

    def run():
        optimiser.zero_grad()
        loss = F.l1_loss(network(*inputs), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.01)
        optimiser.step()
        return loss.item()

    return run


def seemore():
    return training(SeeMoRe(), [torch.rand(8, 3, 32, 32)], torch.rand(8, 3, 128, 128))


def mimic():
    return training(Mimic(), [torch.rand(8, 3, 32, 32), torch.rand(8, 3, 32, 32)], torch.rand(8, 3, 32, 32))


serve({"seemore": seemore, "mimic": mimic})
