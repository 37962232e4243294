#!/usr/bin/env python3
"""The slicer beside PrusaSlicer and CuraEngine: CPU time, peak memory, support, outer walls over air, closeness of volume.

Needs Python alone, the release binary, and the peers where they are to be compared (Debian: `apt-get install prusa-slicer
cura-engine`; CuraEngine's definitions lie in the package `cura`, which need not be installed: `apt-get download cura`,
`dpkg -x cura_*.deb FOLDER`, then `--cura FOLDER/usr/share/cura/resources`).

    cargo build --release
    python3 benches/slicer.py                                  # generated parts
    python3 benches/slicer.py phantom=OUT/implant.stl          # and parts of `calvaria design INPUT --out OUT`
    python3 benches/slicer.py --bin other/calvaria --rounds 5 --only cap150 --keep FOLDER

All slice the same file in the same pose, on one pinned core: given parts stand as our search stands them, generated ones
as they were made. 0.4 mm nozzle, 0.2 mm layers, 2 walls, 100 % infill, support from 50 degrees off the vertical, 5 mm of
brim. CPU time is user and system of the process and its children, our validator included; peak memory is the kernel's
maximum resident size. Rounds go A B A B, medians are printed with their range.

Over air: the share of the outer walls' length whose middle has no plastic under it: no stroke in the layer below whose
width reaches there, and no support or interface in the three layers below. PrusaSlicer's overhang perimeters count as outer
walls.

Touched: area of the mesh's inner face, outer face and rim that has a stroke of support or interface within 0.45 mm right
under it, or over it where support stands on the part, above the first millimetre; what lies lower holds the part on the bed
and is counted apart, as is the plastic of the part in the first layer. The faces are told by the sphere that fits the
corners best: outer within 53 degrees of the way out of it, inner within 53 degrees of the way in, the rim between.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILAMENT_MM2 = math.pi / 4 * 1.75**2

CURA = {
    # Meshes lie in the bed's own coordinates; the engine counts from the bed's middle.
    "mesh_position_x": "-125", "mesh_position_y": "-105", "machine_width": "250", "machine_depth": "210",
    "machine_height": "210", "machine_nozzle_size": "0.4", "material_diameter": "1.75", "layer_height": "0.2",
    "layer_height_0": "0.2", "initial_layer_line_width_factor": "100", "wall_line_count": "2", "infill_pattern": "lines",
    "infill_sparse_density": "100", "infill_line_distance": "0.45", "top_layers": "0", "bottom_layers": "0",
    "roofing_layer_count": "0", "support_enable": "true", "support_type": "everywhere", "support_angle": "50",
    "support_z_distance": "0.2", "support_top_distance": "0.2", "support_bottom_distance": "0.2",
    "support_line_distance": "2", "adhesion_type": "brim", "brim_width": "5", "brim_line_count": "11",
    **{
        name: "0.45"
        for name in (
            "line_width wall_line_width wall_line_width_0 wall_line_width_x skin_line_width infill_line_width "
            "support_line_width support_roof_line_width support_bottom_line_width skirt_brim_line_width"
        ).split()
    },
}

PRUSA = {
    "nozzle_diameter": "0.4", "filament_diameter": "1.75", "bed_shape": "0x0,250x0,250x210,0x210",
    "max_print_height": "210", "layer_height": "0.2", "first_layer_height": "0.2", "perimeters": "2",
    "fill_density": "100%", "fill_pattern": "rectilinear", "top_fill_pattern": "rectilinear",
    "bottom_fill_pattern": "rectilinear", "support_material": "1", "support_material_auto": "1",
    # From the horizontal: 40 is 50 degrees off the vertical.
    "support_material_threshold": "40", "support_material_contact_distance": "0.2", "brim_width": "5",
    "skirts": "0", "temperature": "210", "first_layer_temperature": "215", "bed_temperature": "60",
    "first_layer_bed_temperature": "60", "gcode_flavor": "marlin", "use_relative_e_distances": "0",
    "gcode_comments": "0", "perimeter_speed": "45", "external_perimeter_speed": "30", "infill_speed": "70",
    "solid_infill_speed": "70", "top_solid_infill_speed": "70", "support_material_speed": "60", "travel_speed": "180",
    "first_layer_speed": "20", "bridge_speed": "30", "gap_fill_speed": "45",
}


# --- parts ---------------------------------------------------------------------------------------------------------


def cap(width_mm, per_mm=1.0):
    """A spherical shell of 90 mm outer radius, 5 mm thick, cut out by a wavy outline, standing on its edge."""
    around, rings = int(width_mm * 3 * per_mm), int(width_mm / 2 * per_mm)

    def at(radius, ring, step):
        t = math.tau * step / around
        wave = 0.90 + 0.06 * math.cos(3 * t + 0.4) + 0.03 * math.sin(7 * t) + 0.01 * math.cos(13 * t)
        tilt = width_mm / 2 * wave / 90 * ring / rings
        # Convex side to +x, the part up along z.
        return (radius * math.cos(tilt), radius * math.sin(tilt) * math.sin(t), radius * math.sin(tilt) * math.cos(t))

    grid = [[[at(r, ring, step) for step in range(around)] for ring in range(rings + 1)] for r in (90, 85)]
    faces = []
    for sheet, outer in zip(grid, (True, False)):
        for ring in range(rings):
            for step in range(around):
                n = (step + 1) % around
                quad = [(sheet[ring][step], sheet[ring + 1][step], sheet[ring + 1][n])]
                if ring:
                    quad.append((sheet[ring][step], sheet[ring + 1][n], sheet[ring][n]))
                faces += [q if outer else q[::-1] for q in quad]
    for step in range(around):
        n = (step + 1) % around
        a, b, c, d = grid[0][-1][step], grid[0][-1][n], grid[1][-1][step], grid[1][-1][n]
        faces += [(a, c, d), (a, d, b)]
    if volume(faces) < 0:
        faces = [f[::-1] for f in faces]
    return faces


def prism(outline, high_mm):
    """A convex outline in X and Y, drawn up along Z."""
    floor = [(x, y, 0.0) for x, y in outline]
    roof = [(x, y, high_mm) for x, y in outline]
    count = len(outline)
    faces = []
    for n in range(1, count - 1):
        faces += [(floor[0], floor[n + 1], floor[n]), (roof[0], roof[n], roof[n + 1])]
    for n in range(count):
        m = (n + 1) % count
        faces += [(floor[n], floor[m], roof[m]), (floor[n], roof[m], roof[n])]
    return faces


def plate(lean_deg):
    """A plate of 40 mm, leaning by an angle off the vertical: 8 mm of it stand on the bed, it is 30 mm wide."""
    x, z = 40 * math.sin(math.radians(lean_deg)), 40 * math.cos(math.radians(lean_deg))
    faces = prism([(0, 0), (8, 0), (8 + x, z), (x, z)], 30)
    # Drawn lying down; a quarter turn round X stands it up.
    return [tuple((p[0], -p[2], p[1]) for p in f) for f in faces]


def volume(faces):
    return sum(
        (a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])) / 6
        for a, b, c in faces
    )


def read_stl(path):
    data = path.read_bytes()
    (count,) = struct.unpack_from("<I", data, 80)
    faces = []
    for n in range(count):
        f = struct.unpack_from("<12f", data, 84 + 50 * n)
        faces.append((f[3:6], f[6:9], f[9:12]))
    return faces


def write_stl(path, faces):
    with open(path, "wb") as out:
        out.write(bytes(80) + struct.pack("<I", len(faces)))
        for a, b, c in faces:
            out.write(struct.pack("<12fH", 0, 0, 0, *a, *b, *c, 0))


def on_bed(faces):
    """Lowest point at Z 0, middle over the middle of the bed."""
    low = [min(p[i] for f in faces for p in f) for i in range(3)]
    high = [max(p[i] for f in faces for p in f) for i in range(3)]
    by = (125 - (low[0] + high[0]) / 2, 105 - (low[1] + high[1]) / 2, -low[2])
    return [tuple(tuple(p[i] + by[i] for i in range(3)) for p in f) for f in faces]


def posed_path(folder, name):
    """Our file of a part in the pose that the search chose, with the brim that the pose wants."""
    return folder / f"{name}.posed.gcode"


def posing(binary, path, folder, name):
    """The command that searches for a pose and slices."""
    return [binary, "slice", path, "--printer", "prusa-mk3s", "-o", posed_path(folder, name)]


def posed(binary, path, folder, name):
    """A part as our search stands it."""
    out = posed_path(folder, name)
    subprocess.run(posing(binary, path, folder, name), check=True, capture_output=True, cwd=ROOT)
    parts = json.loads(out.with_suffix(".plan.json").read_text())["parts"]
    if len(parts) != 1:
        sys.exit(f"{path} has {len(parts)} bodies; one is compared at a time")
    rows = parts[0]["to_bed"]

    def move(p):
        return tuple(sum(row[i] * p[i] for i in range(3)) + row[3] for row in rows)

    return [tuple(move(p) for p in f) for f in read_stl(pathlib.Path(path))]


# --- runs ----------------------------------------------------------------------------------------------------------


# A child starts as large as the process that forks it, and the kernel counts that: a small one has to do it.
STARTER = """
import os, subprocess, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
child = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
said = child.stderr.read().decode(errors="replace")
_, status, used = os.wait4(child.pid, 0)
if status:
    sys.exit(said[-2000:])
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def timed(command):
    """CPU seconds and peak MiB of a process on one core."""
    core = min(os.sched_getaffinity(0))
    starter = [sys.executable, "-S", "-c", STARTER, str(core), *map(str, command)]
    ended = subprocess.run(starter, cwd=ROOT, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {ended.stderr}")
    cpu, peak = ended.stdout.split()
    return float(cpu), float(peak)


def commands(binary, prusa, cura, folder, name):
    mesh = folder / f"{name}.stl"
    ours = [binary, "slice", mesh, "--as-is", "--printer", "prusa-mk3s", "-o", folder / f"{name}.calvaria.gcode"]
    found = {"calvaria": (ours, folder / f"{name}.calvaria.gcode")}
    if prusa:
        out = folder / f"{name}.prusa.gcode"
        theirs = [prusa, "--export-gcode", "--load", folder / "prusa.ini", "--center", "125,105", "-o", out, mesh]
        found["PrusaSlicer"] = (theirs, out)
    if cura:
        out = folder / f"{name}.cura.gcode"
        theirs = ["CuraEngine", "slice", "-j", cura / "definitions/fdmprinter.def.json"]
        # Once for the machine, once for its extruder, which has a filament and widths of its own.
        for of in ([], ["-e0"]):
            theirs += of
            for key, value in CURA.items():
                theirs += ["-s", f"{key}={value}"]
        found["CuraEngine"] = ([*theirs, "-l", mesh, "-o", out], out)
    return found


# --- what a file draws ---------------------------------------------------------------------------------------------

OUTER = ("External perimeter", "Overhang perimeter", "WALL-OUTER")
HELD = ("Support material", "Support material interface", "SUPPORT", "SUPPORT-INTERFACE")
ASIDE = HELD + ("Skirt/Brim", "Skirt", "SKIRT", "Custom", "")
# PrusaSlicer's and ours, and Cura's.
LAYER = (";LAYER_CHANGE", ";LAYER:")


def layers(path):
    """Strokes by layer: (type, from, to, width), heights from the file's own comments; Cura writes none, its are 0.2."""
    found, kind, high, last_e, relative = [], "", 0.2, 0.0, False
    at = [0.0, 0.0]
    for line in open(path, errors="replace"):
        if line.startswith(LAYER):
            found.append([])
        elif line.startswith(";TYPE:"):
            kind = line[6:].strip()
        elif line.startswith(";HEIGHT:"):
            high = float(line[8:])
        words = line.split(";")[0].split()
        if not words:
            continue
        if words[0] in ("M82", "M83"):
            relative = words[0] == "M83"
        values = {w[0]: float(w[1:]) for w in words[1:] if w[0] in "XYE" and len(w) > 1}
        if words[0] == "G92":
            last_e = values.get("E", last_e)
        if words[0] not in ("G0", "G1"):
            continue
        to = [values.get("X", at[0]), values.get("Y", at[1])]
        pushed = 0.0
        if "E" in values:
            pushed = values["E"] if relative else values["E"] - last_e
            last_e = values["E"]
        length = math.dist(at, to)
        if found and pushed > 0 and length > 1e-6:
            width = pushed * FILAMENT_MM2 / length / high + high * (1 - math.pi / 4)
            found[-1].append((kind, tuple(at), tuple(to), width, pushed * FILAMENT_MM2))
        at = to
    return found


CELL = 1.0


def grid(strokes):
    cells = {}
    for stroke in strokes:
        (_, a, b, width, _) = stroke
        steps = max(1, math.ceil(math.dist(a, b) / (CELL / 2)))
        seen = set()
        for n in range(steps + 1):
            x, y = (a[i] + (b[i] - a[i]) * n / steps for i in range(2))
            for dx in (-width / 2, width / 2):
                for dy in (-width / 2, width / 2):
                    seen.add((math.floor((x + dx) / CELL), math.floor((y + dy) / CELL)))
        for cell in seen:
            cells.setdefault(cell, []).append((a[0], a[1], b[0] - a[0], b[1] - a[1], (width / 2) ** 2))
    return cells


def covers(cells, x, y):
    for ax, ay, dx, dy, r2 in cells.get((math.floor(x / CELL), math.floor(y / CELL)), ()):
        square = dx * dx + dy * dy
        t = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / square))
        if (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2 <= r2:
            return True
    return False


def judged(path):
    """Part and support in mm3, and the share of the outer walls over air."""
    strokes = layers(path)
    part = sum(s[4] for layer in strokes for s in layer if s[0] not in ASIDE)
    support = sum(s[4] for layer in strokes for s in layer if s[0] in HELD)
    all_of = [grid(layer) for layer in strokes]
    held_of = [grid(s for s in layer if s[0] in HELD) for layer in strokes]
    total = bare = 0.0
    for n in range(1, len(strokes)):
        under = [all_of[n - 1]] + held_of[max(0, n - 3) : n]
        for kind, a, b, *_ in strokes[n]:
            if kind not in OUTER:
                continue
            length = math.dist(a, b)
            steps = max(1, math.ceil(length / 0.2))
            for k in range(steps):
                t = (k + 0.5) / steps
                x, y = (a[i] + (b[i] - a[i]) * t for i in range(2))
                total += length / steps
                if not any(covers(cells, x, y) for cells in under):
                    bare += length / steps
    return part, support, bare / total if total else 0.0


# --- what support touches --------------------------------------------------------------------------------------------

FOOT_MM = 1.0
REACH_MM = 0.45
EDGE_MM = 0.5


def solved(rows):
    """Gauss, on rows of coefficients and right side."""
    count = len(rows)
    for i in range(count):
        pivot = max(range(i, count), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for j in range(count):
            if j != i:
                factor = rows[j][i] / rows[i][i]
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i])]
    return [rows[i][count] / rows[i][i] for i in range(count)]


