//! Brick: the stiffness of one element of eight corners.
//!
//! A trilinear brick locks where a plate bends: its sides can not curve. Nine bending modes of its own, one for each
//! direction of each axis, are added and condensed away inside the element (Wilson et al. 1973, corrected by Taylor,
//! Beresford and Wilson 1976 so that bricks of any shape pass the patch test: the modes are mapped by the Jacobian of
//! the middle).
//!
//! Corners are numbered x fastest, then y, then z: `[-1, 1]` on each axis of the reference cube.

/// Corners of an element.
pub(super) const CORNERS: usize = 8;
/// Displacements of an element: three a corner.
pub(super) const ROWS: usize = 3 * CORNERS;
/// Numbers of a symmetric matrix of [`ROWS`], lower triangle row by row.
pub(super) const PACKED: usize = ROWS * (ROWS + 1) / 2;
/// Displacements of the bending modes.
const MODES: usize = 9;
/// Strains: xx, yy, zz, xy, yz, zx; shear as engineers have it.
const STRAINS: usize = 6;

/// An element's stiffness for a modulus of 1, and what reads its stress and volume.
#[derive(Clone, Debug)]
pub(super) struct Brick {
    /// Lower triangle, row by row.
    pub(super) stiffness: Box<[f64; PACKED]>,
    /// Volume, in the cube of the corners' unit.
    pub(super) volume: f64,
    /// Gradients of the eight corner functions in the element's middle.
    pub(super) middle: [[f64; 3]; CORNERS],
}

/// Where entry (row, column) of a packed matrix lies.
#[inline]
pub(super) const fn packed(row: usize, column: usize) -> usize {
    let (r, c) = if row > column {
        (row, column)
    } else {
        (column, row)
    };
    r * (r + 1) / 2 + c
}

/// Isotropic elasticity for a modulus of 1.
fn elasticity(poisson: f64) -> [[f64; STRAINS]; STRAINS] {
    let scale = 1.0 / ((1.0 + poisson) * (1.0 - 2.0 * poisson));
    let mut d = [[0.0; STRAINS]; STRAINS];
    for a in 0..3 {
        for b in 0..3 {
            d[a][b] = scale * if a == b { 1.0 - poisson } else { poisson };
        }
        d[a + 3][a + 3] = scale * (1.0 - 2.0 * poisson) / 2.0;
    }
    d
}

/// Signs of a corner on the reference cube.
fn signs(corner: usize) -> [f64; 3] {
    [0, 1, 2].map(|a| if corner >> a & 1 == 1 { 1.0 } else { -1.0 })
}

/// Derivatives of the corner functions along the reference cube's axes.
fn slopes(at: [f64; 3]) -> [[f64; 3]; CORNERS] {
    std::array::from_fn(|corner| {
        let s = signs(corner);
        let f = [0, 1, 2].map(|a| 1.0 + s[a] * at[a]);
        [
            s[0] * f[1] * f[2] / 8.0,
            s[1] * f[0] * f[2] / 8.0,
            s[2] * f[0] * f[1] / 8.0,
        ]
    })
}

/// Jacobian: rows are the reference axes, columns the patient's.
fn jacobian(slopes: &[[f64; 3]; CORNERS], corners: &[[f64; 3]; CORNERS]) -> [[f64; 3]; 3] {
    let mut j = [[0.0; 3]; 3];
    for (slope, corner) in slopes.iter().zip(corners) {
        for a in 0..3 {
            for b in 0..3 {
                j[a][b] += slope[a] * corner[b];
            }
        }
    }
    j
}

fn determinant(m: &[[f64; 3]; 3]) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

/// Inverse of a matrix of three rows; `None` where it has none.
pub(super) fn inverse(m: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let d = determinant(m);
    if !(d.is_finite() && d.abs() > f64::MIN_POSITIVE) {
        return None;
    }
    let minor = |a: usize, b: usize| {
        let (r, s) = ((a + 1) % 3, (a + 2) % 3);
        let (c, e) = ((b + 1) % 3, (b + 2) % 3);
        m[r][c] * m[s][e] - m[r][e] * m[s][c]
    };
    Some(std::array::from_fn(|a| {
        std::array::from_fn(|b| minor(b, a) / d)
    }))
}

