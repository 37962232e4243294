//! The frame's ceiling on real implants: what a perfect network could score through the way there and back.

use crate::room::dice;
use calvaria::intake::{Limits, nifti};
use calvaria::skull::{Frame, FrameSpec};
use std::path::PathBuf;

/// networks.md 1.7, item 4: the true implant into cells of 2 mm, kept as fractions, and back. Measured there on eight
/// cases: 0.983 on average. `CALVARIA_CEILING=all` takes the eight, else three of them stand for all.
#[test]
fn frame_ceiling_on_real_implants() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from);
    let all = ["003", "012", "064", "027", "039", "051", "076", "088"];
    let few = std::env::var_os("CALVARIA_CEILING").is_none();
    let mut scores = Vec::new();
    for case in &all[..if few { 3 } else { 8 }] {
        let read = |kind: &str| {
            let places = ["train", "val", "test"]
                .map(|part| shared.join(format!("data/skullfix/{part}/{case}_{kind}.nii.gz")));
            let path = places.iter().find(|p| p.exists())?;
            Some(nifti::read_mask(path, &Limits::default()).unwrap())
        };
        let Some(implant) = read("implant") else {
            println!("skipped: no shared data at $CALVARIA_SHARED or ../shared");
            return;
        };
        let defective = read("defective").unwrap_or_else(|| {
            let complete = read("complete").unwrap();
            let rest = complete
                .data()
                .iter()
                .zip(implant.data())
                .map(|(&c, &i)| c && !i);
            complete.with(rest.collect())
        });
        let frame = Frame::fit(&defective, &FrameSpec::default()).unwrap();
        let back = frame.back(&frame.forward(&implant).unwrap()).unwrap();
        let hard = back.map(|&p| p >= 0.5);
        let outside = hard
            .data()
            .iter()
            .zip(defective.data())
            .map(|(&h, &d)| h && !d);
        let score = dice(&implant, &hard.with(outside.collect()));
        println!("{case}: ceiling {score:.4}");
        scores.push(score);
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    println!("mean of {}: {mean:.4}", scores.len());
    assert!((mean - 0.983).abs() <= 0.004, "{mean}");
    assert!(
        scores.iter().all(|s| (0.97..0.999).contains(s)),
        "{scores:?}"
    );
}