def centre(faces):
    """Middle of the sphere that fits the corners best."""
    points = {p for f in faces for p in f}
    middle = [sum(p[i] for p in points) / len(points) for i in range(3)]
    rows = [[0.0] * 5 for _ in range(4)]
    for p in points:
        q = [p[i] - middle[i] for i in range(3)]
        one = [2 * q[0], 2 * q[1], 2 * q[2], 1.0, sum(c * c for c in q)]
        for i in range(4):
            for j in range(5):
                rows[i][j] += one[i] * one[j]
    shift = solved(rows)
    return [middle[i] + shift[i] for i in range(3)]


def pieces(face):
    """A triangle cut until its edges are short."""
    a, b, c = face
    edges = [(math.dist(a, b), a, b, c), (math.dist(b, c), b, c, a), (math.dist(c, a), c, a, b)]
    length, p, q, r = max(edges)
    if length <= 2 * EDGE_MM:
        yield face
        return
    half = tuple((p[i] + q[i]) / 2 for i in range(3))
    yield from pieces((p, half, r))
    yield from pieces((half, q, r))


def touched(path, faces):
    """Inner face, outer face and rim that support touches, in mm2: above the first millimetre, and below it."""
    tops, high = heights(path)
    of_support = [grid(s for s in layer if s[0] in HELD) for layer in layers(path)]
    out_of = centre(faces)
    above, below = [0.0] * 3, [0.0] * 3
    for face in faces:
        for a, b, c in pieces(face):
            u, v = [b[i] - a[i] for i in range(3)], [c[i] - a[i] for i in range(3)]
            normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
            twice = math.hypot(*normal)
            if twice == 0:
                continue
            x, y, z = ((a[i] + b[i] + c[i]) / 3 for i in range(3))
            if normal[2] < 0:
                near = [n for n, top in enumerate(tops) if -0.01 <= z - top <= REACH_MM]
            else:
                near = [n for n, top in enumerate(tops) if -0.01 <= top - high[n] - z <= REACH_MM]
            if not any(covers(of_support[n], x, y) for n in near):
                continue
            way = [x - out_of[0], y - out_of[1], z - out_of[2]]
            cosine = sum(p * q for p, q in zip(way, normal)) / twice / math.hypot(*way)
            side = 1 if cosine > 0.6 else 0 if cosine < -0.6 else 2
            (above if z > FOOT_MM else below)[side] += twice / 2
    return above, below