/// Gradient in the patient of a function whose slope along the reference axes is given.
fn gradient(inverse: &[[f64; 3]; 3], slope: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|b| (0..3).map(|a| inverse[b][a] * slope[a]).sum())
}

/// Strain of a unit displacement along each axis, for a function of this gradient.
fn strain(g: [f64; 3]) -> [[f64; 3]; STRAINS] {
    [
        [g[0], 0.0, 0.0],
        [0.0, g[1], 0.0],
        [0.0, 0.0, g[2]],
        [g[1], g[0], 0.0],
        [0.0, g[2], g[1]],
        [g[2], 0.0, g[0]],
    ]
}

impl Brick {
    /// The element with these corners; `None` where it is turned inside out or flat.
    pub(super) fn new(corners: &[[f64; 3]; CORNERS], poisson: f64) -> Option<Self> {
        let d = elasticity(poisson);
        let middle_slopes = slopes([0.0; 3]);
        let middle_jacobian = jacobian(&middle_slopes, corners);
        let middle_determinant = determinant(&middle_jacobian);
        if middle_determinant <= 0.0 {
            return None;
        }
        let middle_inverse = inverse(&middle_jacobian)?;
        let all = ROWS + MODES;
        // Corners first, then modes.
        let mut k = vec![0.0; all * all];
        let mut volume = 0.0;
        let gauss = 1.0 / 3f64.sqrt();
        for point in 0..CORNERS {
            let at = signs(point).map(|s| s * gauss);
            let slopes = slopes(at);
            let j = jacobian(&slopes, corners);
            let weight = determinant(&j);
            if weight <= 0.0 {
                return None;
            }
            let inverse = inverse(&j)?;
            volume += weight;
            let mut b = vec![[0.0; STRAINS]; all];
            for (corner, &slope) in slopes.iter().enumerate() {
                let e = strain(gradient(&inverse, slope));
                for axis in 0..3 {
                    b[3 * corner + axis] = std::array::from_fn(|s| e[s][axis]);
                }
            }
            let share = middle_determinant / weight;
            for mode in 0..3 {
                // The mode 1 - x^2 of one reference axis.
                let mut slope = [0.0; 3];
                slope[mode] = -2.0 * at[mode] * share;
                let e = strain(gradient(&middle_inverse, slope));
                for axis in 0..3 {
                    b[ROWS + 3 * mode + axis] = std::array::from_fn(|s| e[s][axis]);
                }
            }
            for (r, br) in b.iter().enumerate() {
                let stress: [f64; STRAINS] =
                    std::array::from_fn(|s| (0..STRAINS).map(|t| d[s][t] * br[t]).sum());
                for (c, bc) in b.iter().enumerate().take(r + 1) {
                    let work: f64 = (0..STRAINS).map(|s| stress[s] * bc[s]).sum();
                    k[r * all + c] += work * weight;
                }
            }
        }
        // Condensed from the last mode upwards: each leaves the rest as if it had settled.
        for mode in (ROWS..all).rev() {
            let pivot = k[mode * all + mode];
            if pivot <= 0.0 {
                return None;
            }
            for r in 0..mode {
                let f = k[mode * all + r] / pivot;
                for c in 0..=r {
                    k[r * all + c] -= f * k[mode * all + c];
                }
            }
        }
        let mut stiffness = Box::new([0.0; PACKED]);
        for r in 0..ROWS {
            for c in 0..=r {
                stiffness[packed(r, c)] = k[r * all + c];
            }
        }
        Some(Self {
            stiffness,
            volume,
            middle: middle_slopes.map(|slope| gradient(&middle_inverse, slope)),
        })
    }

    /// Work that corner displacements do for a modulus of 1: `u . K u`.
    pub(super) fn work(&self, u: &[f64; ROWS]) -> f64 {
        let mut sum = 0.0;
        let mut row = 0;
        for r in 0..ROWS {
            let line = &self.stiffness[row..=row + r];
            let off: f64 = line[..r].iter().zip(u).map(|(k, u)| k * u).sum();
            sum += u[r] * (2.0 * off + line[r] * u[r]);
            row += r + 1;
        }
        sum
    }

