"""Writes ../heads.safetensors.gz: the template heads of `calvaria phantom`, from training skulls only.

    python make.py PACK.npz [--out ../heads.safetensors.gz]     PACK.npz from ../train/pack.py; needs numpy, scipy

A template is a set of signed distances in mm (negative inside), clamped and quantised, on grids in P, L, S order:
`NNN.bone` every 1 mm, `NNN.skin`, `NNN.brain`, `NNN.air` every 3 mm, int8. The grids share their outer corner; the last
plane below is not anatomy but the end of the view. The phantom turns, scales and bends a template by seed, so that no
head is any one person's.
Skin, brain and air are not in the masks: they are made up here around the bone.
"""
import argparse
import gzip
import json
import pathlib
import struct
import sys

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "train"))
import pack  # noqa: E402

CASES = ("012", "019", "029", "083", "086")  # face, base and upper neck in view, no tilt, no metal
BONE_STEP, BONE_REACH = 0.3, (-2.4, 1.2)
SOFT_STEP, SOFT_REACH = 0.5, (-6.0, 6.0)
COARSE = 3


def bone_distance(f):
    """Signed mm to the half-way surface of a fraction field: sub-voxel at the surface, Euclidean away from it."""
    b = f >= 0.5
    far = ndimage.distance_transform_edt(~b) - ndimage.distance_transform_edt(b)
    d = far - np.sign(far) * 0.5
    soft = ndimage.gaussian_filter(f, 0.6)
    near = np.abs(far) <= 1.5
    return np.where(near, np.clip((0.5 - soft) * 1.6, -1.5, 1.5), d)


def signed(mask, smooth_mm):
    d = (ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)) * COARSE
    d = d - np.sign(d) * COARSE / 2
    return ndimage.gaussian_filter(d, smooth_mm / COARSE)


def soft(f):
    """Skin, brain and air around the bone, every 3 mm."""
    n = [int(np.ceil(s / COARSE)) for s in f.shape]
    pad = np.pad(f, [(0, k * COARSE - s) for k, s in zip(n, f.shape)])
    coarse = pad.reshape(n[0], COARSE, n[1], COARSE, n[2], COARSE).max((1, 3, 5)) >= 0.5
    m = 15
    wide = np.pad(coarse, ((m, m), (m, m), (0, m)))
    wide = np.pad(wide, ((0, 0), (0, 0), (m, 0)), mode="edge")  # the neck goes on below the view
    far = ndimage.distance_transform_edt(~wide)
    hull = ndimage.distance_transform_edt(far <= 12) > 12  # closing by 36 mm
    for k in range(hull.shape[2]):
        hull[:, :, k] = ndimage.binary_fill_holes(hull[:, :, k])
    c = (slice(m, -m),) * 3
    skin = (ndimage.gaussian_filter(signed(hull, 3), 1) - 6.5)
    free = ndimage.distance_transform_edt(~wide)
    core = (free > 2.2) & hull
    label, _ = ndimage.label(core)
    top = np.flatnonzero(wide.any((0, 1)))[-1]
    at = np.argwhere(wide[:, :, top - 25]).mean(0).round().astype(int)
    brain = ndimage.distance_transform_edt(~(label == label[at[0], at[1], top - 25])) <= 2.2
    inner = ndimage.distance_transform_edt(hull) > 2
    i, j, _ = np.indices(hull.shape)
    nose = inner & ~brain & (free > 1.0) & (np.abs(j - at[1]) < 5) & (i < at[0] - 3)
    nose = ndimage.binary_opening(nose)
    return skin[c], signed(brain, 1.5)[c], signed(nose, 2)[c]


def packed(d, step, reach):
    """Quantised to int8."""
    return np.rint(np.clip(d, *reach) / step).astype(np.int8)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("pack")
    p.add_argument("--out", default=pathlib.Path(__file__).resolve().parents[1] / "heads.safetensors.gz")
    a = p.parse_args()
    head = {"__metadata__": {
        "bone": json.dumps({"mm": 1, "step": BONE_STEP}), "soft": json.dumps({"mm": COARSE, "step": SOFT_STEP}),
        "licence": "CC BY-NC-SA 4.0 (research use only): from CQ500 head CTs by way of SkullFix / AutoImplant 2020 training masks",
        "made": "models/heads/make.py, cases " + " ".join(CASES)}}
    blob = b""
    with np.load(a.pack) as z:
        for case in CASES:
            shape = tuple(int(n) for n in z[f"{case}_shape"])
            f = pack.unnibble(z[f"{case}_skull"], shape)
            f = np.pad(f[:, :, 4:], ((0, 0), (0, 0), (0, 4)))  # the pack's empty margin below would end the bone
            fields = dict(zip(("skin", "brain", "air"), soft(f)))
            for name, d in (("bone", bone_distance(f)), *fields.items()):
                raw = packed(d, *((BONE_STEP, BONE_REACH) if name == "bone" else (SOFT_STEP, SOFT_REACH)))
                head[f"{case}.{name}"] = {"dtype": "I8", "shape": list(raw.shape), "data_offsets": [len(blob), len(blob) + raw.size]}
                blob += raw.tobytes()
            print(case, shape, flush=True)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = gzip.compress(struct.pack("<Q", len(text)) + text + blob, 9, mtime=0)
    pathlib.Path(a.out).write_bytes(data)
    print(f"{len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
