"""The network frame: canonical order, forward box average, and the trilinear way back.

Native masks in any axis order become arrays in P, L, S order (index grows towards posterior, left, superior);
the frame is 240 x 200 x 240 mm around the box of the defective skull, in cells of `voxel` mm.
The same rules as the station's: box average kept as a fraction, 180 mm limit from the top, trilinear back.
"""
import numpy as np
from scipy import ndimage, sparse

EXTENT_MM = (240, 200, 240)
BELOW_TOP_MM = 180.0  # bone farther below the highest bone voxel does not move the frame


def load_mask(path):
    """NIfTI -> (bool array in P, L, S order, voxel sizes in mm (3,), undo): `undo(a)` gives the file's own order."""
    import nibabel  # only where files are read: a GPU machine gets the pack and has no need of it

    image = nibabel.load(path)
    data = np.asarray(image.dataobj) > 0
    return canonical(data, image.affine)


def canonical(data, affine_ras):
    """Permute and flip index axes so that axes 0, 1, 2 lie closest to P, L, S. Never interpolates."""
    lps = np.diag([-1.0, -1.0, 1.0]) @ affine_ras[:3, :3]
    size = np.linalg.norm(lps, axis=0)
    r = lps / size
    want = (1, 0, 2)  # rows of r: L, P, S -> frame order P, L, S
    best = max(_permutations(), key=lambda p: np.prod([abs(r[want[a], p[a]]) for a in range(3)]))
    flips = [a for a in range(3) if r[want[a], best[a]] < 0]

    def undo(a):
        return np.transpose(np.flip(a, flips), np.argsort(best))

    return np.flip(np.transpose(data, best), flips), size[list(best)], undo


def _permutations():
    return ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def box_of(mask):
    """Half-open index box (begin (3,), end (3,)) of a boolean array."""
    begin, end = [], []
    for a in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a)))
        begin.append(hit[0])
        end.append(hit[-1] + 1)
    return np.array(begin), np.array(end)


def centre_of(mask, size):
    """Centre in mm of the box of a defective skull, bone more than 180 mm below the top left out of the box."""
    top = np.flatnonzero(mask.any(axis=(0, 1)))[-1] + 1
    low = max(0, int(np.ceil(top - BELOW_TOP_MM / size[2])))
    begin, end = box_of(mask[:, :, low:])
    begin[2] += low
    end[2] += low
    return (begin + end) / 2 * size


def _weights(n_out, n_in, first, step, size):
    """Sparse (n_out, n_in) matrix of one axis: cell f covers [first + f step, +step) mm of voxels of `size` mm."""
    rows, cols, vals = [], [], []
    for f in range(n_out):
        lo, hi = first + f * step, first + (f + 1) * step
        if size > step:  # thick slices: linear between slice centres
            c = (lo + hi) / 2 / size - 0.5
            k = int(np.floor(c))
            for j, w in ((k, 1 - (c - k)), (k + 1, c - k)):
                if 0 <= j < n_in and w > 0:
                    rows.append(f), cols.append(j), vals.append(w)
            continue
        for j in range(max(0, int(np.floor(lo / size))), min(n_in, int(np.ceil(hi / size)))):
            w = (min(hi, (j + 1) * size) - max(lo, j * size)) / step
            if w > 0:
                rows.append(f), cols.append(j), vals.append(w)
    return sparse.csr_matrix((np.array(vals, np.float32), (rows, cols)), shape=(n_out, n_in))


def forward(mask, size, centre, shape, voxel):
    """Box average of a P, L, S mask onto `shape` cells of `voxel` mm centred on `centre` (mm). f32 fractions."""
    out = np.ascontiguousarray(mask, dtype=np.float32)
    for a in range(3):
        w = _weights(shape[a], out.shape[0], centre[a] - shape[a] * voxel / 2, voxel, size[a])
        rest = out.shape[1:]
        out = (w @ out.reshape(out.shape[0], -1)).reshape(shape[a], *rest)
        out = np.ascontiguousarray(np.moveaxis(out, 0, 2))
    return np.clip(out, 0, 1)


def grid(voxel):
    """Cells of the frame at `voxel` mm: 240 x 200 x 240 at 1, 120 x 100 x 120 at 2."""
    return tuple(int(n / voxel) for n in EXTENT_MM)


def backward(probability, size, centre, native_shape, voxel, threshold):
    """Frame probability -> boolean native mask (P, L, S): trilinear between cell centres, then >= threshold."""
    out = np.zeros(native_shape, bool)
    hot = ndimage.binary_dilation(probability >= min(threshold, 0.2) * 0.5, iterations=2)
    if not hot.any():
        return out
    begin, end = box_of(hot)
    n = np.array(probability.shape)
    index = []
    low = []
    for a in range(3):
        c = np.arange(native_shape[a])
        f = ((c + 0.5) * size[a] - centre[a]) / voxel + n[a] / 2 - 0.5
        keep = np.flatnonzero((f > begin[a] - 1) & (f < end[a]))
        if not len(keep):
            return out
        low.append(slice(keep[0], keep[-1] + 1))
        index.append(f[keep])
    value = probability.astype(np.float32)
    for a in range(3):  # separable linear interpolation, 0 beyond the frame
        k = np.floor(index[a]).astype(int)
        t = (index[a] - k).astype(np.float32)
        pad = np.pad(np.moveaxis(value, a, 0), ((1, 1), (0, 0), (0, 0)))
        k = np.clip(k, -1, n[a] - 1)
        value = pad[k + 1] * (1 - t)[:, None, None] + pad[k + 2] * t[:, None, None]
        value = np.moveaxis(value, 0, a)
    out[tuple(low)] = value >= threshold
    return out


def bodies(mask, size, least_ml=2.0):
    """The face-connected bodies of a boolean array that hold at least `least_ml`; the largest alone when none does.

    Smaller ones are crumbs of an answer; two holes are two bodies, so the largest alone would halve a right answer.
    """
    if not mask.any():
        return mask
    begin, end = box_of(mask)
    view = tuple(slice(b, e) for b, e in zip(begin, end))
    label, _ = ndimage.label(mask[view])
    volume = np.bincount(label.ravel()) * float(np.prod(size)) / 1000
    volume[0] = 0
    keep = volume >= min(least_ml, volume.max())
    out = np.zeros_like(mask)
    out[view] = keep[label]
    return out
