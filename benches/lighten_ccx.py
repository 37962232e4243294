#!/usr/bin/env python3
"""A lightened part beside the same one solid, by a finite-element program that shares nothing with ours: CalculiX.

    apt-get install calculix-ccx; pip install numpy nibabel
    calvaria design SCAN --out SOLID; calvaria design SCAN --out LIGHT --lighten infill
    python3 benches/lighten_ccx.py SOLID LIGHT [--voxel 0.8]

The printed meshes are cut into cubes (C3D8I), held and pressed where `case.json` says, with 100 N at the place that gives
way farthest. An infill's cubes have the modulus E0 * density^1.9, the law that `docs/lightening.md` measures.
"""
import argparse, json, pathlib, subprocess, tempfile
import numpy as np

POWER, POISSON, FORCE_N, PLATE_MM, DISC_MM = 1.9, 0.38, 100.0, 4.0, 5.0


def stl(path):
    """Corners of all triangles, n x 3 x 3."""
    data = pathlib.Path(path).read_bytes()
    count = int.from_bytes(data[80:84], "little")
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    return np.frombuffer(data, record, count, 84)["corners"].astype(float)


def voxels(triangles, low, shape, h):
    """Cubes whose middle lies inside, by how often a line along z crosses the surface under them."""
    crossings = [[[] for _ in range(shape[1])] for _ in range(shape[0])]
    for a, b, c in triangles:
        box_low, box_high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        first = np.ceil((box_low - low)[:2] / h - 0.5).astype(int)
        last = np.floor((box_high - low)[:2] / h - 0.5).astype(int)
        for i in range(first[0], last[0] + 1):
            for j in range(first[1], last[1] + 1):
                x, y = low[0] + (i + 0.5) * h, low[1] + (j + 0.5) * h
                area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
                if area == 0:
                    continue
                s = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area
                t = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area
                if s >= 0 and t >= 0 and s + t <= 1:
                    crossings[i][j].append(a[2] + s * (b[2] - a[2]) + t * (c[2] - a[2]))
    inside = np.zeros(shape, bool)
    middles = low[2] + (np.arange(shape[2]) + 0.5) * h
    for i in range(shape[0]):
        for j in range(shape[1]):
            if crossings[i][j]:
                inside[i, j] = np.searchsorted(np.sort(crossings[i][j]), middles) % 2 == 1
    return inside


def moduli(case, middles, modulus):
    """By cube; of a part without a density the material's own."""
    path = case / "implant.density.nii.gz"
    if not path.exists():
        return np.full(len(middles), modulus), np.ones(len(middles))
    import nibabel

    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    ras = middles * [-1, -1, 1]
    index = np.c_[ras, np.ones(len(ras))] @ np.linalg.inv(image.affine).T
    at = np.rint(index[:, :3]).astype(int)
    within = ((at >= 0) & (at < values.shape)).all(axis=1)
    share = np.ones(len(middles))
    share[within] = values[tuple(at[within].T)]
    return modulus * share**POWER, share


