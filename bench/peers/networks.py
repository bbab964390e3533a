"""SeeMoRe-T and the mimicking module in PyTorch eager, NCHW, laid out as the official code does it. Written for the
benchmarks from the networks' description; names and numbers are not compared here (the golden tests do that)."""

import torch
import torch.nn.functional as F
from torch import nn


class ChannelNorm(nn.Module):
    """Layer norm over the channels at each pixel: to tokens, F.layer_norm, and back."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2).contiguous()
        tokens = F.layer_norm(tokens, (c,), self.weight, self.bias, 1e-6)
        return tokens.transpose(1, 2).reshape(b, c, h, w).contiguous()


def conv(i, o, k=1):
    return nn.Conv2d(i, o, k, 1, k // 2)


def depthwise(c, kernel, stride=1, padding=None):
    padding = tuple(k // 2 for k in kernel) if padding is None else padding
    return nn.Conv2d(c, c, kernel, stride, padding, groups=c)


class GatedFfn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.expand, self.project, self.gate = conv(c, 2 * c), conv(c, c), depthwise(c, (3, 3))

    def forward(self, x):
        a, g = F.gelu(self.expand(x)).chunk(2, dim=1)
        return F.gelu(self.project(a * self.gate(g)))


class Expert(nn.Module):
    def __init__(self, c, width):
        super().__init__()
        self.p, self.k, self.up = conv(c, width), conv(c, width), conv(width, c)

    def forward(self, p, k):
        return self.up(self.p(p) * self.k(k))


class LocalBlock(nn.Module):
    def __init__(self, c, widths):
        super().__init__()
        self.mix, self.expand = conv(c, c, 3), conv(c, 2 * c)
        self.reduce = depthwise(c, (4, 4), 4, 0)
        self.context = nn.Sequential(depthwise(c, (3, 3)), conv(c, c))
        self.strip = nn.Sequential(depthwise(c, (1, 3)), depthwise(c, (3, 1)))
        self.experts = nn.ModuleList(Expert(c, w) for w in widths)
        self.router = nn.Linear(c, len(widths), bias=False)
        self.project = conv(c, c)

    def forward(self, x):
        u = self.expand(F.gelu(self.mix(x)))
        b, c, h, w = u.shape
        u = u.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)  # channel shuffle
        p, k = u.chunk(2, dim=1)
        p = F.gelu(self.strip(p))
        r = k
        for _ in range(2):
            r = F.gelu(self.reduce(r))
        k = k + F.interpolate(self.context(r), size=(h, w), mode="bilinear", align_corners=False)
        weights = F.softmax(self.router(p.mean((2, 3))), dim=1)
        chosen = F.one_hot(weights.argmax(1), weights.shape[1]).to(weights.dtype)
        weights = weights * chosen
        out = p
        for e, expert in enumerate(self.experts):
            out = out + weights[:, e].view(-1, 1, 1, 1) * expert(p, k)
        return self.project(out)


class GlobalBlock(nn.Module):
    def __init__(self, c, kernel):
        super().__init__()
        self.qv, self.project = conv(c, 2 * c), conv(c, c)
        self.strip = nn.Sequential(depthwise(c, (1, kernel)), depthwise(c, (kernel, 1)))

    def forward(self, x):
        q, v = F.gelu(self.qv(x)).chunk(2, dim=1)
        return self.project(self.strip(q) * v)


class Block(nn.Module):
    def __init__(self, c, mixer):
        super().__init__()
        self.norm1, self.mixer, self.norm2, self.ffn = ChannelNorm(c), mixer, ChannelNorm(c), GatedFfn(c)

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class SeeMoRe(nn.Module):
    def __init__(self, c=36, groups=6, widths=(2, 4, 8), kernel=11):
        super().__init__()
        self.shallow, self.deep, self.norm = conv(3, c, 3), conv(c, c, 3), ChannelNorm(c)
        blocks = [(Block(c, LocalBlock(c, widths)), Block(c, GlobalBlock(c, kernel))) for _ in range(groups)]
        self.body = nn.Sequential(*[block for pair in blocks for block in pair])
        self.up = conv(c, 48, 3)
        self.register_buffer("mean", torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1))

    def forward(self, x):
        f0 = self.shallow(x - self.mean)
        f = f0 + self.deep(self.norm(self.body(f0)))
        return F.pixel_shuffle(self.up(f), 4) + self.mean


class Mimic(nn.Module):
    """Guidance and transfer network of the mimicking module."""

    def __init__(self):
        super().__init__()

        def activated(i, o, k=1, stride=1, padding=None):
            return nn.Sequential(nn.Conv2d(i, o, k, stride, k // 2 if padding is None else padding), nn.ReLU())

        self.guide = nn.Sequential(
            activated(6, 64, 7, 2, 0),
            activated(64, 64, 3),
            activated(64, 64, 3),
            conv(64, 64, 3),
            nn.AdaptiveAvgPool2d(1),
            conv(64, 64),
        )
        self.head, self.tail = activated(3, 64), conv(64, 3)
        self.body = nn.Sequential(
            activated(64, 64, 7), activated(64, 64, 5), activated(64, 64, 3), *[activated(64, 64) for _ in range(3)]
        )

    def forward(self, hr, lr):
        g = self.guide(torch.cat([hr, lr], 1))
        head = self.head(hr)
        return self.tail(self.body(head * g + head) + head)
