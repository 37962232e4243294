"""Trains a network on the packed skulls against the wall clock; resumable; one command.

    python train.py --state STATE --minutes 90                                  2 mm, CPU (starter weights)
    python train.py --state STATE --minutes 55 --voxel 1 --device cuda --batch 2   full size, GPU

STATE is an ignored folder: pack_train.npz (pack.py), warps.npz (warp.py, optional), val.pt (validate.py), and what this writes: last.pt (everything,
every few minutes), best.pt (averaged weights, only when better on val), log.tsv, val.tsv, curve.png. A run that finds
last.pt goes on from it. `--fresh` keeps the weights and starts optimiser, clock and step again (a warm restart).
"""
import argparse
import math
import os
import pathlib
import time

import safetensors.torch
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import curve
import networks
import skulls
import synth
import validate
import warp


class Stream(Dataset):
    """Sample k of a seed, made in a worker process."""

    def __init__(self, packed, seed, voxel, first):
        self.packed, self.seed, self.voxel, self.first = packed, seed, voxel, first

    def __len__(self):
        return 10_000_000

    def __getitem__(self, k):
        torch.set_num_threads(1)
        left, implant = synth.sample(self.packed, self.seed * 100_000_007 + self.first + k, self.voxel)
        return torch.stack((left, implant)).half()


def samples(args, packed, first):
    """Endless (2, D, H, W) samples. Every other one is an earlier sample seen in the mirror (left-right)."""
    if args.device == "cpu":
        fresh = iter(DataLoader(Stream(packed, args.seed, args.voxel, first), batch_size=None, num_workers=1, prefetch_factor=4))
    else:
        for s in packed:
            s.field, s.given, s.warps = s.field.to(args.device), s.given.to(args.device), [g.to(args.device) for g in s.warps]
        fresh = (torch.stack(synth.sample(packed, args.seed * 100_000_007 + k, args.voxel, args.device)) for k in range(first, 1 << 60))
    pool, dice = [], synth.defects.Dice(args.seed + first)
    while True:
        pool.append(next(fresh))
        yield pool[-1].to(args.device).float()
        if args.echo and len(pool) > 12:
            yield pool.pop(dice.below(len(pool))).to(args.device).float().flip(2)
        elif not args.echo:
            pool.clear()


def loss_of(logits, target):
    """(BCE, BCE in the band, soft Dice), f32, means over the samples.

    The band is every cell within two of a cell that is partly missing or borders on one: where the implant's surface
    lies. Missing bone fills half a percent of the frame, so a mean over all cells says next to nothing about that
    surface; the band's own mean does. Band and Dice count nothing where the target is empty.
    """
    logits = logits.float()
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p, axes = torch.sigmoid(logits), (1, 2, 3, 4)
    with torch.no_grad():
        near = F.max_pool3d(target, 5, 1, 2) - (1 - F.max_pool3d(1 - target, 5, 1, 2))
        band = (near > 0.5).float()
    edge = ((each * band).sum(axes) / band.sum(axes).clamp(min=1)).mean()
    bce = each.mean()
    some = (target.sum(axes) > 0).float()
    dice = 1 - (2 * (p * target).sum(axes) + 1) / (p.square().sum(axes) + target.square().sum(axes) + 1)
    return bce, edge, (dice * some).sum() / max(1.0, float(some.sum()))


class Run:
    """Network, averaged network, optimiser, clock; saved and loaded as one."""

    def __init__(self, args):
        torch.manual_seed(args.seed)
        self.args, self.folder = args, pathlib.Path(args.state)
        self.net = networks.build(args.architecture).to(args.device)
        self.mean = networks.build(args.architecture).to(args.device)
        self.mean.load_state_dict(self.net.state_dict())
        decay = [p for p in self.net.parameters() if p.dim() > 1]
        plain = [p for p in self.net.parameters() if p.dim() <= 1]
        self.opt = torch.optim.AdamW([{"params": decay, "weight_decay": 1e-4}, {"params": plain, "weight_decay": 0}], lr=args.rate, fused=True)
        self.step, self.drawn, self.elapsed, self.best, self.since = 0, 0, 0.0, 0.0, 0
        if (self.folder / "last.pt").exists():
            self.load()
        elif args.start:
            weights = safetensors.torch.load_file(args.start)
            self.net.load_state_dict({k: v.float() for k, v in weights.items()})
            self.mean.load_state_dict(self.net.state_dict())

    def load(self):
        s = torch.load(self.folder / "last.pt", map_location=self.args.device)
        self.net.load_state_dict(s["mean" if self.args.fresh else "net"])
        self.mean.load_state_dict(s["mean"])
        self.step, self.drawn, self.best = s["step"], s["drawn"], s["best"]
        self.since = self.step
        if not self.args.fresh:
            self.opt.load_state_dict(s["opt"])
            self.elapsed, self.since = s["elapsed"], s["since"]

    def save(self):
        keep = {k: getattr(self, k) for k in ("step", "drawn", "elapsed", "best", "since")}
        put({"net": self.net.state_dict(), "mean": self.mean.state_dict(), "opt": self.opt.state_dict(), **keep}, self.folder / "last.pt")

    def rate(self):
        """Warm-up over 50 steps, then cosine over the wall clock down to 1 %."""
        t = min(1.0, self.elapsed / (self.args.minutes * 60))
        return self.args.rate * min(1.0, (self.step - self.since + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * t)))

    def train(self, x, y):
        """One optimiser step. (BCE, Dice loss)."""
        for g in self.opt.param_groups:
            g["lr"] = self.rate()
        half = torch.bfloat16 if self.args.half else torch.float32
        with torch.autocast(torch.device(self.args.device).type, half, enabled=bool(self.args.half)):
            logits = self.net.logits(x)
        bce, edge, dice = loss_of(logits, y)
        (self.args.bce * bce + self.args.boundary * edge + dice).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.opt.step()
        self.opt.zero_grad(set_to_none=True)
        self.step += 1
        n = self.step - self.since
        keep = min(self.args.average, (1 + n) / (10 + n)) if not self.args.fresh else self.args.average
        with torch.no_grad():
            torch._foreach_lerp_(list(self.mean.parameters()), list(self.net.parameters()), 1 - keep)
        return float(bce), float(dice)


