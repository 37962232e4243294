//! Form: how a template becomes another head. Mirrored or not, scaled, bent by a smooth field, thicker or thinner,
//! and laid into the scanner at a slight angle.

use super::dice::Dice;

/// Knots of the bending field along each axis, and their distance.
const KNOTS: usize = 8;
const KNOT_MM: f64 = 45.0;
/// Nodes at which the field is tabled, and their distance.
const NODES: usize = 46;
const NODE_MM: f32 = 6.0;

/// Shift in mm (left, posterior, superior) and extra thickness in mm.
type Bend = [f32; 4];

/// One head's own form.
pub(super) struct Form {
    /// Scanner to head: rows are the head's axes.
    turn: [[f32; 3]; 3],
    /// Head to template along left, posterior, superior.
    shrink: [f32; 3],
    /// Template to head.
    pub(super) scale: [f64; 3],
    mirror: f32,
    bends: Vec<Bend>,
    /// Half of the template's extent: left, posterior, superior.
    half: [f32; 3],
}

/// Where a scanner position lies in the template, and how much thicker the bone is there.
pub(super) struct Place {
    /// mm from the template's outer corner: posterior, left, superior.
    pub(super) at: [f32; 3],
    /// mm from the head's middle: left, posterior, superior; for what is drawn without a template.
    pub(super) head: [f32; 3],
    /// Extra thickness on each side of the bone, mm.
    pub(super) thicker: f32,
}

impl Form {
    /// A form for a template of this extent (posterior, left, superior, mm).
    pub(super) fn draw(dice: &mut Dice, extent_mm: [f64; 3]) -> Self {
        let all = (1.0 + 0.02 * dice.normal()).clamp(0.96, 1.04);
        let scale = [0; 3].map(|_| (all * (1.0 + 0.015 * dice.normal())).clamp(0.94, 1.05));
        let mirror = dice.side() as f32;
        let turn =
            rotation([4.0, 2.0, 3.0].map(|degrees| (degrees * dice.normal() / 2.0).to_radians()));
        // Cubic B-splines keep a quarter to a third of the knots' deviation: this bends by about 2 mm.
        let knots: Vec<[f64; 4]> = (0..KNOTS * KNOTS * KNOTS)
            .map(|_| [5.0, 5.0, 5.0, 0.6].map(|sd| sd * dice.normal()))
            .collect();
        let thicker = 0.15 * dice.normal();
        let bends = (0..NODES * NODES * NODES)
            .map(|n| {
                let node = [n % NODES, n / NODES % NODES, n / (NODES * NODES)];
                let mut bend = spline(
                    &knots,
                    node.map(|i| i as f64 * f64::from(NODE_MM) / KNOT_MM),
                );
                bend[3] += thicker;
                bend.map(|b| b as f32)
            })
            .collect();
        let [p, l, s] = extent_mm.map(|e| e as f32 / 2.0);
        Self {
            turn,
            shrink: scale.map(|f| (1.0 / f) as f32),
            scale,
            mirror,
            bends,
            half: [l, p, s],
        }
    }

    /// Where `at` (mm from the head's middle along the scanner's left, posterior, superior) lies.
    pub(super) fn place(&self, at: [f32; 3]) -> Place {
        let head = self
            .turn
            .map(|row| row[0] * at[0] + row[1] * at[1] + row[2] * at[2]);
        let bend = self.bend(head);
        let q = [0, 1, 2].map(|axis| (head[axis] + bend[axis]) * self.shrink[axis]);
        let [l, p, s] = [
            q[0] * self.mirror + self.half[0],
            q[1] + self.half[1],
            q[2] + self.half[2],
        ];
        Place {
            at: [p, l, s],
            head,
            thicker: bend[3],
        }
    }

