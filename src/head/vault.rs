//! Vault: the mean of the vaults that the weights were trained on, as radii by direction.
//!
//! Measured on the 71 complete training skulls of `SkullFix` (none of `val` or `test`): each outer surface turned,
//! shifted and scaled along three axes onto the mean of all, in rounds; median within 4 degrees of a node, both sides
//! together. The median turn, shift and scale of the 71 are 0, 0 and 1: that defines the axes' nod of 0. The 71 lay in
//! their scanners with nods of -30 to 27 degrees, SD 11.8.

/// Elevations of the rows, degrees: this, and 15 more each.
const LOWEST_DEG: f64 = -15.0;
const STEP_DEG: f64 = 15.0;
const ROWS: usize = 8;
const COLUMNS: usize = 13;

/// mm from the middle to the outer table. Rows: elevation -15 to 90 degrees; columns: azimuth 0 (front) to 180 (back).
#[rustfmt::skip]
const RADIUS_MM: [[f64; COLUMNS]; ROWS] = [
    [92.6, 85.1, 87.5, 71.8, 66.5, 66.0, 67.4, 71.0, 75.7, 80.7, 86.4, 92.0, 93.5],
    [91.3, 90.6, 85.2, 75.1, 67.5, 65.9, 66.8, 69.9, 74.0, 79.3, 85.4, 90.5, 91.0],
    [89.5, 88.3, 83.7, 76.7, 71.0, 68.1, 68.7, 72.1, 76.8, 81.0, 84.8, 86.4, 86.6],
    [84.7, 83.1, 79.8, 75.7, 72.8, 71.1, 72.1, 76.0, 79.6, 82.1, 83.8, 84.1, 84.1],
    [79.4, 78.4, 76.3, 74.2, 72.6, 71.7, 72.6, 75.2, 78.0, 80.3, 82.0, 82.4, 82.0],
    [75.3, 75.0, 74.0, 73.0, 72.1, 71.8, 72.4, 74.0, 75.8, 77.5, 78.9, 79.7, 79.9],
    [73.1, 73.0, 72.8, 72.6, 72.4, 72.5, 72.9, 73.6, 74.4, 75.3, 76.1, 76.5, 76.7],
    [73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8, 73.8],
];

/// Radius of the mean vault in a direction (left, back, up; any length but 0), mm: bilinear in elevation and azimuth.
pub(super) fn radius_mm([x, y, z]: [f64; 3]) -> f64 {
    let flat = x.hypot(y);
    let elevation = z.atan2(flat).to_degrees();
    let azimuth = x.abs().atan2(-y).to_degrees();
    let cell = |at: f64, nodes: usize| {
        let at = at.clamp(0.0, (nodes - 1) as f64);
        let low = (at as usize).min(nodes - 2);
        (low, at - low as f64)
    };
    let (row, u) = cell((elevation - LOWEST_DEG) / STEP_DEG, ROWS);
    let (column, v) = cell(azimuth / STEP_DEG, COLUMNS);
    let across = |row: usize| {
        let [near, far] = [0, 1].map(|n| RADIUS_MM[row][column + n]);
        near * (1.0 - v) + far * v
    };
    across(row) * (1.0 - u) + across(row + 1) * u
}

/// Lowest elevation at which the vault counts in a direction, degrees: above the brow, above the ears, down to the
/// nape. 3 degrees lower than where holes are looked for.
pub(super) fn floor_deg([x, y, _]: [f64; 3]) -> f64 {
    let front = -y / x.hypot(y).max(1e-9);
    -8.0 + 25.0 * front.clamp(-0.5, 1.0)
}