def put(thing, path):
    """Saved whole or not at all."""
    torch.save(thing, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def check(run):
    """Scores the averaged weights on val; keeps them when better than the best so far."""
    cases = torch.load(run.folder / "val.pt", weights_only=False)
    rows = validate.score(run.mean, cases, run.args.voxel, device=run.args.device)
    text, (a, b) = validate.summary(rows)
    better = (a + b) / 2 > run.best
    print(f"val step {run.step} {text}{' *' if better else ''}", flush=True)
    with open(run.folder / "val.tsv", "a") as f:
        f.write("".join(f"{run.step}\t{run.elapsed:.0f}\t{n}\t{d:.4f}\t{p:.2f}\t{t:.2f}\n" for n, d, p, t in rows))
    if better:
        run.best = (a + b) / 2
        put({"mean": run.mean.state_dict(), "step": run.step, "elapsed": run.elapsed, "a": a, "b": b, "args": vars(run.args)}, run.folder / "best.pt")
    curve.draw(run.folder)


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--state", required=True)
    ask.add_argument("--minutes", type=float, default=90)
    ask.add_argument("--architecture", default="v3", choices=list(networks.COUNTS))
    ask.add_argument("--voxel", type=float, default=2.0)
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--batch", type=int, default=1)
    ask.add_argument("--rate", type=float, default=2e-3)
    ask.add_argument("--bce", type=float, default=1.0, help="weight of BCE, the mean over all cells")
    ask.add_argument("--boundary", type=float, default=0.0, help="weight of BCE in the band round the implant's surface")
    ask.add_argument("--average", type=float, default=0.995)
    ask.add_argument("--seed", type=int, default=20)
    ask.add_argument("--echo", type=int, default=1)
    ask.add_argument("--half", type=int, default=1, help="bf16 autocast (fast on CPUs with avx512_bf16 and on GPUs)")
    ask.add_argument("--check-minutes", type=float, default=12)
    ask.add_argument("--start", help="safetensors to begin with where there is no last.pt, of any voxel size: the graph is the same")
    ask.add_argument("--slice", type=float, default=1e9, help="minutes after which this call saves and ends; --minutes is the whole schedule")
    ask.add_argument("--fresh", action="store_true")
    ask.add_argument("--limit", type=int, default=1 << 60, help="stop after so many steps (to try the command)")
    args = ask.parse_args()
    torch.set_flush_denormal(True)
    run = Run(args)
    packed = skulls.load(run.folder / "pack_train.npz")
    if (run.folder / "warps.npz").exists():
        print(f"{warp.attach(run.folder / 'warps.npz', packed)} warps", flush=True)
    stream, saved, checked = samples(args, packed, run.drawn), time.time(), time.time()
    until = time.time() + args.slice * 60
    while run.elapsed < args.minutes * 60 and run.step < args.limit and time.time() < until:
        start = time.time()
        both = torch.stack([next(stream) for _ in range(args.batch)])
        run.drawn += args.batch
        waited = time.time() - start
        bce, dice = run.train(both[:, :1], both[:, 1:])
        run.elapsed += time.time() - start
        with open(run.folder / "log.tsv", "a") as f:
            f.write(f"{run.step}\t{run.elapsed:.1f}\t{bce:.5f}\t{dice:.4f}\t{run.rate():.2e}\t{waited:.2f}\n")
        if run.step % 10 == 0:
            print(f"step {run.step} {run.elapsed / 60:.1f} min bce {bce:.4f} dice loss {dice:.3f} step {time.time() - start:.2f} s (waited {waited:.2f})", flush=True)
        if time.time() - checked > args.check_minutes * 60:
            start = time.time()
            check(run)
            run.elapsed += time.time() - start
            checked = time.time()
        if time.time() - saved > 180:
            run.save()
            saved = time.time()
    if run.elapsed >= args.minutes * 60 or run.step >= args.limit:
        check(run)
    run.save()


if __name__ == "__main__":
    main()
