"""Defect shapes as signed distances: where bone is taken out. mm, negative inside, P, L, S axes.

A `Shape` is evaluated on any (..., 3) positions; the generator evaluates it every 2 mm and interpolates, which keeps
the cut sub-voxel at an eighth of the cost. Sizes: the chord from rim to rim is uniform in CHORD_MM.
Sources of the kinds: sphere unions (Kodym), prisms and ellipsoids (Wu), named sites (SkullBreak), sloped craniectomy outlines.
"""
import dataclasses
import math

import torch

CHORD_MM = (20.0, 150.0)
DEPTH_MM = 28.0  # nothing farther under the outer surface is cut: the skull base stays

# direction (P, L, S) from the middle of the vault, and its spread
SITES = {
    "ftp": ((-0.25, 0.85, 0.45), 0.25),
    "bifrontal": ((-0.85, 0.0, 0.5), 0.12),
    "occipital": ((0.95, 0.0, 0.25), 0.2),
    "vertex": ((0.05, 0.0, 1.0), 0.25),
    "posterior": ((0.7, 0.0, 0.7), 0.12),
}


class Dice:
    """Seeded scalars; everything random of one sample comes from here, so that a seed is the sample."""

    def __init__(self, seed):
        self.g = torch.Generator().manual_seed(seed)

    def uniform(self, lo=0.0, hi=1.0):
        return lo + (hi - lo) * torch.rand((), generator=self.g).item()

    def normal(self, sd=1.0):
        return sd * torch.randn((), generator=self.g).item()

    def chance(self, p):
        return self.uniform() < p

    def below(self, n):
        return int(torch.randint(n, (), generator=self.g))

    def pick(self, weights):
        """A key of {key: weight}."""
        at = self.uniform(0, sum(weights.values()))
        for key, w in weights.items():
            at -= w
            if at < 0:
                return key
        return key

    def noise(self, *shape):
        return torch.randn(*shape, generator=self.g)


@dataclasses.dataclass
class Patch:
    """A place on the skull: a sphere of radius `r` through `at` with outward normal `n` and tangents `u`, `w`."""
    at: torch.Tensor
    n: torch.Tensor
    u: torch.Tensor
    w: torch.Tensor
    r: float

    def polar(self, x):
        """(..., 3) -> arc length from the patch's middle, angle round it, height over the sphere (mm, rad, mm)."""
        v = x - (self.at - self.r * self.n)
        d = v.norm(dim=-1)
        arc = self.r * torch.acos((v @ self.n / d.clamp(min=1e-3)).clamp(-1, 1))
        return arc, torch.atan2(v @ self.w, v @ self.u), d - self.r


def patch(at, n, dice):
    """The patch at a point of the outer surface, tangents turned at random, normal off by a few degrees."""
    n = n + 0.08 * dice.noise(3).to(n)
    n = n / n.norm()
    u = dice.noise(3).to(n)
    u = u - (u @ n) * n
    u = u / u.norm()
    return Patch(at, n, u, torch.linalg.cross(n, u), dice.uniform(65, 105))


def outline(p, chord, dice, aspect=None, along=None):
    """Rounded irregular outline in arc-length coordinates, sloped rim (wider outside), wobble of orders 2, 3, 5."""
    a = chord / 2
    aspect = aspect or dice.uniform(0.5, 1.0)
    turn = dice.uniform(0, math.pi) if along is None else math.atan2(float(along @ p.w), float(along @ p.u))
    slope = math.tan(math.radians(dice.uniform(0, 45))) if dice.chance(0.5) else 0.0
    waves = [(k, dice.normal(s), dice.uniform(0, 2 * math.pi)) for k, s in ((2, 0.04), (3, 0.07), (5, 0.035))]

    def f(x):
        arc, phi, height = p.polar(x)
        t = phi - turn
        rho = a / torch.sqrt(torch.cos(t) ** 2 + (torch.sin(t) / aspect) ** 2)
        rho = rho * (1 + sum(m * torch.cos(k * t + q) for k, m, q in waves))
        return torch.maximum((arc - rho - slope * height) / math.hypot(1, slope), -DEPTH_MM - height)

    return f


