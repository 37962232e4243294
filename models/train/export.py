"""Weights for the station: STATE/best.pt -> models/v3.safetensors (f16) and models/v3.toml, both replaced whole.

    python export.py --state STATE [--out ..]             once
    python export.py --state STATE --watch 12:15           again whenever best.pt is newer, until that UTC time

Scores in the card: those of `val` from best.pt itself, those of `test` from STATE/test.json when `test.py` made it from
the same step.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import time

import safetensors.torch
import torch

CARD = '''# Model card. Research prototype, no cleared medical device.
architecture = "{architecture}"
frame = [240, 200, 240]        # mm: P, L, S
grid = [{grid}]        # cells: P, L, S
voxel_mm = {voxel:.1f}
hu_threshold = 150
resample = "box"
input = "fraction"             # fraction of bone in each cell, background exactly 0
target = "fraction"            # fraction of missing bone in each cell
threshold = {threshold}
file = "v3.safetensors"
sha256 = "{sha}"
data = "SkullFix / AutoImplant 2020 skulls from CQ500 head CTs: 71 train masks of 70 individuals; checkpoint chosen on 8 val skulls; split by individual (skullfix/split.tsv)"
licence = "CC BY-NC-SA 4.0 (research use only): trained on masks from CQ500"
status = "{status}"

[training]
command = "{command}"
hours = {hours:.2f}
hardware = "{hardware}"
steps = {step}
batch = {batch}
seed = {seed}
precision = "bf16 autocast, norms and loss f32; stored as f16"

{scores}
[known_failures]
list = [{failures}]
'''
FAILURES = (
    "trained at 2 mm for a few hours on a CPU: a starter, edges are soft and thin rims are missed",
    "no remodelled rims and no sunken scalp in training; late craniectomies are untested",
    "defects that reach the orbit, the cheekbone or the skull base are answered poorly: training cuts the vault only",
    "thickness of the answer follows the mask's threshold; masks at a low HU threshold give thick answers",
)


def scores(best, test):
    """The [scores] tables: every number with its n, grid and split."""
    out = ["[scores.val]", 'grid = "1 mm, trilinear back at 0.5, minus skull, bodies >= 2 ml"', 'what = "A: given implants; B: injected defects, fixed seeds. Used to choose the checkpoint"',
           "a_n = 8", f"a_dsc = {best['a']:.4f}", "b_n = 16", f"b_dsc = {best['b']:.4f}", ""]
    if test and test.get("step") == best["step"]:
        out += ["[scores.test]"] + [f"{k} = {json.dumps(v)}" for k, v in test.items()] + [""]
    return "\n".join(out)


def command_of(args, from_another):
    """The training command that a checkpoint's arguments stand for."""
    words = ["python train.py --state STATE"]
    for key in ("minutes", "rate", "bce", "boundary", "voxel", "device", "seed"):
        words.append(f"--{key} {args[key]:g}" if isinstance(args[key], float) else f"--{key} {args[key]}")
    return " ".join(words + ["--fresh"] * from_another)


def export(state, out, threshold, hardware, status, earlier, earlier_hours):
    """Writes both files to temporary names, syncs, renames. The sha256."""
    best = torch.load(state / "best.pt", map_location="cpu", weights_only=False)
    args = best["args"]
    data = safetensors.torch.save({k: v.half().contiguous() for k, v in best["mean"].items()})
    test = json.loads((state / "test.json").read_text()) if (state / "test.json").exists() else None
    cells = ", ".join(str(int(n / args["voxel"])) for n in (240, 200, 240))
    command = " && ".join([c for c in (earlier, command_of(args, bool(earlier))) if c])
    sha = hashlib.sha256(data).hexdigest()
    card = CARD.format(architecture=args["architecture"], grid=cells, voxel=args["voxel"], threshold=threshold, sha=sha, status=status, command=command,
                       hours=earlier_hours + best["elapsed"] / 3600, hardware=hardware, step=best["step"], batch=args["batch"], seed=args["seed"],
                       scores=scores(best, test), failures=", ".join(json.dumps(f) for f in FAILURES))
    for name, content in (("v3.safetensors", data), ("v3.toml", card.encode())):
        with open(out / f".{name}.tmp", "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
    for name in ("v3.safetensors", "v3.toml"):
        os.replace(out / f".{name}.tmp", out / name)
    print(f"{datetime.datetime.now(datetime.timezone.utc):%H:%M} exported step {best['step']}: val A {best['a']:.3f} B {best['b']:.3f}, sha256 {sha[:12]}", flush=True)


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--state", type=pathlib.Path, required=True)
    ask.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[1])
    ask.add_argument("--threshold", type=float, default=0.5)
    ask.add_argument("--hardware", default="2 shared CPU cores with avx512_bf16, no GPU")
    ask.add_argument("--status", default="starter")
    ask.add_argument("--earlier", default="", help="the command of the run that this one started from, for the card")
    ask.add_argument("--earlier-hours", type=float, default=0.0)
    ask.add_argument("--watch", help="HH:MM, UTC")
    ask.add_argument("--least", type=float, default=0.0, help="no export below this mean DSC of A on val")
    args = ask.parse_args()
    seen, path = 0.0, args.state / "best.pt"
    while True:
        now = datetime.datetime.now(datetime.timezone.utc)
        if path.exists() and path.stat().st_mtime != seen:
            seen = path.stat().st_mtime
            if torch.load(path, map_location="cpu", weights_only=False)["a"] >= args.least:
                export(args.state, args.out, args.threshold, args.hardware, args.status, args.earlier, args.earlier_hours)
        if not args.watch or f"{now:%H:%M}" >= args.watch:
            return
        time.sleep(15)


if __name__ == "__main__":
    main()
