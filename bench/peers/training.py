"""A training step as the official code does it: forward, L1, backward, clip, AdamW."""

import torch
import torch.nn.functional as F


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