def solve(case, report, modulus, h):
    triangles = stl(case / "implant.stl")
    faces = json.loads((case / "implant.tags.json").read_text())["faces"]
    outer = triangles[np.array([f == "o" for f in faces])]
    low = triangles.min(axis=(0, 1)) - h
    shape = np.ceil((triangles.max(axis=(0, 1)) + h - low) / h).astype(int)
    inside = voxels(triangles, low, shape, h)
    cubes = np.argwhere(inside)
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
    keys = (cubes[:, None, :] + corners[None]).reshape(-1, 3)
    nodes, elements = np.unique(keys, axis=0, return_inverse=True)
    elements = elements.reshape(-1, 8) + 1
    places = low + nodes * h
    counts = np.bincount(elements.ravel() - 1, minlength=len(nodes))
    surface = counts < 8
    e, share = moduli(case, low + (cubes + 0.5) * h, modulus)

    middle = outer.mean(axis=1)
    normal = np.cross(outer[:, 1] - outer[:, 0], outer[:, 2] - outer[:, 0])

    def under(at, reach):
        """Surface nodes about a place of the outer face, none of the inner one."""
        near = normal[np.linalg.norm(middle - at, axis=1) < 4.0].sum(axis=0)
        out = near / np.linalg.norm(near)
        d = places - at
        deep = d @ out
        flat = np.linalg.norm(d - deep[:, None] * out, axis=1)
        return np.flatnonzero(surface & (flat <= reach) & (np.abs(deep) < 1.2 * h)) + 1

    held = np.unique(np.concatenate([under(np.array(p), PLATE_MM) for p in report["plates_lps"]]))
    at, push = (np.array(v) for v in report["worst_lps"])
    pressed = np.setdiff1d(under(at, DISC_MM), held)
    bins = np.unique(np.round(e, 0))
    with tempfile.TemporaryDirectory() as folder:
        text = ["*NODE,NSET=ALL"]
        text += [f"{n},{x:.6f},{y:.6f},{z:.6f}" for n, (x, y, z) in enumerate(places, 1)]
        for b, value in enumerate(bins):
            text.append(f"*ELEMENT,TYPE=C3D8I,ELSET=B{b}")
            text += [f"{n + 1}," + ",".join(map(str, elements[n])) for n in np.flatnonzero(np.round(e, 0) == value)]
            text += [f"*MATERIAL,NAME=M{b}", "*ELASTIC", f"{value},{POISSON}", f"*SOLID SECTION,ELSET=B{b},MATERIAL=M{b}"]
        text.append("*BOUNDARY")
        text += [f"{n},1,3" for n in held]
        text += ["*NSET,NSET=PRESSED"] + [f"{n}," for n in pressed]
        text += ["*STEP", "*STATIC", "*CLOAD"]
        text += [f"{n},{a + 1},{push[a] * FORCE_N / len(pressed):.9f}" for n in pressed for a in range(3)]
        text += ["*NODE PRINT,NSET=ALL", "U", "*END STEP"]
        name = pathlib.Path(folder) / "part"
        name.with_suffix(".inp").write_text("\n".join(text) + "\n")
        subprocess.run(["ccx", str(name)], check=True, stdout=subprocess.DEVNULL)
        rows = [line.split() for line in name.with_suffix(".dat").read_text().splitlines()]
    u = np.zeros((len(nodes), 3))
    for row in rows:
        if len(row) == 4 and row[0].isdigit():
            u[int(row[0]) - 1] = [float(v) for v in row[1:]]
    sunk = (u[pressed - 1] @ push).mean()
    return {
        "cubes": len(cubes),
        "mass": share.sum() * h**3,
        "under the disc, mm": sunk,
        "largest, mm": np.linalg.norm(u, axis=1).max(),
    }


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("solid", type=pathlib.Path)
    ask.add_argument("light", type=pathlib.Path, nargs="+")
    ask.add_argument("--voxel", type=float, default=0.8)
    told = ask.parse_args()
    for light in told.light:
        report = json.loads((light / "case.json").read_text())["lightness"][0]
        modulus = report["modulus_mpa"]
        a = solve(told.solid, report, modulus, told.voxel)
        b = solve(light, report, modulus, told.voxel)
        ours = report["displacement_mm"]
        print(
            f"{report['mode']}: {1 - b['mass'] / a['mass']:.3f} lighter (ours {report['saved']:.3f}); gives way "
            f"{b['under the disc, mm'] / a['under the disc, mm']:.3f} times as far under the disc, "
            f"{b['largest, mm'] / a['largest, mm']:.3f} at most (ours {ours[1] / ours[0]:.3f}); solid "
            f"{a['largest, mm']:.3f} mm (ours {ours[0]:.3f}); {a['cubes']} cubes"
        )


main()
