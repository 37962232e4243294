"""DSC on `val` over the threshold: where `export.py --threshold` comes from. Never run on `test`.

    python threshold.py --state STATE [--at 0.4 0.5 0.6 0.7 0.8]

Same path, same set as `validate.py`; the network runs once a case. Prints mean DSC and predicted / true volume of A and B.
"""
import argparse
import pathlib

import numpy as np
import torch

import frame
import networks
import validate


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--state", type=pathlib.Path, required=True)
    ask.add_argument("--at", type=float, nargs="+", default=[0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8])
    args = ask.parse_args()
    best = torch.load(args.state / "best.pt", map_location="cpu", weights_only=False)
    net = networks.build(best["args"]["architecture"])
    net.load_state_dict({k: v.half().float() for k, v in best["mean"].items()})
    net.eval()
    voxel, shape, ones = best["args"]["voxel"], frame.grid(1), np.ones(3)
    rows = {t: [] for t in args.at}
    for name, x, truth, skull in torch.load(args.state / "val.pt", weights_only=False):
        truth, skull = (np.unpackbits(b, count=int(np.prod(shape))).reshape(shape).astype(bool) for b in (truth, skull))
        _, p = validate.answer(net, x, voxel, skull, ones, np.array(shape) / 2.0, 0.5)
        for t in args.at:
            got = frame.bodies(frame.backward(p, ones, np.array(shape) / 2.0, shape, voxel, t) & ~skull, ones)
            rows[t].append((name[0], validate.dice_score(got, truth), got.sum() / truth.sum()))
    print(f"step {best['step']}, 1 mm grid")
    for t in args.at:
        parts = [(c, [r for r in rows[t] if r[0] == c]) for c in "AB"]
        print(f"{t:.2f}", *(f"{c} n={len(r)} DSC {np.mean([d for _, d, _ in r]):.4f} worst {min(d for _, d, _ in r):.3f} volume x{np.mean([v for _, _, v in r]):.2f}" for c, r in parts), sep="  ")


if __name__ == "__main__":
    main()
