"""A 3x3 convolution of 64 channels on 8 maps of 64x64, NCHW as the official code lays it out."""

import torch
import torch.nn.functional as F
from serve import serve


def tensors(grad):
    x = torch.randn(8, 64, 64, 64, requires_grad=grad)
    w = torch.randn(64, 64, 3, 3, requires_grad=grad)
    b = torch.randn(64, requires_grad=grad)
    return x, w, b


def forward():
    x, w, b = tensors(False)
    return lambda: F.conv2d(x, w, b, padding=1)


def both():
    x, w, b = tensors(True)
    dy = torch.randn(8, 64, 64, 64)
    return lambda: torch.autograd.grad(F.conv2d(x, w, b, padding=1), (x, w, b), dy)


serve({"forward": forward, "forward+backward": both})
