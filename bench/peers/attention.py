"""Window attention of SwinIR-light (60 channels, 6 heads, 8x8 windows, batch 8, 32x32), between the qkv projection and
the output projection, step by step as the official code does it: roll, windows, heads, scores, bias, mask, softmax."""

import torch
from serve import serve

B, L, C, HEADS, W = 8, 32, 60, 6, 8
N = W * W


def bias_index():
    rows, columns = torch.meshgrid(torch.arange(W), torch.arange(W), indexing="ij")
    coords = torch.stack([rows.flatten(), columns.flatten()])
    relative = coords[:, :, None] - coords[:, None, :] + W - 1
    return relative[0] * (2 * W - 1) + relative[1]


def partition(x):
    b, h, w, c = x.shape
    return x.view(b, h // W, W, w // W, W, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, N, c)


def reverse(windows):
    c = windows.shape[-1]
    return windows.view(B, L // W, L // W, W, W, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(B, L, L, c)


def shift_mask(shift):
    zones = torch.zeros(1, L, L, 1)
    parts = (slice(0, -W), slice(-W, -shift), slice(-shift, None))
    for i, rows in enumerate(parts):
        for j, columns in enumerate(parts):
            zones[:, rows, columns, :] = 3 * i + j
    windows = partition(zones).squeeze(-1)
    return (windows[:, None, :] != windows[:, :, None]).float() * -100.0


def case(shift):
    def setup():
        qkv = torch.randn(B, L, L, 3 * C, requires_grad=True)
        table = torch.randn((2 * W - 1) ** 2, HEADS, requires_grad=True)
        dy = torch.randn(B, L, L, C)
        index, mask = bias_index(), shift_mask(shift) if shift else None

        def attention():
            x = torch.roll(qkv, (-shift, -shift), (1, 2)) if shift else qkv
            parts = partition(x).reshape(-1, N, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
            q, k, v = parts[0] * (C // HEADS) ** -0.5, parts[1], parts[2]
            scores = q @ k.transpose(-2, -1)
            bias = table[index.view(-1)].view(N, N, -1).permute(2, 0, 1).contiguous()
            scores = scores + bias.unsqueeze(0)
            if mask is not None:
                windows = mask.shape[0]
                scores = scores.view(-1, windows, HEADS, N, N) + mask.unsqueeze(1).unsqueeze(0)
                scores = scores.view(-1, HEADS, N, N)
            y = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(-1, N, C)
            y = reverse(y)
            return torch.roll(y, (shift, shift), (1, 2)) if shift else y

        return lambda: torch.autograd.grad(attention(), (qkv, table), dy)

    return setup


serve({"plain": case(0), "shifted": case(W // 2)})
