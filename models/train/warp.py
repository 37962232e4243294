"""Skull-to-skull warps: each training skull is registered, affine and non-rigid, to a few others.

    python warp.py --pack STATE/pack_train.npz --out STATE/warps.npz [--partners 3]     (about 4 s a pair on one core)

71 people are few; a skull half-way (or all the way) to another's shape is a head that nobody has seen. A warp takes a point
of the TARGET's space to the moving skull's: x -> x + g(x), g being f16 mm on a control grid of PITCH_MM, trilinear between.
A strength in 0..1 scales g. Found by gradient descent on the squared difference of the signed distance fields, coarse to fine,
with a diffusion penalty; after Ellis 2020 and Wodzinski 2022, who both won AutoImplant with registered training skulls.
"""
import argparse
import dataclasses
import pathlib
import time

import numpy as np
import torch
from torch.nn import functional as F

import skulls
from skulls import STEP_MM

PITCH_MM = 12.0
HALF_MM = torch.tensor([120.0, 108.0, 120.0])  # the control grid covers +- this many mm round the target's middle
NODES = [int(round(float(2 * h / PITCH_MM))) + 1 for h in HALF_MM]
LEVELS = ((8.0, 40), (4.0, 60))  # (cell in mm, steps)
STIFF = 0.02  # weight of the squared differences between neighbouring control points, mm^2 a mm^2


@dataclasses.dataclass
class Warp:
    """x (target's mm) -> x + strength * g(x) (moving skull's mm). `g` f32 (3, *NODES)."""
    g: torch.Tensor
    strength: float = 1.0

    def offset(self, x):
        """(..., 3) mm -> (..., 3) mm."""
        at = (x / HALF_MM.to(x))[..., [2, 1, 0]].reshape(1, 1, 1, -1, 3)
        g = F.grid_sample(self.g[None].to(x), at, padding_mode="border", align_corners=True)
        return self.strength * g.reshape(3, -1).T.reshape(x.shape)

    def push(self, p):
        """Points of the moving skull (n, 3) -> where the warped skull has them: p = x + g(x), by fixed-point steps."""
        x = p
        for _ in range(8):
            x = p - self.offset(x)
        return x


def coarse(skull, cell):
    """Signed distance every `cell` mm, centred on the skull's middle: (field f32 mm, its extent / 2 in mm)."""
    n = [2 * int(float(h) // cell) for h in HALF_MM]
    axes = [(torch.arange(k) + 0.5 - k / 2) * cell for k in n]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    return x, lookup(skull, x)


def lookup(skull, x):
    """Signed distance in mm of a skull at (D, H, W, 3) mm."""
    size = torch.tensor(skull.field.shape, dtype=torch.float32)
    at = (x * 2 / size)[..., [2, 1, 0]]
    return F.grid_sample(skull.field.float()[None, None] * STEP_MM, at[None], padding_mode="border", align_corners=False)[0, 0]


def blurred(skull, cell):
    """The skull with its field averaged over cells, so that a coarse level sees all of it."""
    k = int(cell // 2) * 2 + 1
    soft = F.avg_pool3d(skull.field.float()[None, None], k, 1, k // 2, count_include_pad=False)[0, 0]
    return dataclasses.replace(skull, field=soft)


def register(moving, target):
    """(control displacements (3, *NODES) in mm, mean squared difference before and after, mm^2)."""
    axes = [torch.linspace(-float(h), float(h), k) for h, k in zip(HALF_MM, NODES)]
    nodes = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    shift = (moving.middle - target.middle).clone().requires_grad_()
    turn = torch.zeros(3, 3, requires_grad=True)
    bend = torch.zeros(3, *NODES, requires_grad=True)
    low = max(float(target.points[:, 2].min()), float(target.middle[2] - 75))

    def displacement():
        return bend + ((nodes - target.middle) @ turn.T + shift).permute(3, 0, 1, 2)

    before = None
    for level, (cell, steps) in enumerate(LEVELS):
        source, (x, goal) = blurred(moving, cell), coarse(blurred(target, cell), cell)
        weight = ((x[..., 2] > low) & (goal.abs() < 5.9)).float() + 0.05 * (x[..., 2] > low)
        opt = torch.optim.Adam([{"params": [shift], "lr": 0.5}, {"params": [turn], "lr": 4e-3}, {"params": [bend], "lr": 0.4 if level or steps > 40 else 0.15}])
        for step in range(steps):
            g = displacement()
            at = x + Warp(g).offset(x)
            fit = ((lookup(source, at) - goal) ** 2 * weight).sum() / weight.sum()
            before = fit.item() if before is None else before
            rough = sum((bend.diff(dim=a) ** 2).mean() for a in (1, 2, 3))
            opt.zero_grad()
            (fit + STIFF * rough * (3 - level)).backward()
            opt.step()
    return displacement().detach(), before, fit.item()


def agreement(moving, target, warp=None):
    """Dice of the bone of both, every 2 mm, above the lower edge of either."""
    x, goal = coarse(target, 2.0)
    start = x + (moving.middle - target.middle) if warp is None else x + warp.offset(x)
    got = lookup(moving, start) < 0
    keep = x[..., 2] > target.middle[2] - 50
    a, b = got & keep, (goal < 0) & keep
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def attach(path, packed):
    """Gives each skull its warps (`skull.warps`, a list of g) as written by `main`. The number of warps."""
    by_case = {s.case: s for s in packed}
    with np.load(path) as z:
        for key in z.files:
            by_case[key.split("_")[0]].warps.append(torch.from_numpy(z[key]).float())
        return len(z.files)


def warped(skull, dice):
    """The skull bent towards one of its partners, by a strength of 0 to 1; its points and vault follow."""
    warp = Warp(skull.warps[dice.below(len(skull.warps))], dice.uniform())
    moved = {k: warp.push(getattr(skull, k)) for k in ("points", "vault")}
    return dataclasses.replace(skull, bend=warp, middle=warp.push(skull.middle[None])[0], **moved)


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--pack", required=True)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--partners", type=int, default=3)
    ask.add_argument("--seed", type=int, default=5)
    ask.add_argument("--limit", type=int, default=1 << 30, help="only so many pairs (to try the command)")
    args = ask.parse_args()
    packed, made, gain = skulls.load(args.pack), {}, []
    dice = torch.Generator().manual_seed(args.seed)
    pairs = [(i, j) for i in range(len(packed)) for j in torch.randperm(len(packed), generator=dice)[: args.partners + 1].tolist() if j != i]
    for i, j in pairs[: args.limit]:
        start = time.time()
        g, before, after = register(packed[i], packed[j])
        gain.append((agreement(packed[i], packed[j]), agreement(packed[i], packed[j], Warp(g))))
        made[f"{packed[i].case}_{packed[j].case}"] = g.numpy().astype(np.float16)
        print(f"{packed[i].case} -> {packed[j].case}: {before:.2f} -> {after:.2f} mm^2, Dice {gain[-1][0]:.3f} -> {gain[-1][1]:.3f}, {time.time() - start:.1f} s", flush=True)
        if len(made) % 20 == 0:
            np.savez_compressed(args.out, **made)
    np.savez_compressed(args.out, **made)
    print(f"{len(made)} warps, Dice {np.mean([a for a, _ in gain]):.3f} -> {np.mean([b for _, b in gain]):.3f}")


if __name__ == "__main__":
    main()
