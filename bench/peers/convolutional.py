"""SeeMoRe-T, RRDBNet and the mimicking module in PyTorch eager, NCHW, laid out as the official code does it, with the
official names of their weights. Written from the networks' description, for the benchmarks and for the test that
PyTorch and the kit make the same picture of the same file."""

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
        self.fn_1 = nn.Sequential(conv(c, 2 * c), nn.GELU())
        self.fn_2 = nn.Sequential(conv(c, c), nn.GELU())
        self.gate = depthwise(c, (3, 3))

    def forward(self, x):
        a, g = self.fn_1(x).chunk(2, dim=1)
        return self.fn_2(a * self.gate(g))


class Expert(nn.Module):
    def __init__(self, c, width):
        super().__init__()
        self.conv_1, self.conv_2, self.conv_3 = conv(c, width), conv(c, width), conv(width, c)

    def forward(self, p, k):
        return self.conv_3(self.conv_1(p) * self.conv_2(k))


class Router(nn.Module):
    """Chosen expert's weight of each image; zeros for the others."""

    def __init__(self, c, experts):
        super().__init__()
        self.body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, experts, bias=False))

    def forward(self, p):
        weights = F.softmax(self.body(p), dim=1)
        return weights * F.one_hot(weights.argmax(1), weights.shape[1]).to(weights.dtype)


class Experts(nn.Module):
    def __init__(self, c, widths):
        super().__init__()
        self.experts = nn.ModuleList(Expert(c, w) for w in widths)
        self.gate = Router(c, len(widths))

    def forward(self, p, k):
        weights = self.gate(p)
        out = p
        for e, expert in enumerate(self.experts):
            out = out + weights[:, e].view(-1, 1, 1, 1) * expert(p, k)
        return out


class Strip(nn.Module):
    def __init__(self, c, kernel):
        super().__init__()
        self.conv = nn.Sequential(depthwise(c, (1, kernel)), depthwise(c, (kernel, 1)))

    def forward(self, x):
        return self.conv(x)


class LocalBlock(nn.Module):
    def __init__(self, c, widths):
        super().__init__()
        self.conv_1 = nn.Sequential(conv(c, c, 3), nn.GELU(), conv(c, 2 * c))
        self.agg_conv = nn.Sequential(depthwise(c, (4, 4), 4, 0), nn.GELU())
        self.conv = nn.Sequential(depthwise(c, (3, 3)), conv(c, c))
        self.conv_2 = nn.Sequential(Strip(c, 3), nn.GELU())
        self.moe_layer = Experts(c, widths)
        self.proj = conv(c, c)

    def forward(self, x):
        u = self.conv_1(x)
        b, c, h, w = u.shape
        u = u.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)  # channel shuffle
        p, k = u.chunk(2, dim=1)
        p = self.conv_2(p)
        r = k
        for _ in range(2):
            r = self.agg_conv(r)
        k = k + F.interpolate(self.conv(r), size=(h, w), mode="bilinear", align_corners=False)
        return self.proj(self.moe_layer(p, k))


class GlobalBlock(nn.Module):
    def __init__(self, c, kernel):
        super().__init__()
        self.to_qv = nn.Sequential(conv(c, 2 * c), nn.GELU())
        self.attn, self.proj = Strip(c, kernel), conv(c, c)

    def forward(self, x):
        q, v = self.to_qv(x).chunk(2, dim=1)
        return self.proj(self.attn(q) * v)


class Block(nn.Module):
    def __init__(self, c, mixer):
        super().__init__()
        self.norm_1, self.block, self.norm_2, self.ffn = ChannelNorm(c), mixer, ChannelNorm(c), GatedFfn(c)

    def forward(self, x):
        x = x + self.block(self.norm_1(x))
        return x + self.ffn(self.norm_2(x))


class Group(nn.Module):
    def __init__(self, c, widths, kernel):
        super().__init__()
        self.local_block = Block(c, LocalBlock(c, widths))
        self.global_block = Block(c, GlobalBlock(c, kernel))

    def forward(self, x):
        return self.global_block(self.local_block(x))


def rgb_mean():
    """DIV2K's, which SwinIR, DAT and SeeMoRe subtract before and add after."""
    return torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)


class SeeMoRe(nn.Module):
    def __init__(self, c=36, groups=6, widths=(2, 4, 8), kernel=11):
        super().__init__()
        self.conv_1, self.conv_2, self.norm = conv(3, c, 3), conv(c, c, 3), ChannelNorm(c)
        self.body = nn.Sequential(*[Group(c, widths, kernel) for _ in range(groups)])
        self.upsampler = nn.Sequential(conv(c, 48, 3), nn.PixelShuffle(4))
        self.register_buffer("mean", rgb_mean(), persistent=False)

    def forward(self, x):
        f0 = self.conv_1(x - self.mean)
        return self.upsampler(f0 + self.conv_2(self.norm(self.body(f0)))) + self.mean


class DenseBlock(nn.Module):
    def __init__(self, c, growth):
        super().__init__()
        self.conv1, self.conv2 = conv(c, growth, 3), conv(c + growth, growth, 3)
        self.conv3, self.conv4 = conv(c + 2 * growth, growth, 3), conv(c + 3 * growth, growth, 3)
        self.conv5 = conv(c + 4 * growth, c, 3)
        self.lrelu = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x):
        seen = [x]
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(self.lrelu(layer(torch.cat(seen, 1))))
        return self.conv5(torch.cat(seen, 1)) * 0.2 + x


class Rrdb(nn.Module):
    def __init__(self, c, growth):
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (DenseBlock(c, growth) for _ in range(3))

    def forward(self, x):
        return self.RDB3(self.RDB2(self.RDB1(x))) * 0.2 + x


class RrdbNet(nn.Module):
    def __init__(self, c=64, growth=32, blocks=23):
        super().__init__()
        self.conv_first, self.trunk_conv = conv(3, c, 3), conv(c, c, 3)
        self.RRDB_trunk = nn.Sequential(*[Rrdb(c, growth) for _ in range(blocks)])
        self.upconv1, self.upconv2 = conv(c, c, 3), conv(c, c, 3)
        self.HRconv, self.conv_last = conv(c, c, 3), conv(c, 3, 3)
        self.lrelu = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x):
        f = self.conv_first(x)
        f = f + self.trunk_conv(self.RRDB_trunk(f))
        f = self.lrelu(self.upconv1(F.interpolate(f, scale_factor=2, mode="nearest")))
        f = self.lrelu(self.upconv2(F.interpolate(f, scale_factor=2, mode="nearest")))
        return self.conv_last(self.lrelu(self.HRconv(f)))


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
