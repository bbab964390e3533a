"""Scoring one picture of 512x512 or 2040x1356 by PSNR, SSIM and NIQE as PyTorch programs do it: filters by conv2d in double
precision, block statistics in NumPy. Case: METRIC-WIDTH. There is no peer of NRQM: its regression aside, the features are
hundreds of lines, and what there is to compare with takes minutes a picture."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from serve import serve

SIZES = {"512": (512, 512), "2040": (1356, 2040)}
LUMA = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64).view(1, 3, 1, 1)


def luma(image):
    return (image.double() * LUMA).sum(1, keepdim=True) + 16


def window(size, sigma):
    x = torch.arange(size, dtype=torch.float64) - size // 2
    g = torch.exp(-(x**2) / (2 * sigma**2))
    return torch.outer(g, g).div(g.sum() ** 2)[None, None]


def psnr(a, b):
    a, b = (luma(x)[..., 4:-4, 4:-4] for x in (a, b))
    return (10 * torch.log10(255**2 / ((a - b) ** 2).mean())).item()


SSIM_WINDOW = window(11, 1.5)


def ssim(a, b):
    a, b = (luma(x)[..., 4:-4, 4:-4] for x in (a, b))
    blur = lambda x: F.conv2d(x, SSIM_WINDOW)
    mu1, mu2 = blur(a), blur(b)
    s1, s2, s12 = blur(a * a) - mu1**2, blur(b * b) - mu2**2, blur(a * b) - mu1 * mu2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (((2 * mu1 * mu2 + c1) * (2 * s12 + c2)) / ((mu1**2 + mu2**2 + c1) * (s1 + s2 + c2))).mean().item()


GAMMA = np.arange(0.2, 10.001, 0.001)
lgamma = np.vectorize(math.lgamma)
RATIO = np.exp(2 * lgamma(2 / GAMMA) - lgamma(1 / GAMMA) - lgamma(3 / GAMMA))
NIQE_WINDOW = window(7, 7 / 6)


def asymmetric(block):
    """Shape, left and right scale of the asymmetric generalised Gaussian that has the block's moments."""
    left, right = block[block < 0], block[block > 0]
    left = math.sqrt((left**2).mean()) if left.size else math.nan
    right = math.sqrt((right**2).mean()) if right.size else math.nan
    g = left / right
    r = np.abs(block).mean() ** 2 / (block**2).mean()
    r = r * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    alpha = GAMMA[np.argmin((RATIO - r) ** 2)]
    scale = math.exp((math.lgamma(1 / alpha) - math.lgamma(3 / alpha)) / 2)
    return alpha, left * scale, right * scale


def block_features(block):
    alpha, left, right = asymmetric(block)
    features = [alpha, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        alpha, left, right = asymmetric(block * np.roll(block, shift, (0, 1)))
        mean = (right - left) * math.exp(math.lgamma(2 / alpha) - math.lgamma(1 / alpha))
        features += [alpha, mean, left, right]
    return features


def niqe(image, mean, covariance):
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(1, 3, 1, 1) * 255
    grey = (image.double() * weights).sum(1, keepdim=True).round()
    h, w = (n // 96 * 96 for n in grey.shape[-2:])
    grey = grey[..., :h, :w]
    scales = []
    for size in (96, 48):
        padded = F.pad(grey, (3, 3, 3, 3), mode="replicate")
        mu = F.conv2d(padded, NIQE_WINDOW)
        deviation = (F.conv2d(padded**2, NIQE_WINDOW) - mu**2).abs().sqrt()
        normal = ((grey - mu) / (deviation + 1))[0, 0].numpy()
        rows = range(0, normal.shape[0], size)
        columns = range(0, normal.shape[1], size)
        scales.append([block_features(normal[y : y + size, x : x + size]) for x in columns for y in rows])
        grey = F.interpolate(grey / 255, scale_factor=0.5, mode="bicubic", antialias=True) * 255
    features = np.concatenate([np.array(s) for s in scales], 1)
    mu, cov = np.nanmean(features, 0), np.cov(features[~np.isnan(features).any(1)], rowvar=False)
    d = mean - mu
    return math.sqrt(d @ np.linalg.pinv((covariance + cov) / 2) @ d)


def case(metric, size):
    def setup():
        torch.set_grad_enabled(False)
        reference = F.interpolate(torch.rand(1, 3, size[0] // 8, size[1] // 8), size=size, mode="bicubic").clamp(0, 1)
        image = (reference + 0.01 * (torch.rand_like(reference) - 0.5)).clamp(0, 1)
        if metric != "niqe":
            return lambda: {"psnr": psnr, "ssim": ssim}[metric](image, reference)
        # Any pristine model costs the same.
        return lambda: niqe(image, np.zeros(36), np.eye(36))

    return setup


if __name__ == "__main__":
    serve({f"{m}-{name}": case(m, size) for m in ("psnr", "ssim", "niqe") for name, size in SIZES.items()})
