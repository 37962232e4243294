"""Scores on `val`: A, the given implants (n = 8), and B, injected defects (n = 16, fixed seeds), both on the 1 mm grid.

The true path but for the last millimetre: box average to the frame, network, trilinear back onto 1 mm, >= threshold,
minus the skull, bodies of 2 ml and more; Dice against the truth on the same grid. `python validate.py` writes the cached set.
"""
import argparse
import pathlib

import numpy as np
import torch

import frame
import pack
import skulls
import synth

B_KINDS = ("ftp", "bifrontal", "occipital", "vertex", "bilateral", "free")
B_SEED = 20_000


def given(voxel):
    """Condition A: (name, input f16 on the frame, truth and skull as 1 mm bits)."""
    for case, first, second in pack.cases("val"):
        skull, size, _ = frame.load_mask(first)
        truth, _, _ = frame.load_mask(second)
        centre = frame.centre_of(skull, size)
        x = frame.forward(skull, size, centre, frame.grid(voxel), voxel)
        yield f"A {case}", x, *(frame.forward(m, size, centre, frame.grid(1), 1.0) >= 0.5 for m in (truth, skull))


def given_packed(voxel, packed):
    """Condition A without the native files: the pack's 1 mm fractions in place of the masks (on a GPU machine)."""
    with np.load(packed) as z:
        for case in sorted({k.split("_")[0] for k in z.files}):
            shape = tuple(int(n) for n in z[f"{case}_shape"])
            whole, implant = (pack.unnibble(z[f"{case}_{k}"], shape) for k in ("skull", "implant"))
            skull = (whole >= 0.5) & (implant < 0.25)
            centre, one = frame.centre_of(skull, np.ones(3)), np.ones(3)
            left = np.where(skull, whole, 0)
            x = frame.forward(left, one, centre, frame.grid(voxel), voxel)
            yield f"A {case}", x, *(frame.forward(m, one, centre, frame.grid(1), 1.0) >= 0.5 for m in (implant >= 0.5, skull))


def injected(voxel, packed):
    """Condition B: two defects a skull from the training generator's shapes, no other augmentation."""
    for k, skull in enumerate(s for s in skulls.load(packed) for _ in range(2)):
        kind = B_KINDS[k % len(B_KINDS)]
        dice = synth.defects.Dice(B_SEED + 1000 + k)
        plain = {"kind": "free" if kind == "free" else "site", "site": kind, "chord": dice.uniform(40, 120)}
        plain = {a: b for a, b in plain.items() if not (kind == "free" and a == "site")}
        left, implant = synth.sample(skull, B_SEED + k, 1, "cpu", plain)
        x = torch.nn.functional.avg_pool3d(left[None], int(voxel))[0] if voxel > 1 else left
        yield f"B {skull.case} {kind}", x.numpy(), (implant >= 0.5).numpy(), (left >= 0.5).numpy()


def prepare(out, voxel, packed):
    """Writes the set: inputs as f16, masks as bits."""
    first = given(voxel) if (pack.shared() / "data" / "skullfix").exists() else given_packed(voxel, packed)
    made = [(n, x.astype(np.float16), np.packbits(t), np.packbits(s)) for part in (first, injected(voxel, packed)) for n, x, t, s in part]
    torch.save(made, out)
    return made


def answer(net, x, voxel, skull, size, centre, threshold, device="cpu"):
    """Fraction input on the frame -> (missing bone on the skull's own grid, probability on the frame)."""
    with torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16):
        t = torch.from_numpy(np.ascontiguousarray(x, np.float32))[None, None].to(device)
        p = torch.sigmoid(net.logits(t).float())[0, 0].cpu().numpy()
    return frame.bodies(frame.backward(p, size, centre, skull.shape, voxel, threshold) & ~skull, size), p


def dice_score(a, b):
    """2 |A and B| / (|A| + |B|); 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def score(net, cases, voxel, threshold=0.5, device="cpu"):
    """[(name, DSC, predicted ml, true ml)] of a prepared set."""
    net.eval()
    rows, shape = [], frame.grid(1)
    for name, x, truth, skull in cases:
        truth, skull = (np.unpackbits(b, count=int(np.prod(shape))).reshape(shape).astype(bool) for b in (truth, skull))
        got, _ = answer(net, x, voxel, skull, np.ones(3), np.array(shape) / 2.0, threshold, device)
        rows.append((name, dice_score(got, truth), got.sum() / 1000, truth.sum() / 1000))
    net.train()
    return rows


def summary(rows):
    """Text and means of both conditions."""
    text, means = [], []
    for c in "AB":
        d = [r[1] for r in rows if r[0].startswith(c)]
        v = np.mean([r[2] / r[3] for r in rows if r[0].startswith(c)])
        means.append(float(np.mean(d)))
        text.append(f"{c} n={len(d)} mean {np.mean(d):.3f} worst {np.min(d):.3f} below 0.1: {sum(x < 0.1 for x in d)} volume x{v:.2f}")
    return " | ".join(text), means


if __name__ == "__main__":
    ask = argparse.ArgumentParser()
    ask.add_argument("--pack", default="pack_val.npz")
    ask.add_argument("--out", default="val.pt")
    ask.add_argument("--voxel", type=float, default=2.0)
    args = ask.parse_args()
    for n, x, t, s in prepare(pathlib.Path(args.out), args.voxel, args.pack):
        print(n, x.shape, np.unpackbits(t).sum() / 1000, "ml")
