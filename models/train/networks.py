"""The networks that are trained here: V3 and its siblings (native U-Net, V1, V2), tensor names as on the Rust side.

In:  (N, 1, D, H, W) f32, fraction of bone per cell, D towards posterior, H towards left, W towards superior.
Out: the same shape, probability (or log-odds) that a cell is missing bone.
Names and shapes of V3's 124 tensors: `keys.txt`, written by `python networks.py > keys.txt`.
"""
import torch
from torch import nn
from torch.nn import functional as F

SLOPE = 0.01  # LeakyReLU


def conv(i, o, k, s=1, p=0):
    return nn.Conv3d(i, o, k, stride=s, padding=p)


def norm_act(c):
    # per-channel GroupNorm = InstanceNorm with affine weights; eps 1e-5; biased variance over D*H*W
    return [nn.GroupNorm(c, c), nn.LeakyReLU(SLOPE)]


class Residual(nn.Module):
    """out = body(x) + skip(x); the last LeakyReLU sits INSIDE body, none after the sum; skip always is a 1x1x1 convolution."""

    def __init__(self, i, o):
        super().__init__()
        self.body = nn.Sequential(conv(i, o, 3, 1, 1), *norm_act(o), conv(o, o, 3, 1, 1), *norm_act(o))
        self.skip = conv(i, o, 1)

    def forward(self, x):
        return self.body(x) + self.skip(x)


def down(i, o):
    return nn.Sequential(conv(i, o, 4, 2, 1), *norm_act(o))


def up(i, o):
    return nn.Sequential(nn.ConvTranspose3d(i, o, 4, stride=2, padding=1), *norm_act(o))


def grow(x, like):
    """Zero-pad x to the spatial size of `like`: floor(d/2) in front, ceil(d/2) behind, for each axis."""
    pad = []
    for axis in (4, 3, 2):
        d = like.size(axis) - x.size(axis)
        pad += [d // 2, d - d // 2]
    return F.pad(x, pad) if any(pad) else x


class UNet(nn.Module):
    """Four strided levels. stem: width of level 1. pre1, pre2: widths of the residual blocks ahead of the first two strides."""

    def __init__(self, stem=8, pre1=(), pre2=()):
        super().__init__()
        def blocks(i, widths):
            made = []
            for o in widths:
                made.append(Residual(i, o))
                i = o
            return nn.Sequential(*made), i
        self.pre1, w = blocks(1, pre1)
        self.down1 = down(w, stem)
        self.pre2, w = blocks(stem, pre2)
        self.down2 = down(w, 32)
        self.pre3, _ = blocks(32, (64, 64))
        self.down3 = down(64, 64)
        self.pre4, _ = blocks(64, (128, 128))
        self.down4 = down(128, 128)
        self.mid, _ = blocks(128, (256, 256))
        self.up4 = up(256, 128)
        self.dec3 = Residual(128 + 64, 64)
        self.up3 = up(64, 64)
        self.dec2 = Residual(64 + 32, 32)
        self.up2 = up(32, 32)
        self.dec1 = Residual(32 + stem, 16)
        self.up1 = up(16, 16)
        self.head = conv(16, 1, 1)

    def logits(self, x):
        """(N, 1, D, H, W) fraction of bone, background exactly 0 -> log-odds of the implant, same shape."""
        e1 = self.down1(self.pre1(x))
        e2 = self.down2(self.pre2(e1))
        e3 = self.down3(self.pre3(e2))
        e4 = self.down4(self.pre4(e3))
        d4 = grow(self.up4(self.mid(e4)), e3)
        d3 = grow(self.up3(self.dec3(torch.cat((d4, e3), 1))), e2)
        d2 = grow(self.up2(self.dec2(torch.cat((d3, e2), 1))), e1)
        d1 = grow(self.up1(self.dec1(torch.cat((d2, e1), 1))), x)
        return self.head(d1)

    def forward(self, x):
        return torch.sigmoid(self.logits(x))


COUNTS = {"v3": 12_628_009, "native": 12_723_489, "v1": 12_873_601, "v2": 12_802_865}
HEAD_BIAS = -4.6  # log-odds of 1 %: implants are small; without it Dice stays on its plateau for hundreds of steps


def build(name):
    """One of COUNTS by name, PyTorch's own initialisation, head bias at HEAD_BIAS."""
    net = {
        "v3": lambda: UNet(8),
        "native": lambda: UNet(16, (), (32,)),
        "v1": lambda: UNet(16, (16, 16), (32, 32, 32)),
        "v2": lambda: UNet(16, (16,), (32, 32)),
    }[name]()
    assert sum(p.numel() for p in net.parameters()) == COUNTS[name]
    nn.init.constant_(net.head.bias, HEAD_BIAS)
    return net


if __name__ == "__main__":
    for key, t in build("v3").state_dict().items():
        print(f"{key}\t{list(t.shape)}")
