"""Scores on `test`, native spacing, for the card: A, the given implants (n = 12), and B, injected defects (n = 24).

    python test.py --state STATE [--weights ../v3.safetensors] [--kinds 2]

Path: native mask -> box average -> network -> trilinear back -> >= threshold -> minus skull -> bodies of 2 ml and more -> Dice.
B is cut by the training generator's shapes (fixed seeds, rim chord uniform in 40 to 120 mm): it is not the list of
`calvaria phantom`, which is another generator on purpose. Writes STATE/test.json for export.py. Never used to choose.
"""
import argparse
import json
import pathlib

import numpy as np
import safetensors.torch
import torch

import frame
import networks
import pack
import skulls
import synth
import validate

B_SEED = 40_000


def inject(case, complete, size, fractions, kind, seed):
    """Native complete skull -> native implant mask of one injected defect."""
    skull = skulls.prepare(case, fractions[0].shape, *(torch.from_numpy(f) for f in fractions))
    dice = synth.defects.Dice(seed)
    chord = dice.uniform(40, 120)
    made = synth.shapes(skull, torch.eye(3), dice, "free" if kind == "free" else "site", kind, chord)
    half = torch.tensor(skull.field.shape) / 2.0
    region = synth.Region(-half, half, "cpu")
    x = region.coarse()
    s = region.fine(torch.stack([f(x) for f in made]).amin(0)).numpy()
    begin, end = frame.box_of(complete)
    middle = (begin + end) / 2 * size + region.lo.numpy() + np.array(region.n) / 2
    inside = frame.backward(np.clip(0.5 - s / 20, 0, 1), size, middle, complete.shape, 1.0, 0.5)
    return complete & inside


def run(net, voxel, skull, truth, size, threshold):
    """(DSC, predicted ml, true ml) of one native case."""
    centre = frame.centre_of(skull, size)
    x = frame.forward(skull, size, centre, frame.grid(voxel), voxel)
    got, _ = validate.answer(net, x, voxel, skull, size, centre, threshold)
    ml = np.prod(size) / 1000
    return validate.dice_score(got, truth), float(got.sum() * ml), float(truth.sum() * ml)


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--state", type=pathlib.Path, required=True)
    ask.add_argument("--kinds", type=int, default=2, help="injected defects a skull; 0 leaves B out")
    ask.add_argument("--threshold", type=float, default=0.5)
    ask.add_argument("--cases", type=int, default=99, help="only the first so many skulls (to try the command)")
    args = ask.parse_args()
    best = torch.load(args.state / "best.pt", map_location="cpu", weights_only=False)
    net = networks.build(best["args"]["architecture"])
    net.load_state_dict({k: v.half().float() for k, v in best["mean"].items()})
    net.eval()
    rows = []
    for i, (case, first, second) in enumerate(pack.cases("test")[: args.cases]):
        skull, size, _ = frame.load_mask(first)
        truth, _, _ = frame.load_mask(second)
        rows.append(("A", case, "given", *run(net, best["args"]["voxel"], skull, truth, size, args.threshold)))
        print(*rows[-1], flush=True)
        complete = skull | truth
        fractions = pack.fractions(first, second, "test") if args.kinds else None
        for k in range(args.kinds):
            kind = validate.B_KINDS[(args.kinds * i + k) % len(validate.B_KINDS)]
            truth = inject(case, complete, size, fractions, kind, B_SEED + 10 * i + k)
            rows.append(("B", case, kind, *run(net, best["args"]["voxel"], complete & ~truth, truth, size, args.threshold)))
            print(*rows[-1], flush=True)
    out = {"step": best["step"], "threshold": args.threshold, "grid": "native spacing, minus skull, bodies >= 2 ml", "what": "A: given implants; B: injected by the training generator's shapes, own seeds"}
    for c in "AB":
        d = [r[3] for r in rows if r[0] == c]
        if d:
            out.update({f"{c.lower()}_n": len(d), f"{c.lower()}_dsc": round(float(np.mean(d)), 4), f"{c.lower()}_sd": round(float(np.std(d, ddof=1)), 4),
                        f"{c.lower()}_worst": round(min(d), 4), f"{c.lower()}_below_0.1".replace(".", "_"): sum(x < 0.1 for x in d)})
    (args.state / "test.json").write_text(json.dumps(out))
    (args.state / "test.tsv").write_text("\n".join("\t".join(map(str, r)) for r in rows))
    print(out)


if __name__ == "__main__":
    main()