def heights(path):
    """Top and height of each layer, from the file's own comments."""
    tops, high, z, last = [], [], 0.0, 0.2
    for line in open(path, errors="replace"):
        if line.startswith(LAYER):
            tops.append(0.2 * (len(tops) + 1) if line.startswith(";LAYER:") else None)
            high.append(0.2)
        elif line.startswith(";Z:") and tops and tops[-1] is None:
            tops[-1] = float(line[3:])
        elif line.startswith(";HEIGHT:") and high:
            high[-1] = float(line[8:])
    return tops, high


def span(values, digits):
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="NAME=STL", help="parts beside the generated ones")
    parser.add_argument("--bin", default=str(ROOT / "target/release/calvaria"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", help="part to compare; may come again")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for meshes and files; without it they go")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--cura", type=pathlib.Path, help="CuraEngine's resources; without them it is left out")
    args = parser.parse_args()
    prusa = None if args.alone else shutil.which("prusa-slicer")
    cura = None if args.alone or not shutil.which("CuraEngine") else args.cura
    if cura:
        os.environ["CURA_ENGINE_SEARCH_PATH"] = f"{cura / 'definitions'}:{cura / 'extruders'}"
    folder = args.keep or pathlib.Path(tempfile.mkdtemp())
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prusa.ini").write_text("".join(f"{k} = {v}\n" for k, v in PRUSA.items()))
    makers = {
        "cap100": lambda: cap(100),
        "cap150": lambda: cap(150),
        "fine": lambda: cap(150, 1.63),
        "dome100": lambda: [tuple((-p[2], p[1], p[0]) for p in f) for f in cap(100)],
        **{f"plate{lean}": lambda lean=lean: plate(lean) for lean in (53, 65, 75)},
        "wedge": lambda: prism([(0, 0), (40, 0), (0, 12)], 20),
        "cube": lambda: prism([(0, 0), (30, 0), (30, 30), (0, 30)], 30),
    }
    given = dict(part.split("=", 1) for part in args.parts)
    for name, path in given.items():
        makers[name] = lambda name=name, path=path: posed(args.bin, path, folder, name)
    stands = []
    print("| part | triangles | slicer | CPU s | peak MiB | part / mesh volume | support mm3 | outer walls over air |")
    print("|---|---|---|---|---|---|---|---|")
    for name, make in makers.items():
        if args.only and name not in args.only:
            continue
        faces = on_bed(make())
        write_stl(folder / f"{name}.stl", faces)
        runs = commands(args.bin, prusa, cura, folder, name)
        took = {slicer: [] for slicer in runs}
        searched = []
        for _ in range(args.rounds):
            for slicer, (command, _) in runs.items():
                took[slicer].append(timed(command))
            if name in given:
                searched.append(timed(posing(args.bin, given[name], folder, name))[0] - took["calvaria"][-1][0])
        for slicer, (_, out) in runs.items():
            part, support, bare = judged(out)
            cpu, peak = zip(*took[slicer])
            print(
                f"| {name} | {len(faces)} | {slicer} | {span(cpu, 2)} | {max(peak):.0f} | {part / volume(faces):.4f} "
                f"| {support:.0f} | {100 * bare:.2f} % |",
                flush=True,
            )
        if name in given:
            own = {"calvaria, as it stands": posed_path(folder, name)}
            own.update((slicer, out) for slicer, (_, out) in runs.items() if slicer != "calvaria")
            stands += [(name, slicer, out, faces) for slicer, out in own.items()]
            # The same file with the search and without; the pose's own brim is in it.
            print(f"{name}: search and brim {span(searched, 2)} s of CPU for {len(faces)} triangles", file=sys.stderr)
    if stands:
        print()
        print("| part, in our pose | slicer | touched mm2: inner | outer | rim | below 1 mm | first layer mm2 | over air |")
        print("|---|---|---|---|---|---|---|---|")
    for name, slicer, out, faces in stands:
        above, below = touched(out, faces)
        first = sum(s[4] for s in layers(out)[0] if s[0] not in ASIDE) / 0.2
        print(
            f"| {name} | {slicer} | {above[0]:.0f} | {above[1]:.0f} | {above[2]:.0f} | {sum(below):.0f} | {first:.1f} "
            f"| {100 * judged(out)[2]:.2f} % |",
            flush=True,
        )
    if not args.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
