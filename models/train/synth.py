"""One training sample, made on the fly: a skull is bent towards another, turned, thickened, cut, spoiled and put into the frame.

Out: `defective` and `implant`, f32 fractions (D, H, W) on the frame at `voxel` mm, all on `device`.
Everything geometric happens as signed distances every 1 mm; cells of the frame are averages of what is there. The
frame's centre is that of the box of the DEFECTIVE skull, as at inference. Half of the samples look like a threshold
of a hospital CT (thicker or thinner bone, thin-bone holes, thick slices, cut field of view, leftovers), half are clean.
"""
import math

import torch
from torch.nn import functional as F

import defects
import frame
import warp
from skulls import STEP_MM

KINDS = {"free": 0.46, "site": 0.22, "given": 0.15, "two": 0.06, "none": 0.11}
OUT_MM = 6  # the region reaches this far beyond the skull


def rotation(degrees):
    """Rotations about P, L and S, in this order, as one 3x3 matrix."""
    out = torch.eye(3)
    for axis, angle in enumerate(degrees):
        a, (i, j) = math.radians(angle), [(1, 2), (2, 0), (0, 1)][axis]
        m = torch.eye(3)
        m[i, i] = m[j, j] = math.cos(a)
        m[i, j], m[j, i] = -math.sin(a), math.sin(a)
        out = m @ out
    return out


def affine(dice):
    """Flip left-right, tilt, turn, scale: skull mm -> sample mm."""
    m = torch.diag(torch.tensor([1.0, -1.0 if dice.chance(0.5) else 1.0, 1.0]))
    if dice.chance(0.9):
        tilt = dice.uniform(-25, 25) if dice.chance(0.4) else dice.uniform(-12, 12)
        turn = rotation((dice.uniform(-12, 12), tilt, dice.uniform(-12, 12)))
        size = dice.uniform(0.85, 1.15)
        m = turn @ torch.diag(torch.tensor([size * dice.uniform(0.95, 1.05) for _ in range(3)])) @ m
    return m


