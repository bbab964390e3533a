"""SwinIR-light and DAT-light in PyTorch eager, laid out as the official code does it (tokens [B, L, C], permutes and copies
around every window), with the official names of their weights. Written from the networks' description, for the benchmarks
and for the test that PyTorch and the kit make the same picture of the same file."""

import torch
import torch.nn.functional as F
from convolutional import conv, depthwise, rgb_mean
from torch import nn


class DropPath(nn.Module):
    """Stochastic depth: in training a sample's branch is left out with probability `rate`."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if self.rate == 0 or not self.training:
            return x
        keep = 1 - self.rate
        return x.div(keep) * (keep + torch.rand((x.shape[0], 1, 1))).floor()


def to_windows(x, rows, columns):
    """[B, H, W, C] to [B windows, rows * columns, C]."""
    b, h, w, c = x.shape
    x = x.view(b, h // rows, rows, w // columns, columns, c).permute(0, 1, 3, 2, 4, 5).contiguous()
    return x.view(-1, rows * columns, c)


def from_windows(windows, rows, columns, h, w):
    c = windows.shape[-1]
    x = windows.view(-1, h // rows, w // columns, rows, columns, c)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, h, w, c)


def shift_mask(h, w, rows, columns, shift):
    """[windows, N, N] of 0 and -100: pairs that a cyclic shift brought together do not see each other."""
    zones = torch.zeros(1, h, w, 1)
    parts = [(slice(0, -n), slice(-n, -s), slice(-s, None)) for n, s in zip((rows, columns), shift)]
    for i, vertical in enumerate(parts[0]):
        for j, horizontal in enumerate(parts[1]):
            zones[:, vertical, horizontal, :] = 3 * i + j
    windows = to_windows(zones, rows, columns).squeeze(-1)
    return (windows[:, None, :] != windows[:, :, None]).float() * -100.0


def offset_index(rows, columns):
    grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")).flatten(1)
    relative = grid[:, :, None] - grid[:, None, :]
    return (relative[0] + rows - 1) * (2 * columns - 1) + relative[1] + columns - 1


def linear(i, o):
    layer = nn.Linear(i, o)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def picture(t, h, w):
    return t.transpose(1, 2).reshape(t.shape[0], -1, h, w)


class Mlp(nn.Module):
    def __init__(self, c, hidden):
        super().__init__()
        self.fc1, self.fc2 = linear(c, hidden), linear(hidden, c)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class WindowAttention(nn.Module):
    def __init__(self, c, heads, window):
        super().__init__()
        self.heads, self.scale, self.n = heads, (c // heads) ** -0.5, window * window
        self.relative_position_bias_table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads) * 0.02)
        self.register_buffer("index", offset_index(window, window).view(-1), persistent=False)
        self.qkv, self.proj = linear(c, 3 * c), linear(c, c)

    def forward(self, x, mask):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.index].view(n, n, -1).permute(2, 0, 1).contiguous()
        scores = scores + bias.unsqueeze(0)
        if mask is not None:
            scores = scores.view(-1, mask.shape[0], self.heads, n, n) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.heads, n, n)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))


class SwinBlock(nn.Module):
    def __init__(self, c, heads, window, shift, ratio, drop):
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.attn, self.mlp = WindowAttention(c, heads, window), Mlp(c, c * ratio)
        self.drop_path, self.masks = DropPath(drop), {}

    def mask(self, h, w):
        if self.shift == 0:
            return None
        if (h, w) not in self.masks:
            self.masks[h, w] = shift_mask(h, w, self.window, self.window, (self.shift, self.shift))
        return self.masks[h, w]

    def forward(self, x, h, w):
        b, length, c = x.shape
        y = self.norm1(x).view(b, h, w, c)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        y = self.attn(to_windows(y, self.window, self.window), self.mask(h, w))
        y = from_windows(y, self.window, self.window, h, w)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + self.drop_path(y.view(b, length, c))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Blocks(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


class SwinLayer(nn.Module):
    def __init__(self, c, heads, window, ratio, drops):
        super().__init__()
        self.residual_group = Blocks(
            SwinBlock(c, heads, window, 0 if k % 2 == 0 else window // 2, ratio, drop) for k, drop in enumerate(drops)
        )
        self.conv = conv(c, c, 3)

    def forward(self, x, h, w):
        y = x
        for block in self.residual_group.blocks:
            y = block(y, h, w)
        return x + tokens(self.conv(picture(y, h, w)))


class Patches(nn.Module):
    """The norm under its official name."""

    def __init__(self, c):
        super().__init__()
        self.norm = nn.LayerNorm(c)


class SwinIr(nn.Module):
    def __init__(self, c=60, depths=(6, 6, 6, 6), heads=6, window=8, ratio=2, drop=0.1):
        super().__init__()
        self.window = window
        drops = [x.item() for x in torch.linspace(0, drop, sum(depths))]
        self.conv_first, self.patch_embed = conv(3, c, 3), Patches(c)
        self.layers = nn.ModuleList(
            SwinLayer(c, heads, window, ratio, drops[sum(depths[:i]) : sum(depths[: i + 1])]) for i in range(len(depths))
        )
        self.norm, self.conv_after_body = nn.LayerNorm(c), conv(c, c, 3)
        self.upsample = nn.Sequential(conv(c, 48, 3), nn.PixelShuffle(4))
        self.register_buffer("mean", rgb_mean(), persistent=False)

    def forward(self, x):
        height, width = x.shape[2:]
        bottom, right = -height % self.window, -width % self.window
        x = F.pad(x, (0, right, 0, bottom), "reflect") - self.mean
        f0 = self.conv_first(x)
        h, w = f0.shape[2:]
        t = self.patch_embed.norm(tokens(f0))
        for layer in self.layers:
            t = layer(t, h, w)
        f = f0 + self.conv_after_body(picture(self.norm(t), h, w))
        return (self.upsample(f) + self.mean)[:, :, : 4 * height, : 4 * width]


class PositionBias(nn.Module):
    """A small perceptron from the offset between two tokens to the bias of each head."""

    def __init__(self, c, heads, rows, columns):
        super().__init__()
        inner = c // 4 // 4
        self.pos_proj = linear(2, inner)
        self.pos1 = nn.Sequential(nn.LayerNorm(inner), nn.ReLU(), linear(inner, inner))
        self.pos2 = nn.Sequential(nn.LayerNorm(inner), nn.ReLU(), linear(inner, inner))
        self.pos3 = nn.Sequential(nn.LayerNorm(inner), nn.ReLU(), linear(inner, heads))
        grid = torch.meshgrid(torch.arange(1 - rows, rows), torch.arange(1 - columns, columns), indexing="ij")
        self.register_buffer("offsets", torch.stack(grid).flatten(1).t().contiguous().float(), persistent=False)
        self.register_buffer("index", offset_index(rows, columns).view(-1), persistent=False)
        self.n = rows * columns

    def forward(self):
        p = self.pos3(self.pos2(self.pos1(self.pos_proj(self.offsets))))
        return p[self.index].view(self.n, self.n, -1).permute(2, 0, 1).contiguous()


class HalfAttention(nn.Module):
    """Window attention of one half of the channels."""

    def __init__(self, c, heads, rows, columns, scale):
        super().__init__()
        self.heads, self.rows, self.columns, self.scale = heads, rows, columns, scale
        self.pos = PositionBias(c, heads, rows, columns)

    def windows(self, x, h, w):
        """[B, L, C] to [B windows, heads, N, C / heads]."""
        b, _, c = x.shape
        parts = to_windows(x.view(b, h, w, c), self.rows, self.columns)
        return parts.reshape(-1, self.rows * self.columns, self.heads, c // self.heads).permute(0, 2, 1, 3).contiguous()

    def forward(self, qkv, h, w, mask):
        q, k, v = (self.windows(part, h, w) for part in qkv)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        scores = scores + self.pos().unsqueeze(0)
        n = scores.shape[-1]
        if mask is not None:
            scores = scores.view(-1, mask.shape[0], self.heads, n, n) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.heads, n, n)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, n, q.shape[1] * q.shape[3])
        return from_windows(y, self.rows, self.columns, h, w)


class DualAttention(nn.Module):
    """What DAT's two attentions share: a convolution path beside them, and gates between the two."""

    def __init__(self, c):
        super().__init__()
        self.qkv, self.proj = linear(c, 3 * c), linear(c, c)
        self.dwconv = nn.Sequential(depthwise(c, (3, 3)), nn.BatchNorm2d(c), nn.GELU())
        self.channel_interaction = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), conv(c, c // 8), nn.BatchNorm2d(c // 8), nn.GELU(), conv(c // 8, c)
        )
        self.spatial_interaction = nn.Sequential(conv(c, c // 16), nn.BatchNorm2d(c // 16), nn.GELU(), conv(c // 16, 1))

    def gated(self, attended, convolved, pool_attended):
        """[B, L, C], [B, C, h, w] to [B, L, C]."""
        h, w = convolved.shape[2:]
        attended_map = picture(attended, h, w)
        pooled, mapped = (attended_map, convolved) if pool_attended else (convolved, attended_map)
        by_channel = torch.sigmoid(self.channel_interaction(pooled))
        by_place = torch.sigmoid(self.spatial_interaction(mapped))
        return self.proj(tokens(mapped * by_channel + pooled * by_place))


class SpatialAttention(DualAttention):
    def __init__(self, c, heads, split, shifted):
        super().__init__(c)
        windows = (split, split[::-1])
        self.shifts = [(r // 2, k // 2) if shifted else None for r, k in windows]
        self.attns = nn.ModuleList(HalfAttention(c // 2, heads // 2, r, k, (c // heads) ** -0.5) for r, k in windows)
        self.multiple, self.masks = max(split), {}

    def mask(self, half, h, w):
        shift, a = self.shifts[half], self.attns[half]
        if shift is None:
            return None
        if (half, h, w) not in self.masks:
            self.masks[half, h, w] = shift_mask(h, w, a.rows, a.columns, shift)
        return self.masks[half, h, w]

    def forward(self, x, h, w):
        b, length, c = x.shape
        qkv = self.qkv(x).reshape(b, length, 3, c).permute(2, 0, 1, 3)
        v = qkv[2].transpose(-2, -1).contiguous().view(b, c, h, w)
        bottom, right = -h % self.multiple, -w % self.multiple
        maps = qkv.reshape(3 * b, h, w, c).permute(0, 3, 1, 2)
        maps = F.pad(maps, (0, right, 0, bottom)).reshape(3, b, c, -1).transpose(-2, -1)
        height, width = h + bottom, w + right
        halves = []
        for i, attention in enumerate(self.attns):
            part = maps[:, :, :, i * c // 2 : (i + 1) * c // 2]
            shift = self.shifts[i]
            if shift:
                part = part.reshape(3, b, height, width, c // 2)
                part = torch.roll(part, (-shift[0], -shift[1]), (2, 3)).reshape(3, b, height * width, c // 2)
            y = attention(part, height, width, self.mask(i, height, width))
            if shift:
                y = torch.roll(y, shift, (1, 2))
            halves.append(y[:, :h, :w, :].reshape(b, length, c // 2))
        return self.gated(torch.cat(halves, 2), self.dwconv(v), False)


class ChannelAttention(DualAttention):
    def __init__(self, c, heads):
        super().__init__(c)
        self.heads, self.temperature = heads, nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, x, h, w):
        b, length, c = x.shape
        qkv = self.qkv(x).reshape(b, length, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = (part.transpose(-2, -1) for part in qkv)
        convolved = self.dwconv(v.reshape(b, c, length).contiguous().view(b, c, h, w))
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.temperature
        y = (scores.softmax(-1) @ v).permute(0, 3, 1, 2).reshape(b, length, c)
        return self.gated(y, convolved, True)


class SpatialGate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.conv = nn.LayerNorm(c), depthwise(c, (3, 3))

    def forward(self, x, h, w):
        a, g = x.chunk(2, dim=-1)
        return a * tokens(self.conv(picture(self.norm(g), h, w).contiguous()))


class GatedMlp(nn.Module):
    def __init__(self, c, hidden):
        super().__init__()
        self.fc1, self.sg, self.fc2 = linear(c, hidden), SpatialGate(hidden // 2), linear(hidden // 2, c)

    def forward(self, x, h, w):
        return self.fc2(self.sg(F.gelu(self.fc1(x)), h, w))


class DatBlock(nn.Module):
    def __init__(self, c, attention, expansion, drop):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.attn, self.ffn, self.drop_path = attention, GatedMlp(c, c * expansion), DropPath(drop)

    def forward(self, x, h, w):
        x = x + self.drop_path(self.attn(self.norm1(x), h, w))
        return x + self.drop_path(self.ffn(self.norm2(x), h, w))


def bottleneck(c):
    return nn.Sequential(
        conv(c, c // 4, 3),
        nn.LeakyReLU(0.2, inplace=True),
        conv(c // 4, c // 4),
        nn.LeakyReLU(0.2, inplace=True),
        conv(c // 4, c, 3),
    )


class DatGroup(nn.Module):
    def __init__(self, c, heads, split, expansion, drops):
        super().__init__()

        def attention(b):
            shifted = b > 0 and (b - 2) % 4 == 0
            return SpatialAttention(c, heads, split, shifted) if b % 2 == 0 else ChannelAttention(c, heads)

        self.blocks = nn.ModuleList(DatBlock(c, attention(b), expansion, drop) for b, drop in enumerate(drops))
        self.conv = bottleneck(c)

    def forward(self, x, h, w):
        y = x
        for block in self.blocks:
            y = block(y, h, w)
        return x + tokens(self.conv(picture(y, h, w)))


class Tokens(nn.Module):
    def forward(self, x):
        return tokens(x)


class Dat(nn.Module):
    def __init__(self, c=60, depth=18, heads=6, split=(8, 32), expansion=2, drop=0.1):
        super().__init__()
        drops = [x.item() for x in torch.linspace(0, drop, depth)]
        self.conv_first = conv(3, c, 3)
        self.before_RG = nn.Sequential(Tokens(), nn.LayerNorm(c))
        self.layers = nn.ModuleList([DatGroup(c, heads, split, expansion, drops)])
        self.norm, self.conv_after_body = nn.LayerNorm(c), bottleneck(c)
        self.upsample = nn.Sequential(conv(c, 48, 3), nn.PixelShuffle(4))
        self.register_buffer("mean", rgb_mean(), persistent=False)

    def forward(self, x):
        f0 = self.conv_first(x - self.mean)
        h, w = f0.shape[2:]
        t = self.before_RG(f0)
        for layer in self.layers:
            t = layer(t, h, w)
        return self.upsample(f0 + self.conv_after_body(picture(self.norm(t), h, w))) + self.mean
