"""The plane of symmetry of whole skulls, by brute force: the reference that `head::look` is held against.

It shares no code and no method with the program: the skull is drawn on a grid of 1 mm, its outer surface is what air
from outside touches, and a plane is judged by how far the reflected surface of the vault lies from the surface, by a
distance transform. Every plane of a grid of turns and shifts is tried, the best are refined by Nelder and Mead. The
skulls are whole, so nothing has to be left out.

    python benches/symmetry.py SHARED/data/skullfix/{val,test}/*_defective.nii.gz > benches/symmetry.tsv

Needs numpy, scipy and nibabel. Written are the unit normal (towards the patient's left) and the offset along it, LPS mm;
the middle of the vault's points (where offsets are compared); and, as the reference's own doubt, how far the plane moves
(degrees, mm at the middle) when all bone of the upper head is laid over its reflection instead of the outer surface alone.
"""

import sys
from pathlib import Path

import nibabel
import numpy as np
import scipy
from scipy import ndimage, optimize

CELL = 1.0  # mm
VAULT = 90.0  # mm under the highest bone, of the surface
UPPER = 110.0  # mm under the highest bone, of all bone
LIMITS = (15.0, 5.0)  # mm: a point counts as no more than this, at first and at the end


def whole(path):
    """Bone occupancy (0 to 1) in cells of CELL mm along LPS, and the position of the first cell."""
    defective = nibabel.load(path)
    implant = nibabel.load(str(path).replace("defective", "implant"))
    bone = (np.asarray(defective.dataobj) > 0) | (np.asarray(implant.dataobj) > 0)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ defective.affine
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in bone.shape])).reshape(3, -1)
    corners = affine[:3, :3] @ corners + affine[:3, 3:]
    low = corners.min(axis=1) - 3 * CELL
    shape = np.ceil((corners.max(axis=1) + 3 * CELL - low) / CELL).astype(int)
    back = np.linalg.inv(affine)
    matrix = back[:3, :3] * CELL
    offset = back[:3, :3] @ low + back[:3, 3]
    smooth = ndimage.gaussian_filter(
        bone.astype(np.float32), [0.4 * CELL / s for s in np.linalg.norm(affine[:3, :3], axis=0)]
    )
    return ndimage.affine_transform(smooth, matrix, offset, shape, order=1) >= 0.5, low


def outer(bone):
    """Bone that air from outside touches when gaps of up to 10 mm are closed."""
    small = ndimage.zoom(bone.astype(np.float32), 0.5, order=1) >= 0.4
    pad = 8
    small = np.pad(small, pad)
    grown = ndimage.distance_transform_edt(~small) <= 2.5
    labels, _ = ndimage.label(~grown)
    outside = labels == labels[0, 0, 0]
    near = ndimage.distance_transform_edt(~outside) <= 2.5 + 1.0
    near = near[pad:-pad, pad:-pad, pad:-pad]
    factor = [n / m for n, m in zip(bone.shape, near.shape)]
    near = ndimage.zoom(near, factor, order=0)
    near = near[tuple(slice(n) for n in bone.shape)]
    edge = bone & ~ndimage.binary_erosion(bone)
    return edge & near


class Fit:
    def __init__(self, points, distance, low):
        self.points, self.distance, self.low = points, distance, low
        self.pivot = points.mean(axis=0)

    def plane(self, turn):
        yaw, roll, shift = turn
        normal = np.array([1.0, np.tan(np.radians(yaw)), np.tan(np.radians(roll))])
        normal /= np.linalg.norm(normal)
        return normal, normal @ self.pivot + shift

    def cost(self, turn, limit, stride=1):
        normal, offset = self.plane(turn)
        p = self.points[::stride]
        there = p - 2.0 * (p @ normal - offset)[:, None] * normal
        at = ((there - self.low) / CELL).T
        mm = ndimage.map_coordinates(self.distance, at, order=1, mode="nearest")
        return np.mean(np.minimum(mm, limit) ** 2)

    def best(self):
        turns = np.arange(-24.0, 25.0, 4.0)
        shifts = np.arange(-15.0, 16.0, 5.0)
        stride = max(1, len(self.points) // 1500)
        tried = [
            (self.cost((yaw, roll, shift), LIMITS[0], stride), (yaw, roll, shift))
            for yaw in turns
            for roll in turns
            for shift in shifts
        ]
        tried.sort()
        found = []
        for _, start in tried[:12]:
            for limit, stride in ((LIMITS[0], 8), (LIMITS[1], 2)):
                start = optimize.minimize(
                    self.cost,
                    start,
                    args=(limit, stride),
                    method="Nelder-Mead",
                    options={"xatol": 0.01, "fatol": 1e-5, "initial_simplex": simplex(start)},
                ).x
            found.append((self.cost(start, LIMITS[1]), tuple(start)))
        return self.plane(min(found)[1])


def simplex(start):
    return [tuple(start)] + [tuple(x + 2.0 * (n == a) for n, x in enumerate(start)) for a in range(3)]


def places(mask, low, top):
    index = np.argwhere(mask)
    p = index * CELL + low
    return p[p[:, 2] > top]


def main():
    print(f"# numpy {np.__version__}, scipy {scipy.__version__}, nibabel {nibabel.__version__}")
    print("split\tskull\tnx\tny\tnz\toffset_mm\tmiddle_x\tmiddle_y\tmiddle_z\tother_deg\tother_mm")
    for path in map(Path, sys.argv[1:]):
        bone, low = whole(path)
        top = low[2] + CELL * np.argwhere(bone.any(axis=(0, 1))).max()
        surface = outer(bone)
        skin = places(surface, low, top - VAULT)
        skin = skin[:: max(1, len(skin) // 12000)]
        normal, offset = Fit(skin, ndimage.distance_transform_edt(~surface), low).best()
        all_bone = places(bone, low, top - UPPER)
        all_bone = all_bone[:: max(1, len(all_bone) // 12000)]
        other, other_offset = Fit(all_bone, ndimage.distance_transform_edt(~bone), low).best()
        middle = skin.mean(axis=0)
        apart = np.degrees(np.arccos(min(1.0, normal @ other)))
        mm = abs((normal @ middle - offset) - (other @ middle - other_offset))
        row = [path.parent.name, path.name.split("_")[0]]
        row += [f"{x:.5f}" for x in normal] + [f"{x:.3f}" for x in (offset, *middle)]
        print("\t".join(row + [f"{apart:.2f}", f"{mm:.2f}"]), flush=True)


main()
