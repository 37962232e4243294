"""The curve of a run: STATE/log.tsv and STATE/val.tsv -> STATE/curve.png."""
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def draw(folder):
    """Dice loss (running mean of 50 steps) and validation means over steps."""
    folder = pathlib.Path(folder)
    log = np.loadtxt(folder / "log.tsv", ndmin=2)
    fig, left = plt.subplots(figsize=(8, 4.5))
    some = log[log[:, 3] > 0]
    if len(some) > 50:
        left.plot(some[49:, 0], np.convolve(some[:, 3], np.ones(50) / 50, "valid"), color="0.6", label="train, soft Dice loss")
    left.set(xlabel="step", ylim=(0, 1))
    if (folder / "val.tsv").exists():
        rows = [line.split("\t") for line in open(folder / "val.tsv")]
        for c, colour in (("A", "tab:blue"), ("B", "tab:orange")):
            steps = sorted({int(r[0]) for r in rows})
            left.plot(steps, [np.mean([float(r[3]) for r in rows if int(r[0]) == s and r[2][0] == c]) for s in steps], "o-", color=colour, label=f"val {c}, DSC, 1 mm grid")
    left.legend()
    left.grid(alpha=0.3)
    fig.savefig(folder / "curve.png", dpi=90)
    plt.close(fig)


if __name__ == "__main__":
    draw(sys.argv[1])
