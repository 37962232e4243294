//! Solve: displacements under several loads, by conjugate gradients. What preconditions them is a cycle of two steps:
//! each column by itself, the patches as rigid bodies, and each column once more.

use super::coarse::Coarse;
use super::system::{ColumnWise, Field, LOADS, System};
use rayon::prelude::*;

/// Of what the columns answer, the share that is taken.
const TAKEN: f64 = 0.6;
/// Looks at most.
const LOOKS: usize = 400;

/// How a solution went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solved {
    /// Iterations.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests ask how well it went"))]
    pub(super) looks: usize,
    /// Largest share of a load that is left unbalanced.
    pub(super) left: f64,
}

/// Sums over all nodes, one for each load, always in the same order.
fn dots(columns: usize, a: &[f64], b: &[f64]) -> [f64; LOADS] {
    let long = a.len() / columns;
    let parts: Vec<[f64; LOADS]> = (a.par_chunks(long).zip(b.par_chunks(long)))
        .map(|(a, b)| {
            let mut sum = [0.0; LOADS];
            for (a, b) in a.chunks_exact(LOADS).zip(b.chunks_exact(LOADS)) {
                for load in 0..LOADS {
                    sum[load] += a[load] * b[load];
                }
            }
            sum
        })
        .collect();
    parts.iter().fold([0.0; LOADS], |sum, part| {
        std::array::from_fn(|load| sum[load] + part[load])
    })
}

/// `to = scale * to + by * from`, load by load.
fn mix(to: &mut [f64], scale: &[f64; LOADS], by: &[f64; LOADS], from: &[f64]) {
    to.par_chunks_mut(LOADS * 1024)
        .zip(from.par_chunks(LOADS * 1024))
        .for_each(|(to, from)| {
            for (to, from) in to.chunks_exact_mut(LOADS).zip(from.chunks_exact(LOADS)) {
                for load in 0..LOADS {
                    to[load] = scale[load] * to[load] + by[load] * from[load];
                }
            }
        });
}

/// Both levels of the preconditioner.
struct Levels<'a> {
    system: &'a System<'a>,
    columns: ColumnWise,
    coarse: Coarse,
    scratch: Field,
    rest: Field,
}

impl Levels<'_> {
    /// `z` for the residual `r`.
    fn apply(&mut self, r: &[f64], z: &mut [f64]) {
        let one = [1.0; LOADS];
        self.columns.apply(r, z);
        mix(z, &[TAKEN; LOADS], &[0.0; LOADS], r);
        self.residual(r, z);
        self.coarse.add(&self.rest, z);
        self.residual(r, z);
        self.columns.apply(&self.rest, &mut self.scratch);
        mix(z, &one, &[TAKEN; LOADS], &self.scratch);
    }

    fn residual(&mut self, r: &[f64], z: &[f64]) {
        self.system.times(z, &mut self.rest);
        mix(&mut self.rest, &[-1.0; LOADS], &[1.0; LOADS], r);
    }
}

/// Solves `K x = f` from what `x` holds, until no more than `tolerance` of any load is left. `None` for a part that its
/// fixings do not hold.
pub(super) fn solve(system: &System, f: &[f64], x: &mut [f64], tolerance: f64) -> Option<Solved> {
    let count = system.columns.columns.len();
    let columns = ColumnWise::new(system)?;
    let coarse = Coarse::new(system, &columns)?;
    let blank = || vec![0.0; f.len()];
    let mut levels = Levels {
        system,
        columns,
        coarse,
        scratch: blank(),
        rest: blank(),
    };
    let ones = [1.0; LOADS];
    let size = dots(count, f, f);
    let (mut r, mut z, mut kp) = (blank(), blank(), blank());
    system.times(x, &mut r);
    mix(&mut r, &[-1.0; LOADS], &ones, f);
    levels.apply(&r, &mut z);
    let mut p = z.clone();
    let mut rz = dots(count, &r, &z);
    let mut looks = 0;
    loop {
        let rest = dots(count, &r, &r);
        let shares: [f64; LOADS] = std::array::from_fn(|load| {
            if size[load] > 0.0 {
                (rest[load] / size[load]).sqrt()
            } else {
                0.0
            }
        });
        let left = shares.iter().copied().fold(0.0, f64::max);
        if left <= tolerance || looks == LOOKS || !left.is_finite() {
            return left.is_finite().then_some(Solved { looks, left });
        }
        looks += 1;
        system.times(&p, &mut kp);
        let pkp = dots(count, &p, &kp);
        // A load that is solved moves no more.
        let step: [f64; LOADS] = std::array::from_fn(|load| {
            let goes = shares[load] > tolerance && pkp[load] > 0.0;
            if goes { rz[load] / pkp[load] } else { 0.0 }
        });
        mix(x, &ones, &step, &p);
        mix(&mut r, &ones, &step.map(|s| -s), &kp);
        levels.apply(&r, &mut z);
        let next = dots(count, &r, &z);
        let beta: [f64; LOADS] = std::array::from_fn(|load| {
            if step[load] > 0.0 {
                next[load] / rz[load]
            } else {
                0.0
            }
        });
        mix(&mut p, &beta, &ones, &z);
        rz = next;
    }
}