    /// Stress in the element's middle by von Mises for a modulus of 1.
    pub(super) fn mises(&self, u: &[f64; ROWS], poisson: f64) -> f64 {
        let mut e = [0.0; STRAINS];
        for (corner, &g) in self.middle.iter().enumerate() {
            let b = strain(g);
            for (e, b) in e.iter_mut().zip(b) {
                *e += (0..3).map(|a| b[a] * u[3 * corner + a]).sum::<f64>();
            }
        }
        let d = elasticity(poisson);
        let s: [f64; STRAINS] = std::array::from_fn(|r| (0..STRAINS).map(|c| d[r][c] * e[c]).sum());
        let normal = (s[0] - s[1]).powi(2) + (s[1] - s[2]).powi(2) + (s[2] - s[0]).powi(2);
        let shear = s[3].powi(2) + s[4].powi(2) + s[5].powi(2);
        (normal / 2.0 + 3.0 * shear).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew() -> [[f64; 3]; CORNERS] {
        let mut corners: [[f64; 3]; CORNERS] =
            std::array::from_fn(|n| signs(n).map(|s| s.max(0.0)));
        corners[7] = [1.2, 0.9, 1.1];
        corners[2] = [0.1, 1.1, -0.1];
        corners
    }

    /// Displacements of the corners for a displacement that is linear in place.
    fn linear(corners: &[[f64; 3]; CORNERS], m: [[f64; 3]; 3]) -> [f64; ROWS] {
        let mut u = [0.0; ROWS];
        for (n, x) in corners.iter().enumerate() {
            for a in 0..3 {
                u[3 * n + a] = (0..3).map(|b| m[a][b] * x[b]).sum();
            }
        }
        u
    }

    #[test]
    fn a_skewed_brick_that_is_stretched_evenly_does_the_exact_work() {
        let corners = skew();
        let brick = Brick::new(&corners, 0.3).unwrap();
        let m = [
            [0.01, 0.003, 0.0],
            [0.003, -0.02, 0.001],
            [0.0, 0.001, 0.015],
        ];
        let e = [0.01, -0.02, 0.015, 0.006, 0.002, 0.0];
        let d = elasticity(0.3);
        let exact: f64 = (0..6)
            .flat_map(|r| (0..6).map(move |c| (r, c)))
            .map(|(r, c)| e[r] * d[r][c] * e[c])
            .sum::<f64>()
            * brick.volume;
        let work = brick.work(&linear(&corners, m));
        assert!((work / exact - 1.0).abs() < 1e-9, "{work} {exact}");
    }

    #[test]
    fn a_turn_does_no_work() {
        let corners = skew();
        let brick = Brick::new(&corners, 0.3).unwrap();
        let turn = [[0.0, -1.0, 0.5], [1.0, 0.0, -0.3], [-0.5, 0.3, 0.0]];
        assert!(brick.work(&linear(&corners, turn)).abs() < 1e-9);
    }

    /// Pure bending of a flat brick: the work of a beam, not the several times of it that a plain brick asks for.
    #[test]
    fn a_flat_brick_bends_as_a_beam() {
        let (a, h) = (2.0, 0.5);
        let corners: [[f64; 3]; CORNERS] = std::array::from_fn(|n| {
            let s = signs(n);
            [s[0] * a / 2.0, s[1] * a / 2.0, s[2] * h / 2.0]
        });
        let brick = Brick::new(&corners, 0.0).unwrap();
        let curvature = 0.1;
        let mut u = [0.0; ROWS];
        for (n, x) in corners.iter().enumerate() {
            u[3 * n] = -curvature * x[0] * x[2];
        }
        // E I k^2 a, E = 1, I = a h^3 / 12.
        let exact = a * h * h * h / 12.0 * curvature * curvature * a;
        assert!((brick.work(&u) / exact - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_brick_inside_out_is_none() {
        let mut corners = skew();
        corners.swap(0, 4);
        corners.swap(1, 5);
        corners.swap(2, 6);
        corners.swap(3, 7);
        assert!(Brick::new(&corners, 0.3).is_none());
    }
}
