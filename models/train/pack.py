"""Packs the training skulls: native masks -> 1 mm bone fractions in P, L, S order, 4 bits a cell, one .npz.

    python pack.py [--split train] [--out PACK.npz]        (about 5 s a skull; reads $CALVARIA_SHARED or ../shared)

Every skull gets a grid of its own, 1 mm cells, centred on the box of the complete skull, 4 mm of margin. Stored a
skull: `NNN_skull` and `NNN_implant`, two fractions of 1/15 a byte (the implant is the given one), and `NNN_shape`.
The pack is what travels to a GPU machine; `skulls.py` turns it into signed distance fields.
"""
import argparse
import csv
import os
import pathlib
import sys
import time

import numpy as np

import frame

MARGIN_MM = 4


def shared():
    """The data folder: $CALVARIA_SHARED, else ../shared beside the repository."""
    here = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(os.environ.get("CALVARIA_SHARED", here.parent / "shared"))


def cases(split):
    """[(case, path, path)] of one split of skullfix/split.tsv, in order."""
    folder = shared() / "data" / "skullfix"
    with open(folder / "split.tsv") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["split"] == split]
    return [(r["case"], *(folder / p for p in r["files"].split(","))) for r in rows]


def nibbles(fraction):
    """f32 in [0, 1] -> uint8, two cells of 4 bits a byte."""
    q = np.rint(fraction.ravel() * 15).astype(np.uint8)
    q = np.pad(q, (0, len(q) % 2))
    return q[0::2] << 4 | q[1::2]


def unnibble(packed, shape):
    """The inverse of `nibbles`, f32."""
    q = np.empty(2 * len(packed), np.uint8)
    q[0::2], q[1::2] = packed >> 4, packed & 15
    return q[: int(np.prod(shape))].reshape(shape).astype(np.float32) / 15


def fractions(first, second, split):
    """Native files -> (skull fraction, implant fraction) of the complete skull at 1 mm, P, L, S."""
    a, size, _ = frame.load_mask(first)
    b, _, _ = frame.load_mask(second)
    complete = a if split == "train" else a | b
    begin, end = frame.box_of(complete)
    shape = tuple(int(np.ceil(n)) for n in (end - begin) * size + 2 * MARGIN_MM)
    centre = (begin + end) / 2 * size
    view = tuple(slice(x, y) for x, y in zip(begin, end))
    centre = centre - begin * size
    return [frame.forward(m[view], size, centre, shape, 1.0) for m in (complete, b)]


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--split", default="train")
    ask.add_argument("--out", default="pack_train.npz")
    args = ask.parse_args()
    if args.split == "test":
        sys.exit("test skulls are for reported scores only")
    made, start = {}, time.time()
    for case, first, second in cases(args.split):
        skull, implant = fractions(first, second, args.split)
        made[f"{case}_shape"] = np.array(skull.shape, np.int16)
        made[f"{case}_skull"], made[f"{case}_implant"] = nibbles(skull), nibbles(implant)
        print(case, skull.shape, f"{skull.sum() / 1000:.0f} ml, implant {implant.sum() / 1000:.1f} ml, {time.time() - start:.0f} s", flush=True)
    np.savez_compressed(args.out, **made)


if __name__ == "__main__":
    main()
