"""The current weights on the two cut CTs (held out: for reporting, never for training or choosing).

    python predict_ct.py --state STATE [--hu 150 200 300]

Skull: largest face-connected body at HU >= threshold, nothing else removed. DSC against removed_bone on the CT's grid.
"""
import argparse
import pathlib

import numpy as np
import SimpleITK
import torch

import frame
import networks
import pack
import validate


def read(folder):
    """Axial series -> (HU in P, L, S order, voxel sizes in mm)."""
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = SimpleITK.ReadImage(names)
    x, y, z = image.GetSpacing()
    return SimpleITK.GetArrayFromImage(image).transpose(1, 2, 0), np.array([y, x, z])


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--state", type=pathlib.Path, required=True)
    ask.add_argument("--hu", type=float, nargs="+", default=[150, 300])
    ask.add_argument("--threshold", type=float, nargs="+", default=[0.5])
    args = ask.parse_args()
    best = torch.load(args.state / "best.pt", map_location="cpu", weights_only=False)
    net = networks.build("v3")
    net.load_state_dict(best["mean"])
    net.eval()
    print("step", best["step"])
    voxel = best["args"]["voxel"]
    for name in ("ct_defect_patient", "ct_defect_phantom"):
        hu, size = read(pack.shared() / "data" / name / "dicom")
        truth, tsize, _ = frame.load_mask(pack.shared() / "data" / name / "removed_bone.nii.gz")
        assert truth.shape == hu.shape and np.allclose(size, tsize, atol=1e-3), (truth.shape, hu.shape, size, tsize)
        for t in args.hu:
            skull = frame.bodies(hu >= t, size, float("inf"))
            centre = frame.centre_of(skull, size)
            x = frame.forward(skull, size, centre, frame.grid(voxel), voxel)
            for th in args.threshold:
                got, p = validate.answer(net, x, voxel, skull, size, centre, th)
                ml = np.prod(size) / 1000
                print(f"{name} HU>={t:g} p>={th:g}: DSC {validate.dice_score(got, truth):.3f}, {got.sum() * ml:.1f} ml (true {truth.sum() * ml:.1f}), recall {(got & truth).sum() / truth.sum():.2f}, max p {p.max():.2f}", flush=True)


if __name__ == "__main__":
    main()