    /// Trilinear between nodes.
    fn bend(&self, head: [f32; 3]) -> Bend {
        let middle = (NODES - 1) as f32 / 2.0;
        let f = head.map(|v| (v / NODE_MM + middle).clamp(0.0, (NODES - 1) as f32 - 0.001));
        let low = f.map(|v| v as usize);
        let [x, y, z] = [0, 1, 2].map(|axis| f[axis] - low[axis] as f32);
        let corner = (low[2] * NODES + low[1]) * NODES + low[0];
        let mut bend = [0.0; 4];
        for (dz, wz) in [(0, 1.0 - z), (NODES * NODES, z)] {
            for (dy, wy) in [(0, 1.0 - y), (NODES, y)] {
                let (a, b) = (
                    &self.bends[corner + dz + dy],
                    &self.bends[corner + dz + dy + 1],
                );
                let w = wz * wy;
                for c in 0..4 {
                    bend[c] += w * (a[c] * (1.0 - x) + b[c] * x);
                }
            }
        }
        bend
    }
}

/// Uniform cubic B-spline at `at` knot distances from the first inner knot.
fn spline(knots: &[[f64; 4]], at: [f64; 3]) -> [f64; 4] {
    let mut low = [0; 3];
    let mut weights = [[0.0; 4]; 3];
    for axis in 0..3 {
        let i = (at[axis] as usize).min(KNOTS - 4);
        let t = at[axis] - i as f64;
        low[axis] = i;
        weights[axis] = [
            (1.0 - t).powi(3) / 6.0,
            (3.0 * t.powi(3) - 6.0 * t * t + 4.0) / 6.0,
            (-3.0 * t.powi(3) + 3.0 * t * t + 3.0 * t + 1.0) / 6.0,
            t.powi(3) / 6.0,
        ];
    }
    let mut sum = [0.0; 4];
    for (n, w) in (0..64).map(|n| {
        (
            n,
            weights[2][n / 16] * weights[1][n / 4 % 4] * weights[0][n % 4],
        )
    }) {
        let knot = ((low[2] + n / 16) * KNOTS + low[1] + n / 4 % 4) * KNOTS + low[0] + n % 4;
        for c in 0..4 {
            sum[c] += w * knots[knot][c];
        }
    }
    sum
}

/// Turns about left (nodding), posterior (leaning) and superior (looking aside), in this order; rows.
pub(super) fn rotation([nod, lean, look]: [f64; 3]) -> [[f32; 3]; 3] {
    let ((sn, cn), (sl, cl), (sk, ck)) = (nod.sin_cos(), lean.sin_cos(), look.sin_cos());
    [
        [ck * cl, ck * sl * sn - sk * cn, ck * sl * cn + sk * sn],
        [sk * cl, sk * sl * sn + ck * cn, sk * sl * cn - ck * sn],
        [-sl, cl * sn, cl * cn],
    ]
    .map(|row| row.map(|v| v as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spline_of_equal_knots_is_constant_and_a_rotation_is_one() {
        let knots = vec![[1.0, -2.0, 3.0, 0.5]; KNOTS * KNOTS * KNOTS];
        for at in [[0.0, 0.0, 0.0], [2.3, 4.9, 1.5], [5.9, 5.9, 5.9]] {
            let have = spline(&knots, at.map(|v: f64| v.min((KNOTS - 3) as f64)));
            for (have, want) in have.iter().zip([1.0, -2.0, 3.0, 0.5]) {
                assert!((have - want).abs() < 1e-12);
            }
        }
        let r = rotation([0.2, -0.1, 0.3]);
        for a in 0..3 {
            for b in 0..3 {
                let dot: f32 = (0..3).map(|c| r[a][c] * r[b][c]).sum();
                assert!((dot - f32::from(u8::from(a == b))).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_form_stays_near_its_template_and_keeps_up_up() {
        for seed in 0..5 {
            let form = Form::draw(&mut Dice::new(seed, 0), [200.0, 150.0, 180.0]);
            let up = form.place([0.0, 0.0, 60.0]);
            assert!(
                (up.at[2] - 150.0).abs() < 15.0 && up.thicker.abs() < 1.5,
                "{:?}",
                up.at
            );
            let back = form.place([0.0, 80.0, 0.0]);
            assert!((back.at[0] - 180.0).abs() < 15.0, "{:?}", back.at);
        }
    }
}
