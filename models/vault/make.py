"""Writes the prior of the vault: mean and variation of the vault over the training skulls.

    models/vault/make.py SHELLS --out FILE [--leave-one-out]      needs numpy

SHELLS is a folder of what `calvaria shell` writes, one JSON a skull of `skullfix/train` (make.sh writes them and calls
this). `--leave-one-out` prints how far holes filled from the other skulls lie off, and how that
compares with what is stated.

A sample is the radius of the outer table and the thickness of bone at every node of the map of directions; each
skull gives two, itself and its mirror image. What is kept: the mean; the leading principal components, each scaled to
one standard deviation; six more for a head whose axes are a little off (three shifts, three turns); and what is left at
each node, as a standard deviation that was measured on skulls left out.
"""

import argparse, hashlib, json, os, pathlib, struct

# More threads sum in another order: on one, two runs give the same bytes. Set before numpy is there.
for pool in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{pool}_NUM_THREADS"] = "1"
import numpy as np

COMPONENTS = 100
# A head's axes are known to this: mm, degrees. From the figures of benches/RESULTS.md, "The skull's own axes".
SHIFT_MM, TURN_DEG = 1.2, 1.0
# No vault: nearer or farther than this from the expected radius, thicker than this, mm.
OFF_MM, THICK_MM = 12.0, 18.0
# Residuals of neighbouring nodes go together: as many count as one. Chosen by --leave-one-out.
TOGETHER = 12.0
ROUNDS = 2
# The same person as 011, scanned twice (`split.tsv`).
SAME = {"042"}


def read(folder):
    """Directions [N, 3], and the walls of every skull."""
    names, walls, directions = [], [], None
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        if path.stem in SAME:
            continue
        shell = json.loads(path.read_text())
        directions = np.array(shell["directions"])
        names.append(path.stem)
        walls.append(shell["walls"])
    return names, directions, walls


def mirrored(directions):
    """For each node the one on the other side."""
    key = {tuple(np.round(d, 6) + 0.0): n for n, d in enumerate(directions)}
    return np.array([key[tuple(np.round([-d[0], d[1], d[2]], 6) + 0.0)] for d in directions])


def pick(walls, expected, off):
    """Radius and thickness of the wall nearest to what is expected; not-a-number where there is none within `off` mm."""
    radius = np.full(len(walls), np.nan)
    thick = np.full(len(walls), np.nan)
    for n, node in enumerate(walls):
        best = off
        for inner, outer in node:
            away = abs(outer - expected[n])
            if away < best:
                best, radius[n], thick[n] = away, outer, outer - inner
    thick[thick > THICK_MM] = np.nan
    return radius, thick


def select(walls, directions):
    """[S, 2, N]: radii and thicknesses, not-a-number where no vault is seen."""
    upper = directions[:, 2] > 0.2
    outermost = lambda node: max((o for _, o in node if 45 < o < 120), default=np.nan)
    radius = np.array([[outermost(node) for node in skull] for skull in walls])
    scale = np.ones(len(walls))
    for _ in range(4):
        mean = np.nanmedian(radius / scale[:, None], axis=0)
        mean = np.where(np.isnan(mean), np.nanmedian(mean), mean)
        scale = np.nanmedian((radius / mean)[:, upper], axis=1)
        picked = [pick(skull, mean * s, OFF_MM) for skull, s in zip(walls, scale)]
        radius = np.array([p[0] for p in picked])
    return np.array([np.stack(p) for p in picked])


def components(samples, count):
    """Mean and `count` components [K, D] of samples with holes in them: fill, decompose, fill again."""
    known = ~np.isnan(samples)
    mean = np.nanmean(samples, axis=0)
    filled = np.where(known, samples, mean)
    for _ in range(ROUNDS):
        mean = filled.mean(axis=0)
        _, s, vt = np.linalg.svd(filled - mean, full_matrices=False)
        modes = vt[:count] * (s[:count] / np.sqrt(len(samples) - 1))[:, None]
        rest = np.sqrt(np.mean((filled - mean - project(filled - mean, modes)) ** 2, axis=0)) + 0.3
        for n in range(len(samples)):
            if not known[n].all():
                z, _ = condition(filled[n] - mean, modes, rest, known[n], 1.0)
                filled[n] = np.where(known[n], filled[n], mean + z @ modes)
    # The same sign on every machine.
    sign = np.sign(modes[np.arange(len(modes)), np.abs(modes).argmax(axis=1)])
    return filled.mean(axis=0), modes * sign[:, None]


def project(samples, modes):
    basis = modes / np.linalg.norm(modes, axis=1, keepdims=True)
    return samples @ basis.T @ basis


def condition(off, modes, rest, known, together):
    """Components of a sample from what is known of it, and their covariance."""
    seen = modes[:, known] / (rest[known] ** 2 * together)
    covariance = np.linalg.inv(seen @ modes[:, known].T + np.eye(len(modes)))
    return covariance @ (seen @ off[known]), covariance


def moved(mean, directions):
    """What a small shift and turn of the axes does to the mean's radii: six components [6, 2 N]."""
    radius = mean[: len(directions)]
    points = directions * radius[:, None]
    modes = []
    # Normals from the nearest neighbours: the plane through them.
    normals = np.zeros_like(points)
    for n, p in enumerate(points):
        near = np.argsort(((points - p) ** 2).sum(axis=1))[:9]
        _, _, vt = np.linalg.svd(points[near] - points[near].mean(axis=0))
        normals[n] = vt[2] * np.sign(vt[2] @ p)
    slope = np.maximum((normals * directions).sum(axis=1), 0.4)
    for axis in range(3):
        shift = np.zeros(3)
        shift[axis] = SHIFT_MM
        modes.append(normals @ shift / slope)
    for axis in range(3):
        turn = np.zeros(3)
        turn[axis] = np.radians(TURN_DEG)
        modes.append((normals * np.cross(turn, points)).sum(axis=1) / slope)
    modes = np.array(modes)
    return np.concatenate([modes, np.zeros_like(modes)], axis=1)


