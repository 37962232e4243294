"""Writes ../facing.safetensors: how often the cells of a head hold how much bone, from training skulls only.

    python make.py PACK.npz [--out ../facing.safetensors]     PACK.npz from ../train/pack.py; needs numpy

Each skull, in cells of 10 mm along its scanner's axes, is laid onto the mean of all (shift, turn and size), in rounds,
and counted with its mirror image, so that both halves are alike. What lies below the end of a skull's view is not known
and not counted. The file holds, as bytes of 0.02 in natural logarithms: `cells` (4 levels, up, back, left), `beyond`
(above and beside them) and `below`. src/head/facing.rs has the same cell, levels and middle.
"""
import argparse
import json
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "train"))
import pack  # noqa: E402

CELL = 10
LEVELS = (0.03, 0.15, 0.40)
# Cells to the left, back and up; the head's middle lies in the middle across, and this far up.
SHAPE = np.array([20, 26, 19])
MIDDLE = np.array([(SHAPE[0] - 1) / 2, (SHAPE[1] - 1) / 2, 10.0])
AROUND_MM = 20
# The middle lies this far under the highest bone, mm, before anything is laid onto anything.
UNDER_TOP_MM = 75
# How probable a level is where nothing is known; as much as this many skulls count for each cell.
ANYWHERE = np.array([0.72, 0.12, 0.10, 0.06])
SKULLS = 2.0
BEYOND = np.array([0.985, 0.007, 0.005, 0.003])
LOWEST = -5.0
UNIT = 0.02
ROUNDS = 5
# mm, radians, logarithm of the size.
STEPS = (np.array([6, 6, 6, 0.1, 0.1, 0.1, 0.03]), np.array([3, 3, 3, 0.05, 0.05, 0.05, 0.015]))
# The same person as 011, scanned twice (`split.tsv`).
SAME = {"042"}


class Skull:
    """Cells of one skull: levels, where their middles lie (mm, left, back, up), and where its view ends below."""

    def __init__(self, fraction):
        bone = np.pad(fraction.transpose(1, 0, 2), [(AROUND_MM, AROUND_MM), (AROUND_MM, AROUND_MM), (0, AROUND_MM)])
        shape = [-(-n // CELL) for n in bone.shape]
        bone = np.pad(bone, [(0, s * CELL - n) for s, n in zip(shape, bone.shape)])
        share = bone.reshape(shape[0], CELL, shape[1], CELL, shape[2], CELL).mean((1, 3, 5))
        self.levels = np.digitize(share, LEVELS)
        places = (np.indices(shape).reshape(3, -1).T + 0.5) * CELL
        weight = share.ravel()
        self.middle = weight @ places / weight.sum()
        self.places = places - self.middle
        # The pack leaves a margin below the last slice; that slice's own cells are half seen.
        self.floor = pack.MARGIN_MM + CELL / 2 - self.middle[2]
        some = np.argwhere(bone > 0.5)
        low, high = some.min(0), some.max(0) + 1
        shift = self.middle - (low + high) / 2
        shift[2] = self.middle[2] - (high[2] - UNDER_TOP_MM)
        self.pose = np.concatenate([shift, np.zeros(4)])


def turn(nod, roll, yaw):
    (a, b), (c, d), (e, f) = [(np.sin(x), np.cos(x)) for x in (nod, roll, yaw)]
    return (
        np.array([[1, 0, 0], [0, b, -a], [0, a, b]])
        @ np.array([[d, 0, c], [0, 1, 0], [-c, 0, d]])
        @ np.array([[f, -e, 0], [e, f, 0], [0, 0, 1]])
    )


def matrix(pose):
    """Rows and shift from a skull's places (mm) to the atlas' cells."""
    return turn(*pose[3:6]) * np.exp(pose[6]) / CELL, MIDDLE + pose[:3] / CELL


def score(logs, skull, pose):
    """Mean logarithm of the cells under a pose, trilinear."""
    rows, shift = matrix(pose)
    at = skull.places @ rows.T + shift
    level = skull.levels.ravel()
    low = np.floor(at).astype(int)
    inside = ((low >= 0) & (low < SHAPE - 1)).all(1)
    low = np.where(inside[:, None], low, 0)
    part = at - low
    found = np.zeros(len(at))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        found += weight * logs[(*(low + corner).T, level)]
    outside = np.where(at[:, 2] < 0, np.log(ANYWHERE)[level], np.maximum(np.log(BEYOND), LOWEST)[level])
    return np.where(inside, found, outside).mean()


def laid(logs, skull):
    """The pose that fits best, by steps along one number at a time."""
    pose, best = skull.pose, score(logs, skull, skull.pose)
    for step in STEPS:
        for _ in range(6):
            before = best
            for n in range(7):
                for sign in (1, -1):
                    other = pose.copy()
                    other[n] += sign * step[n]
                    value = score(logs, skull, other)
                    if value > best:
                        pose, best = other, value
                        break
            if best <= before + 1e-6:
                break
    return pose, best


def counted(skulls):
    """How many skulls and mirror images have each level in each cell."""
    counts = np.zeros((*SHAPE, 4))
    cells = np.indices(SHAPE).reshape(3, -1).T
    for skull in skulls:
        rows, shift = matrix(skull.pose)
        at = np.linalg.solve(rows, (cells - shift).T).T
        index = np.floor((at + skull.middle) / CELL).astype(int)
        inside = ((index >= 0) & (index < skull.levels.shape)).all(1)
        # Above and beside the skull's own cells is air.
        level = np.zeros(len(cells), int)
        level[inside] = skull.levels[tuple(index[inside].T)]
        seen = at[:, 2] >= skull.floor
        one = np.zeros((len(cells), 4))
        one[seen, level[seen]] = 1
        one = one.reshape(counts.shape)
        counts += one + one[::-1]
    return counts


def logarithms(counts):
    share = (counts + SKULLS * ANYWHERE) / (counts.sum(-1, keepdims=True) + SKULLS)
    return np.maximum(np.log(share), LOWEST)


def write(path, tensors):
    """A safetensors file of bytes, in the order given."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor).tobytes()
        header[name] = {"dtype": "U8", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("pack")
    ask.add_argument("--out", default=pathlib.Path(__file__).resolve().parents[1] / "facing.safetensors")
    args = ask.parse_args()
    packed = np.load(args.pack)
    names = sorted(key[:3] for key in packed.files if key.endswith("_skull"))
    skulls = [Skull(pack.unnibble(packed[f"{n}_skull"], packed[f"{n}_shape"])) for n in names if n not in SAME]
    for number in range(ROUNDS):
        logs = logarithms(counted(skulls))
        found = [laid(logs, skull) for skull in skulls]
        # The mean nod and size of all are 0.
        poses = np.array([pose for pose, _ in found])
        poses[:, 3:] -= poses[:, 3:].mean(0)
        for skull, pose in zip(skulls, poses):
            skull.pose = pose
        print(f"round {number + 1}: mean {np.mean([s for _, s in found]):.4f}, worst {min(s for _, s in found):.4f}", flush=True)
    costs = lambda logs: np.clip(np.rint(-logs / UNIT), 0, 255).astype(np.uint8)  # noqa: E731
    cells = costs(logarithms(counted(skulls))).transpose(3, 2, 1, 0)
    tensors = {"cells": cells, "beyond": costs(np.log(BEYOND)), "below": costs(np.log(ANYWHERE))}
    write(args.out, tensors)
    print(f"{len(skulls)} skulls, {cells.size} bytes")


if __name__ == "__main__":
    main()