class Region:
    """A box of 1 mm cells, `lo` (3,) mm its first face, `n` (3,) cells; and the same at half resolution."""

    def __init__(self, lo, hi, device):
        self.lo = torch.floor(lo / 2).long() * 2
        self.n = [int(k) for k in (torch.ceil((hi - self.lo) / 2).long() * 2)]
        self.device = device

    def axes(self, step=1):
        return [float(l) + step * (torch.arange(n // step, device=self.device) + 0.5) for l, n in zip(self.lo, self.n)]

    def coarse(self):
        """(D/2, H/2, W/2, 3) positions every 2 mm, on the CPU: shapes are small and many."""
        return torch.stack(torch.meshgrid(*(a.cpu() for a in self.axes(2)), indexing="ij"), -1)

    def fine(self, t):
        """A coarse field every 1 mm."""
        return F.interpolate(t[None, None].to(self.device), tuple(self.n), mode="trilinear")[0, 0]

    def smooth(self, dice, pitch_mm):
        """Smooth noise of SD about 1, on the coarse grid, on the CPU."""
        knots = [max(2, round(n / pitch_mm)) + 1 for n in self.n]
        small = dice.noise(1, 1, *knots)
        return 1.6 * F.interpolate(small, tuple(n // 2 for n in self.n), mode="trilinear", align_corners=True)[0, 0]

    def sample(self, field, inverse, bend=None):
        """int8 field of a skull under the inverse affine (3, 3) and its bend -> f32 mm on the region's 1 mm cells."""
        size = torch.tensor(field.shape, dtype=torch.float32)
        # normalised coordinate of skull axis a: 2 x_a / size_a; grid_sample wants them in the order W, H, D
        m = (inverse * 2 / size[:, None])[[2, 1, 0]].to(self.device)
        x, y, z = self.axes()
        at = x[:, None, None, None] * m[:, 0] + y[:, None, None] * m[:, 1]
        at = (at + z[:, None] * m[:, 2])[None]
        if bend is not None:  # smooth, so it is looked up every 4 mm or so of the region
            few = [float(l) + (torch.arange(k, device=self.device) + 0.5) * n / k for l, n in zip(self.lo, self.n) for k in [-(-n // 4)]]
            q = torch.stack(torch.meshgrid(*few, indexing="ij"), -1) @ inverse.T.to(self.device)
            off = F.interpolate(bend.offset(q).permute(3, 0, 1, 2)[None], tuple(self.n), mode="trilinear")[0]
            at = at + (off * (2 / size.to(self.device))[:, None, None, None])[[2, 1, 0]].permute(1, 2, 3, 0)
        src = field.to(self.device, torch.float32)[None, None] * STEP_MM
        return F.grid_sample(src, at, padding_mode="border", align_corners=False)[0, 0]


def shapes(skull, m, dice, kind, site=None, chord=None):
    """The analytic shapes of one sample in sample mm; [] for none and given."""
    inverse = torch.linalg.inv(m)
    semi = torch.tensor([95.0, 72.0, 78.0])

    def at(point):
        q = point - skull.middle
        n = inverse.T @ (q / semi**2)
        return defects.patch(m @ point, n / n.norm(), dice)

    def place(direction, spread):
        d = direction + spread * dice.noise(3)
        v = skull.vault - skull.middle
        flip = torch.sign(torch.det(m))
        d = d * torch.tensor([1.0, float(flip), 1.0])
        return at(skull.vault[int((v @ d / v.norm(dim=1)).argmax())])

    def anywhere():
        return at(skull.vault[dice.below(len(skull.vault))])

    if kind == "free":
        return [defects.free(anywhere(), chord or dice.uniform(*defects.CHORD_MM), dice)]
    if kind == "two":
        return [defects.free(anywhere(), dice.uniform(20, 80), dice) for _ in range(2)]
    if kind == "site":
        names = {"ftp": 3, "bifrontal": 2, "occipital": 1.5, "vertex": 1.5, "bilateral": 1, "posterior": 1}
        return defects.named(site or dice.pick(names), place, dice, chord)
    return []


def cut(region, d, skull, m, dice, kind, made, wobble=True):
    """Signed distance of what is taken out of the skull (1 mm cells), or None for an intact head."""
    if kind == "given":
        return region.sample(skull.given, torch.linalg.inv(m), skull.bend) * float(torch.det(m).abs() ** (1 / 3))
    if not made:
        return None
    x = region.coarse()
    s = torch.stack([f(x) for f in made]).amin(0)
    if wobble and dice.chance(0.5):
        s = s + region.smooth(dice, dice.uniform(12, 30)) * dice.uniform(0.3, 2.0)
    if wobble and dice.chance(0.12):  # islands and bridges left in the hole
        inside = torch.nonzero((s < 0) & (d[::2, ::2, ::2].cpu() < 0))
        for _ in range(min(len(inside), 1 + dice.below(5))):
            at = inside[dice.below(len(inside))]
            s = torch.maximum(s, dice.uniform(1, 6) - (x - x[tuple(at)]).norm(dim=-1))
    return region.fine(s)


def jitter(region, dice):
    """Offset in mm added to the distance field (positive: thinner bone), as one 1 mm field; None when clean."""
    base = dice.uniform(-1.5, 0.9)
    o = base + region.smooth(dice, 40) * dice.uniform(0, 0.35)
    if dice.chance(0.4):  # thin-bone holes: patches where up to 1 mm is lost from both sides
        o = o + (region.smooth(dice, 25) - 1).clamp(0, 1) * dice.uniform(0.3, 1.3)
    if dice.chance(0.3):
        o = o + dice.uniform(0.05, 0.25) * dice.noise(*o.shape)
    return region.fine(o)


def leftovers(region, dice, low):
    """Signed distance of things that are not skull: vertebrae under it, a head holder round it, rods. 1 mm cells."""
    x = region.coarse()
    out = torch.full(x.shape[:3], 50.0)
    if dice.chance(0.6):  # a column of rings under the base
        c = torch.tensor([dice.uniform(-20, 20), dice.uniform(-6, 6)])
        r = ((x[..., :2] - c) / torch.tensor([dice.uniform(10, 18), dice.uniform(16, 26)])).norm(dim=-1)
        ring = ((r - 0.75).abs() - 0.25) * 12
        pitch = dice.uniform(14, 20)
        gap = 3 - (x[..., 2] % pitch)
        out = torch.minimum(out, torch.maximum(torch.maximum(ring, gap), x[..., 2] - low - dice.uniform(5, 25)))
    if dice.chance(0.5):  # U-shaped plate behind or at the sides
        a, b = dice.uniform(105, 130), dice.uniform(82, 105)
        r = (x[..., :2] / torch.tensor([a, b])).norm(dim=-1)
        plate = ((r - 1).abs() * b - dice.uniform(1, 4))
        plate = torch.maximum(plate, dice.uniform(-20, 60) - x[..., 0])
        z = dice.uniform(float(region.lo[2]), float(region.lo[2]) + region.n[2])
        plate = torch.maximum(plate, (x[..., 2] - z).abs() - dice.uniform(4, 60))
        if dice.chance(0.5):
            plate = plate + region.smooth(dice, 20) * 3 + 1
        out = torch.minimum(out, plate)
    for _ in range(dice.below(3)):  # rods and blobs anywhere
        c = region.lo.float() + torch.rand(3, generator=dice.g) * torch.tensor(region.n)
        way = F.normalize(dice.noise(3), dim=0)
        v = x - c
        along = (v @ way).clamp(-dice.uniform(0, 30), dice.uniform(0, 30))
        out = torch.minimum(out, (v - along[..., None] * way).norm(dim=-1) - dice.uniform(1.5, 5))
    return region.fine(out)


def slices(t, thick, phase, level):
    """Fractions seen through slices of `thick` mm along W, thresholded at `level` of bone: what a CT mask shows."""
    w = t.shape[2]
    t = F.pad(t, (phase, (-(w + phase)) % thick))[None, None]
    t = F.avg_pool3d(t, (1, 1, thick))
    t = ((t - level) * 3 + 0.5).clamp(0, 1)
    mode = "trilinear" if thick > 2 else "nearest"
    t = F.interpolate(t, (t.shape[2], t.shape[3], t.shape[4] * thick), mode=mode)
    return t[0, 0, :, :, phase : phase + w]


def place(region, defective, implant, voxel, shift):
    """Both fields into the frame: centre on the defective skull's box (180 mm rule) plus `shift` (3,) whole mm."""
    bone = defective >= 0.5
    if not bone.any():
        return None
    spans = []
    for line in (bone.any(2).any(1), bone.any(2).any(0), bone.any(1).any(0)):
        hit = torch.nonzero(line).flatten()
        spans.append([int(hit[0]), int(hit[-1]) + 1])
    spans[2][0] = max(spans[2][0], spans[2][1] - int(frame.BELOW_TOP_MM))
    pads = []
    for a in (2, 1, 0):
        first = (sum(spans[a]) - frame.EXTENT_MM[a]) // 2 + int(shift[a])
        pads += [-first, first + frame.EXTENT_MM[a] - region.n[a]]
    both = F.pad(torch.stack((defective, implant))[:, None], pads)
    if voxel > 1:
        both = F.avg_pool3d(both, int(voxel))
    return both[0, 0], both[1, 0]


def sample(skulls, seed, voxel=2.0, device="cpu", plain=None):
    """(defective, implant) of one seed. plain = {"kind", "site", "chord"}: no augmentation but the cut, for validation."""
    dice = defects.Dice(seed)
    skull = skulls[dice.below(len(skulls))] if isinstance(skulls, list) else skulls
    if plain is None and skull.warps and dice.chance(0.7):
        skull = warp.warped(skull, dice)
    clean = plain is not None or dice.chance(0.4)
    m = torch.eye(3) if plain else affine(dice)
    kind = plain["kind"] if plain else dice.pick(KINDS)
    made = shapes(skull, m, dice, kind, **({k: plain.get(k) for k in ("site", "chord")} if plain else {}))
    points = skull.points @ m.T
    lo, hi = points.amin(0) - OUT_MM, points.amax(0) + OUT_MM
    mess = not clean and dice.chance(0.3)
    if mess:
        lo[:2], hi[:2] = lo[:2] - 12, hi[:2] + 12
        lo[2] -= dice.uniform(0, 40)
    region = Region(lo, hi, device)
    d = region.sample(skull.field, torch.linalg.inv(m), skull.bend) * float(torch.det(m).abs() ** (1 / 3))
    if not clean and dice.chance(0.8):
        d = d + jitter(region, dice)
    if not plain:
        d = view(region, d, dice, float(points[:, 2].max()), clean)
    s = cut(region, d, skull, m, dice, kind, made, wobble=plain is None)
    whole = (0.5 - d).clamp(0, 1)
    left = whole if s is None else (0.5 - torch.maximum(d, -s)).clamp(0, 1)
    if not clean:
        whole, left = spoil(region, whole, left, dice, mess, float(points[:, 2].min()))
    implant = (whole - left).clamp(min=0)
    shift = [0, 0, 0] if plain else [dice.below(9) - 4 for _ in range(3)]
    done = place(region, left, implant, voxel, shift)
    if done is None or (kind != "none" and not plain and float(done[1].sum()) * voxel**3 < 300):
        return sample(skulls, seed + 7_000_003, voxel, device, plain)
    return done


def view(region, d, dice, top, clean):
    """Field of view: what lies under a tilted plane, seldom over one, is not in the scan."""
    x, y, z = region.axes()
    tilt = lambda: (math.tan(math.radians(dice.uniform(-15, 15))) * x)[:, None, None] + (math.tan(math.radians(dice.uniform(-6, 6))) * y)[None, :, None]
    if dice.chance(0.25 if clean else 0.6):
        d = torch.maximum(d, (top - dice.uniform(75, 180)) + tilt() - z)
    if dice.chance(0.02 if clean else 0.06):
        d = torch.maximum(d, z - (top - dice.uniform(0, 10)) - 0.2 * tilt())
    return d


def spoil(region, whole, left, dice, mess, low):
    """What scanners and surroundings add: a saw line, leftovers, thick slices. Fractions in, fractions out."""
    if dice.chance(0.1):
        x, y, z = region.axes()
        h = dice.uniform(float(region.lo[2]) + 0.4 * region.n[2], float(region.lo[2]) + 0.85 * region.n[2])
        plane = z - h - (dice.uniform(-0.15, 0.15) * x)[:, None, None] - (dice.uniform(-0.1, 0.1) * y)[None, :, None]
        gap = (plane.abs() - dice.uniform(0.2, 0.8) + 0.5).clamp(0, 1)
        cutout = (whole - left).clamp(min=0)
        left = left * gap
        whole = left + cutout
    if mess:
        extra = (0.5 - leftovers(region, dice, low)).clamp(0, 1)
        implant = (whole - left).clamp(min=0)
        left = torch.maximum(left, extra * (1 - implant))
        whole = (left + implant).clamp(max=1)
    if dice.chance(0.5):
        thick, level = dice.pick({1: 1, 2: 1, 3: 1.5}), dice.uniform(0.25, 0.55)
        phase = dice.below(thick)
        whole, left = slices(whole, thick, phase, level), slices(left, thick, phase, level)
    return whole, left