def trained(samples, directions, count):
    mean, modes = components(samples, count)
    return mean, np.concatenate([modes, moved(mean, directions)])


def holes(directions, rng):
    """Holes as they are cut: a place of the vault and a radius; nodes within."""
    while True:
        middle = directions[rng.integers(len(directions))]
        if middle[2] > -0.2:
            break
    degrees = rng.uniform(22, 48)
    angle = np.degrees(np.arccos(np.clip(directions @ middle, -1, 1)))
    return angle < degrees, angle < degrees + 4


def left_out(samples, directions, count, together, floor, rest=None, verbose=True):
    """Leave one skull out: residuals at each node, and errors in holes as they are cut."""
    skulls = len(samples) // 2
    n = len(directions)
    residual = np.full((skulls, 2 * n), np.nan)
    errors, stated, kinds = [], [], []
    for s in range(skulls):
        others = np.delete(np.arange(2 * skulls), [2 * s, 2 * s + 1])
        mean, modes = trained(samples[others], directions, count)
        spread = rest if rest is not None else np.full(2 * n, 0.8)
        own = samples[2 * s]
        known = ~np.isnan(own)
        off = np.where(known, own - mean, 0.0)
        z, _ = condition(off, modes, spread, known, together)
        residual[s] = np.where(known, off - z @ modes, np.nan)
        rng = np.random.default_rng(1000 + s)
        for _ in range(3):
            hole, wide = holes(directions, rng)
            hidden = np.concatenate([wide, wide])
            z, covariance = condition(off, modes, spread, known & ~hidden, together)
            got = z @ modes
            sd = np.sqrt(np.einsum("kd,kl,ld->d", modes, covariance, modes) + spread**2)
            asked = np.concatenate([hole, hole]) & known
            errors.append(np.where(asked, got - off, np.nan))
            stated.append(np.where(asked, sd, np.nan))
    errors, stated = np.array(errors), np.array(stated)
    if verbose:
        for what, part in (("outer", slice(0, n)), ("thickness", slice(n, 2 * n))):
            e, sd = errors[:, part], stated[:, part]
            z = np.abs(e / sd)
            print(f"  {what:9s} K {count} together {together}: MAE {np.nanmean(np.abs(e)):.3f} mm, stated {np.nanmean(sd):.3f}, "
                  f"within 1 sd {100 * np.nanmean(z[~np.isnan(z)] <= 1):.0f} %, 2 sd {100 * np.nanmean(z[~np.isnan(z)] <= 2):.0f} %")
    return residual


def write(path, tensors, metadata):
    """safetensors by hand: a header of sorted keys, then the bytes."""
    header, at, body = {"__metadata__": metadata}, 0, b""
    for name in sorted(tensors):
        data = tensors[name]
        kind = {"float16": "F16", "float32": "F32"}[data.dtype.name]
        raw = np.ascontiguousarray(data).tobytes()
        header[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": [at, at + len(raw)]}
        at, body = at + len(raw), body + raw
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("shells")
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--leave-one-out", action="store_true")
    a = p.parse_args()
    names, directions, walls = read(a.shells)
    picked = select(walls, directions)
    other = mirrored(directions)
    both = np.stack([picked, picked[:, :, other]], axis=1)
    samples = both.reshape(2 * len(names), -1)
    n = len(directions)
    seen = (~np.isnan(samples)).mean(axis=0)
    print(f"{len(names)} skulls, {n} nodes, known {100 * seen.mean():.1f} %")
    if a.leave_one_out:
        for count in (20, 40, COMPONENTS, 80):
            for together in (4.0, 12.0, 36.0):
                left_out(samples, directions, count, together, 0.0)
    residual = left_out(samples, directions, COMPONENTS, TOGETHER, 0.0, verbose=False)
    # Both sides together, and the larger of a node's own and its neighbourhood's: 71 skulls say little of one node.
    square = np.nanmean(residual**2, axis=0).reshape(2, n)
    square = np.nanmean([square, square[:, other]], axis=0)
    near = np.argsort(-(directions @ directions.T), axis=1, kind="stable")[:, :9]
    square = np.nan_to_num(square, nan=4.0)
    rest = np.sqrt(np.maximum(square, square[:, near].mean(axis=2))).reshape(-1)
    rest = np.clip(rest, 0.25, 4.0)
    if a.leave_one_out:
        print("with the residuals of each node:")
        for together in (4.0, 12.0, 24.0):
            left_out(samples, directions, COMPONENTS, together, 0.0, rest=rest)
    mean, modes = trained(samples, directions, COMPONENTS)
    tensors = {
        "mean": mean.reshape(2, n).astype(np.float32),
        "modes": modes.reshape(-1, 2, n).astype(np.float16),
        "rest": rest.reshape(2, n).astype(np.float16),
    }
    metadata = {"skulls": str(len(names)), "together": str(TOGETHER), "licence": "CC BY-NC-SA 4.0, research use only",
                "source": "skullfix/train (CQ500)"}
    write(a.out, tensors, metadata)
    digest = hashlib.sha256(a.out.read_bytes()).hexdigest()
    print(f"{a.out}: {a.out.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


if __name__ == "__main__":
    main()