def spheres(p, chord, dice):
    """A primary ball and 0 to 7 secondary ones on its surface, not deeper than DEPTH_MM."""
    first = max(10.0, min(chord / 2, 45.0) * dice.uniform(0.75, 1.0))
    second = first * dice.uniform(0.35, 0.75)
    balls = [(p.at + p.n * dice.uniform(-0.35, 0.35) * first, first)]
    for _ in range(dice.below(8)):
        v = dice.noise(3).to(p.at)
        balls.append((balls[0][0] + v / v.norm() * first, second))

    def f(x):
        d = torch.stack([(x - c).norm(dim=-1) - r for c, r in balls]).amin(0)
        return torch.maximum(d, -DEPTH_MM - p.polar(x)[2])

    return f


def prism(p, chord, dice, aspect=None, along=None):
    """Straight walls along the normal: rounded rectangle or ellipse, as the SkullFix block and Wu's cylinders."""
    a = chord / 2
    b = a * (aspect or dice.uniform(0.5, 1.0))
    corner = min(a, b) * dice.uniform(0.1, 1.0)
    u, w = p.u, p.w
    if along is not None:
        u = along - (along @ p.n) * p.n
        u = u / u.norm()
        w = torch.linalg.cross(p.n, u)

    def f(x):
        v = x - p.at
        q = torch.stack(((v @ u).abs() - a + corner, (v @ w).abs() - b + corner))
        d = q.clamp(min=0).norm(dim=0) + q.amax(0).clamp(max=0) - corner
        return torch.maximum(d, -DEPTH_MM - 0.4 * a - v @ p.n)

    return f


def ellipsoid(p, chord, dice):
    """Wu's ellipsoid: rims curve inwards."""
    a = max(10.0, min(chord / 2, 55.0))
    axes = a * torch.tensor([1.0, dice.uniform(0.5, 1), dice.uniform(0.5, 1)])
    basis = torch.stack((p.u, p.w, p.n))

    def f(x):
        k = ((x - p.at) @ basis.T / axes).norm(dim=-1)
        return torch.maximum((k - 1) * float(axes.min()), -DEPTH_MM - p.polar(x)[2])

    return f


FREE = {"outline": 0.5, "spheres": 0.3, "prism": 0.12, "ellipsoid": 0.08}


def free(p, chord, dice):
    """One shape of any kind at a patch."""
    return {"outline": outline, "spheres": spheres, "prism": prism, "ellipsoid": ellipsoid}[dice.pick(FREE)](p, chord, dice)


def named(site, place, dice, chord=None):
    """Shapes of a named site. place(direction (3,), spread) -> Patch on the skull. Two for "bilateral"."""
    lateral = torch.tensor([0.0, 1.0, 0.0])
    fore = torch.tensor([1.0, 0.0, 0.0])
    if site == "bilateral":
        chord = chord or dice.uniform(30, 100)
        d, spread = SITES["ftp"]
        d = torch.tensor(d) + 0.5 * spread * dice.noise(3)
        return [outline(place(d * torch.tensor([1.0, s, 1.0]), 0.05), chord * dice.uniform(0.8, 1), dice) for s in (1, -1)]
    d, spread = SITES[site]
    d = torch.tensor(d)
    if site == "ftp" and dice.chance(0.5):
        d[1] = -d[1]
    p = place(d, spread)
    if site == "bifrontal":
        return [outline(p, chord or dice.uniform(60, 150), dice, dice.uniform(0.4, 0.8), lateral)]
    if site == "ftp":
        return [outline(p, chord or dice.uniform(40, 150), dice, dice.uniform(0.6, 1.0), fore if dice.chance(0.5) else None)]
    if site == "posterior":
        return [prism(p, chord or dice.uniform(50, 110), dice, dice.uniform(0.6, 1.0), lateral)]
    return [outline(p, chord or dice.uniform(30, 130), dice)]
