"""Skulls ready to be sampled: the pack's fractions become int8 signed distance fields at 1 mm.

A distance field can be turned, scaled and thickened before it becomes fractions again (`clamp(0.5 - d)`), so that
augmentation stays below the voxel. Distances are in mm, negative in bone, STEP_MM a count, clamped to +-6 mm.
"""
import concurrent.futures
import dataclasses
import multiprocessing
import os
import pathlib

import numpy as np
import torch

import pack

STEP_MM = 0.05
REACH_MM = 6
FAR = 1e4


@dataclasses.dataclass
class Skull:
    """One complete skull on its own 1 mm grid, P, L, S; positions are mm from the grid's middle."""
    case: str
    field: torch.Tensor    # int8 (D, H, W), signed distance to bone / STEP_MM
    given: torch.Tensor    # int8 (D, H, W), signed distance to the given SkullFix block / STEP_MM, extended off the bone
    points: torch.Tensor   # f32 (n, 3), bone surface, for boxes
    vault: torch.Tensor    # f32 (m, 3), outermost bone of the vault, evenly spread over directions
    middle: torch.Tensor   # f32 (3,), the point that `vault` is seen from, 75 mm under the top
    warps: list = dataclasses.field(default_factory=list)  # control displacements towards other skulls (warp.py)
    bend: object = None    # the warp in use; `points`, `vault` and `middle` are bent already, the fields are not


def _nearest(seed, offset, label):
    """Distance in mm to the nearest seed voxel minus its offset, within REACH_MM, and the seed's label. f32 in and out."""
    d2 = torch.where(seed, 0.0, FAR)
    for axis in range(3):
        best, off, lab = d2.clone(), offset.clone(), label.clone()
        n = d2.shape[axis]
        for k in [k for r in range(1, REACH_MM + 2) for k in (r, -r)]:
            to = (slice(None),) * axis + (slice(max(0, -k), n - max(0, k)),)
            at = (slice(None),) * axis + (slice(max(0, k), n - max(0, -k)),)
            d = d2[at] + k * k
            closer = d < best[to]
            best[to] = torch.where(closer, d, best[to])
            off[to] = torch.where(closer, offset[at], off[to])
            lab[to] = torch.where(closer, label[at], lab[to])
        d2, offset, label = best, off, lab
    return d2.sqrt() - offset, label, d2 < FAR / 2


def _largest_neighbour(x):
    """Largest of the 6 face neighbours, 0 beyond the grid."""
    p = torch.nn.functional.pad(x, (1,) * 6)
    c = slice(1, -1)
    return torch.stack([p[:-2, c, c], p[2:, c, c], p[c, :-2, c], p[c, 2:, c], p[c, c, :-2], p[c, c, 2:]]).amax(0)


def fields(skull, implant):
    """Fractions f32 (D, H, W) of the skull and its given implant -> the two int8 fields of `Skull`."""
    bone = skull >= 0.5
    zero = torch.zeros_like(skull)
    reach = (skull - 0.5) + _largest_neighbour(torch.where(bone, zero, skull))
    block = (implant / skull.clamp(min=0.05) >= 0.5).float() * bone
    outside, label, known = _nearest(bone & (_largest_neighbour((~bone).float()) > 0), reach.clamp(-0.5, 1), block)
    depth = (0.5 - skull) + _largest_neighbour(torch.where(bone, 1 - skull, zero))
    inside, _, _ = _nearest(~bone & (_largest_neighbour(bone.float()) > 0), depth.clamp(-0.5, 1), zero)
    d = torch.where(bone, -inside.clamp(0.5), outside.clamp(0.5))
    partial = (skull > 0.02) & (skull < 0.98)
    d = torch.where(partial, 0.5 - skull, d)
    label = torch.where(bone, block, label * known)
    soft = _blur(label)
    given = (0.5 - soft) * 2.5
    quant = lambda t: (t.clamp(-REACH_MM, REACH_MM) / STEP_MM).round().to(torch.int8)
    return quant(d), quant(given)


def _blur(x):
    """Gauss of sigma 1 mm, separable, 7 taps."""
    w = torch.exp(-torch.arange(-3, 4) ** 2 / 2.0)
    w /= w.sum()
    x = x[None, None]
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[2 + axis], padding[axis] = 7, 3
        x = torch.nn.functional.conv3d(x, w.view(shape), padding=padding)
    return x[0, 0]


def _vault(points, shape):
    """Outermost bone in each 6 degree direction above the ears and the brow, and the point they are seen from."""
    top = points[:, 2].max()
    middle = torch.tensor([0.0, 0.0, top - 75])
    v = points - middle
    r = v.norm(dim=1)
    elevation = torch.asin(v[:, 2] / r)
    azimuth = torch.atan2(v[:, 1], v[:, 0])  # 0 = posterior, +90 degrees = left
    front = (-v[:, 0] / r).clamp(-0.5, 1)  # 1 at the brow, negative behind
    floor = torch.deg2rad(-5 + 25 * front)  # degrees of elevation: -17 behind, +20 at the brow
    keep = elevation > floor
    bins = (torch.round(torch.rad2deg(elevation) / 6) * 1000 + torch.round(torch.rad2deg(azimuth) * torch.cos(elevation) / 6)).long()
    out = {}
    order = torch.argsort(r)
    for i in order[keep[order]].tolist():
        out[int(bins[i])] = i  # the farthest comes last and stays
    return points[sorted(out.values())], middle


def prepare(case, shape, skull, implant):
    """Fractions -> Skull."""
    field, given = fields(skull, implant)
    surface = torch.nonzero((field <= 0) & (field > -int(1.2 / STEP_MM)))
    half = torch.tensor(shape, dtype=torch.float32) / 2
    points = surface.float() + 0.5 - half
    pick = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    vault, middle = _vault(points[pick[:60000]], shape)
    return Skull(case, field, given, points[pick[:6000]].clone(), vault.clone(), middle)


def load(path):
    """The packed skulls as a list of Skull; fields are computed once and kept beside the pack (about 0.5 GB)."""
    path = pathlib.Path(path)
    cache = path.with_suffix(".fields.pt")
    if cache.exists() and cache.stat().st_mtime > path.stat().st_mtime:
        return [Skull(**d) for d in torch.load(cache, weights_only=False)]
    with np.load(path) as z:
        cases = sorted({k.split("_")[0] for k in z.files})
    with concurrent.futures.ProcessPoolExecutor(min(12, os.cpu_count()), multiprocessing.get_context("spawn")) as pool:
        made = [Skull(**{k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in d.items()}) for d in pool.map(_prepare, [path] * len(cases), cases)]
    torch.save([vars(s) for s in made], cache)
    return made


def _prepare(path, case):
    """One skull of the pack, as plain arrays (they travel between processes without shared memory)."""
    torch.set_num_threads(1)
    with np.load(path) as z:
        shape = tuple(int(n) for n in z[f"{case}_shape"])
        parts = [torch.from_numpy(pack.unnibble(z[f"{case}_{k}"], shape)) for k in ("skull", "implant")]
    made = prepare(case, shape, *parts)
    print(f"field {case} {shape} vault {len(made.vault)}", flush=True)
    return {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in vars(made).items()}


if __name__ == "__main__":
    import sys
    load(sys.argv[1])
