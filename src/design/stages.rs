//! Stages: the line itself. Each function is one room's turn; what it hands on is what the next one needs.

use super::preview::{self, BONE, PART, View};
use super::{Case, Ended, Options, Order};
use super::{facing, files};
use crate::gcode::{Material, Printer, check};
use crate::head::{Atlas, Prior};
use crate::implant::{self, Bone, Lighten, Missing, NoDefect, Rules, Solid};
use crate::intake::{self, Limits, nifti};
use crate::mesh::tags::Tags;
use crate::mesh::{Mesh, cubes, stl};
use crate::network::{self, Card, Content, Network, NetworkError, Target};
use crate::skull::{self, Frame, FrameSpec, Skull};
use crate::slicer;
use crate::space::{Lps, Vector};
use crate::status::{DesignSummary, Finding, Side, Stage};
use crate::volume::{Hu, Volume};
use rayon::prelude::*;
use std::path::Path;

const SCAN: &str =
    "Check that it is a head CT with a hole in the skull; the original is untouched.";
const STATION: &str = "This is not the scan's fault. Look at the log; try again, and tell the maintainers if it comes back.";
const MODEL: &str =
    "Put the model's card and weights in place (--model, CALVARIA_MODELS or ./models).";
const DEVICE: &str = "Choose another device (--device, [design] device), or mend the driver.";
const ORDER: &str =
    "Ask who ordered it; correct order.toml, or take it out, and drop the scan again.";
const PROFILE: &str = "Mend the profile, or choose another one.";

/// From files to checked G-code.
pub(super) fn all(
    input: &Path,
    out: &Path,
    options: &Options,
    case: &mut Case<'_>,
) -> Result<DesignSummary, Ended> {
    files::open(out)?;
    // What needs no scan is looked at first: a missing profile should not be found after the network ran.
    let printer = Printer::load(&options.printer).map_err(|e| Ended::failed(e, PROFILE))?;
    let material = Material::load(&options.material).map_err(|e| Ended::failed(e, PROFILE))?;
    let models = load(options, case)?;
    let network = &models.network;

    let (scan, order) = read(input, Some(out), (options, &models), case)?;
    let asked = Rules {
        lighten: options.lighten,
        modulus_mpa: material.modulus_gpa * 1000.0,
        ..rules(network)
    };
    let rules = (order.applied(asked)).map_err(|e| Ended::refused(e, ORDER))?;
    case.record.order = (!order.is_empty()).then(|| order.clone());
    may_be_hollow(rules.lighten, &material)?;
    let skull = find_skull(&scan, &models, case)?;
    files::mask(case, &out.join("skull.nii.gz"), &skull.mask)?;
    let probability = answer(network, &skull, case)?;
    if options.probability {
        files::write_with(case, &out.join("probability.nii.gz"), |p| {
            nifti::write_f32(p, &probability)
        })?;
    }
    let missing = find_missing(
        &probability,
        &skull,
        (network.card().target, &rules),
        models.prior.as_ref(),
        &out.join("missing.nii.gz"),
        case,
    )?;
    let held = (order.held(&missing)).map_err(|e| Ended::refused(e, ORDER))?;
    case.find(held);
    let solid = make_solid(&missing, &scan, &skull, &rules, case)?;
    drop((probability, scan));
    let mut bytes = Vec::new();
    stl::write(&solid.mesh, &mut bytes).map_err(|e| Ended::failed(e, STATION))?;
    files::write(case, out, "implant.stl", &bytes)?;
    files::mask(case, &out.join("implant.nii.gz"), &solid.voxels)?;
    beside(&solid, &bytes, out, case)?;
    pictures(&skull, &missing, &solid, out, case)?;
    let Solid {
        mesh,
        faces,
        density,
        ..
    } = solid;
    let told = slicer::Told {
        faces: Some(faces),
        density,
    };
    let summary = make_gcode((&mesh, &told), &printer, &material, out, case)?;
    Ok(DesignSummary {
        side: missing.side,
        place: place(&missing),
        weights: weights_line(network.card()),
        ..summary
    })
}

/// From files to the missing bone, which is written to `out` also when there is none.
pub(super) fn predict(
    input: &Path,
    out: &Path,
    options: &Options,
    case: &mut Case<'_>,
) -> Result<String, Ended> {
    let models = load(options, case)?;
    let network = &models.network;
    let (scan, _) = read(input, None, (options, &models), case)?;
    let skull = find_skull(&scan, &models, case)?;
    let probability = answer(network, &skull, case)?;
    if options.probability {
        let name = out
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let stem = name.trim_end_matches(".gz").trim_end_matches(".nii");
        let beside = out.with_file_name(format!("{stem}.probability.nii.gz"));
        files::write_with(case, &beside, |p| nifti::write_f32(p, &probability))?;
    }
    let decided = (network.card().target, &rules(network));
    let missing = find_missing(
        &probability,
        &skull,
        decided,
        models.prior.as_ref(),
        out,
        case,
    )?;
    Ok(format!(
        "{:.1} ml of bone missing, {}",
        missing.mask.mm3() / 1000.0,
        place(&missing)
    ))
}

/// Where the hole is, in words.
fn place(missing: &Missing) -> String {
    let side = match missing.side {
        Side::Left => "patient's LEFT",
        Side::Right => "patient's RIGHT",
        Side::Both => "both sides",
    };
    format!("{side}, {}", missing.region)
}

pub(super) fn rules(network: &Network) -> Rules {
    Rules {
        threshold: network.card().threshold as f32,
        ..Rules::default()
    }
}

/// What was read: a CT, or a skull mask in place of one.
pub(super) enum Scan {
    Ct(Volume<Hu>),
    Mask(Volume<bool>),
}

/// What is known of heads beforehand.
pub(super) struct Models {
    pub(super) network: Network,
    facing: Atlas,
    pub(super) prior: Option<Prior>,
}

impl Models {
    /// From where a voxel of a CT is bone.
    pub(super) fn threshold(&self) -> Hu {
        Hu(self.network.card().hu_threshold)
    }
}

pub(super) fn load(options: &Options, case: &mut Case<'_>) -> Result<Models, Ended> {
    case.begin(Stage::Intake, "loading the network");
    let dir = network::find(options.model.as_deref()).map_err(|e| Ended::failed(e, MODEL))?;
    let network = Network::load(&dir, options.device).map_err(|e| {
        let next = match e {
            NetworkError::Gpu { .. } => DEVICE,
            _ => MODEL,
        };
        Ended::failed(e, next)
    })?;
    case.record.weights =
        serde_json::to_value(network.card()).map_err(|e| Ended::failed(e, STATION))?;
    tell_device(&network, case);
    let facing = facing::load(&dir)?;
    let prior = super::prior::load(&dir, case)?;
    Ok(Models {
        network,
        facing,
        prior,
    })
}

/// Where the network runs, for the record, and what is to be said about it.
fn tell_device(network: &Network, case: &mut Case<'_>) {
    case.record.device = network.device();
    let Some(notice) = network.notice() else {
        return;
    };
    let finding = match notice.fault {
        true => Finding::warn("device", notice.text),
        false => Finding::info("device", notice.text),
    };
    if !case.record.findings.contains(&finding) {
        case.find([finding]);
    }
}

/// Weights in one line, for page, LCD and record: which, what they may be taken for, what they score.
fn weights_line(card: &Card) -> String {
    let score = card
        .scores
        .get("decision")
        .or_else(|| card.scores.get("test"))
        .or_else(|| card.scores.get("val"))
        .and_then(|table| {
            let number = |key: &str| table.get(key).and_then(toml::Value::as_float);
            let n = |key: &str| table.get(key).and_then(toml::Value::as_integer);
            Some(format!(
                ", mean DSC on unseen skulls {:.2} (given, n={}) and {:.2} (injected, n={})",
                number("a_dsc")?,
                n("a_n")?,
                number("b_dsc")?,
                n("b_n")?
            ))
        });
    let kind = if card.status.is_empty() {
        "weights"
    } else {
        &card.status
    };
    format!(
        "{kind} {}{}; research use only",
        &card.sha256[..8.min(card.sha256.len())],
        score.unwrap_or_default()
    )
}

fn read(
    input: &Path,
    out: Option<&Path>,
    (options, models): (&Options, &Models),
    case: &mut Case<'_>,
) -> Result<(Scan, Order), Ended> {
    case.begin(Stage::Intake, "reading the scan");
    let limits = Limits {
        orientation: options.orientation,
        ..Limits::default()
    };
    if options.mask {
        let mask = intake::read_mask(input, &limits).map_err(|e| Ended::refused(e, SCAN))?;
        say_given(options, case);
        case.find([Finding::info(
            "mask_given",
            "A skull mask was given: no grey values, so the bone's edge is the mask's.",
        )]);
        return Ok((Scan::Mask(mask), options.order.clone()));
    }
    let study = intake::read(input, &limits).map_err(|refusal| {
        let known = (&models.facing, models.threshold());
        facing::instead_of(refusal, SCAN, known, (input, &limits), case)
    })?;
    case.record.inputs = study.inputs.iter().map(|i| i.sha256.clone()).collect();
    case.record.study =
        serde_json::to_value(&study.facts).map_err(|e| Ended::failed(e, STATION))?;
    case.find(study.findings);
    say_given(options, case);
    if let (Some(out), Some(identity), true) = (out, &study.identity, options.identity) {
        files::identity(out, identity)?;
    }
    case.stop_if_refused()?;
    let beside = match &study.order {
        Some(text) => Order::parse(text).map_err(|e| Ended::refused(e, ORDER))?,
        None => Order::default(),
    };
    Ok((Scan::Ct(study.ct), options.order.clone().over(beside)))
}

/// That left and right are a person's word.
fn say_given(options: &Options, case: &mut Case<'_>) {
    if let Some(given) = options.orientation {
        let text = format!(
            "The file does not say where left and right are; {given} was given by hand. Is it true of this file?"
        );
        case.find([Finding::warn("orientation_given", text)]);
    }
}

pub(super) fn find_skull(
    scan: &Scan,
    models: &Models,
    case: &mut Case<'_>,
) -> Result<Skull, Ended> {
    case.begin(Stage::Skull, "separating the skull");
    let atlas = &models.facing;
    let skull = match scan {
        Scan::Ct(ct) => skull::bone(ct, models.threshold()).map_err(|e| {
            let ended = Ended::refused(e, SCAN);
            facing::instead(ended, atlas, ct, models.threshold(), case)
        })?,
        Scan::Mask(mask) => Skull::from_mask(mask.clone()).map_err(|e| Ended::refused(e, SCAN))?,
    };
    case.find(skull.findings.clone());
    case.stop_if_refused()?;
    facing::judge(atlas, &skull.mask, case)?;
    Ok(skull)
}

/// The frame of a card around a skull.
pub(super) fn frame_of(skull: &Skull, card: &Card) -> Result<Frame, Ended> {
    Frame::fit(&skull.mask, &frame_spec(card)).map_err(|e| Ended::refused(e, SCAN))
}

/// What a card wants of the fractions of bone in its cells.
pub(super) fn input(fractions: Volume<f32>, card: &Card) -> Volume<f32> {
    match card.input {
        Content::Fraction => fractions,
        Content::Binary => skull::binarised(&fractions),
    }
}

/// The frame that a card asks for.
fn frame_spec(card: &Card) -> FrameSpec {
    FrameSpec {
        size_mm: card.frame,
        voxel_mm: card.voxel_mm,
        axes: match card.axes {
            network::Axes::Pls => skull::Axes::Pls,
            network::Axes::Ras => skull::Axes::Ras,
        },
        fit: match card.fit {
            network::Fit::Middle => skull::Fit::Middle,
            network::Fit::Top => skull::Fit::Top,
            network::Fit::Box => skull::Fit::Box,
        },
        take: match card.resample {
            network::Resample::Box => skull::Take::Share,
            network::Resample::Nearest => skull::Take::Centre,
        },
    }
}

/// The network's answer on the native grid.
pub(super) fn answer(
    network: &Network,
    skull: &Skull,
    case: &mut Case<'_>,
) -> Result<Volume<f32>, Ended> {
    case.tell(0.6, "into the network's frame");
    let card = network.card();
    let frame = frame_of(skull, card)?;
    case.find(frame.findings.clone());
    case.record.frame =
        serde_json::to_value(frame.record()).map_err(|e| Ended::failed(e, STATION))?;
    let fractions = frame
        .forward(&skull.mask)
        .map_err(|e| Ended::failed(e, STATION))?;
    let input = input(fractions, card);

    case.begin(Stage::Network, "predicting the missing bone");
    let probability = network
        .predict(&input, &mut |fraction| {
            case.tell(fraction, "predicting the missing bone")
        })
        .map_err(|e| Ended::failed(e, STATION))?;
    // A GPU may have failed on the way.
    tell_device(network, case);
    case.tell(1.0, "back to the scan's grid");
    frame
        .back(&probability)
        .map_err(|e| Ended::failed(e, STATION))
}

/// The bodies of missing bone, written to `path`; an empty mask is written when there is none.
fn find_missing(
    probability: &Volume<f32>,
    skull: &Skull,
    (target, rules): (Target, &Rules),
    prior: Option<&Prior>,
    path: &Path,
    case: &mut Case<'_>,
) -> Result<Missing, Ended> {
    case.begin(Stage::Implant, "what is missing");
    let found = decide(probability, skull, (target, rules), prior);
    match found {
        Ok(missing) => {
            files::mask(case, path, &missing.mask)?;
            case.record.side = Some(missing.side);
            case.find(missing.findings.clone());
            case.stop_if_refused()?;
            Ok(missing)
        }
        Err(none) => {
            files::mask(case, path, &probability.map(|_| false))?;
            case.find([none.finding.clone()]);
            Err(Ended::refused(
                none,
                "If there is a hole, it has to be designed by hand.",
            ))
        }
    }
}

/// Which of the answer is missing bone.
pub(super) fn decide(
    probability: &Volume<f32>,
    skull: &Skull,
    (target, rules): (Target, &Rules),
    prior: Option<&Prior>,
) -> Result<Missing, NoDefect> {
    // A network that answers the complete skull: minus the one that is there.
    match target {
        Target::Fraction | Target::Binary => {
            implant::missing(probability, &skull.mask, rules, prior)
        }
        Target::Skull => implant::subtract(probability, &skull.mask, rules)
            .and_then(|left| implant::missing(&left, &skull.mask, rules, prior)),
    }
}

fn make_solid(
    missing: &Missing,
    scan: &Scan,
    skull: &Skull,
    rules: &Rules,
    case: &mut Case<'_>,
) -> Result<Solid, Ended> {
    case.tell(0.2, "a solid that fits");
    let bone = match scan {
        Scan::Ct(ct) => Bone::Ct(ct),
        Scan::Mask(_) => Bone::Mask(&skull.mask),
    };
    let solid = implant::solid(missing, bone, rules).map_err(|e| {
        case.find([e.finding()]);
        Ended::refused(e, "This hole has to be designed by hand.")
    })?;
    case.record.fit = serde_json::to_value(solid.parts.iter().map(|p| &p.fit).collect::<Vec<_>>())
        .map_err(|e| Ended::failed(e, STATION))?;
    case.record.lightness = (solid.parts.iter())
        .flat_map(|part| part.lightness.clone())
        .collect();
    case.find(solid.findings.clone());
    case.stop_if_refused()?;
    Ok(solid)
}

/// A part that is to be implanted must not close in hollows, which can not be sterilised.
fn may_be_hollow(lighten: Lighten, material: &Material) -> Result<(), Ended> {
    if lighten != Lighten::Infill || material.certificate().is_none() {
        return Ok(());
    }
    let text = format!(
        "The material {} is certified for implants, and a part that is filled less densely closes in hollows that can not be \
         sterilised.",
        material.name
    );
    Err(Ended::refused(
        text,
        "Order it solid or perforated, or a fit model of another material.",
    ))
}

/// What a mesh can not say: which face each triangle belongs to, and how densely it is filled.
fn beside(solid: &Solid, mesh: &[u8], out: &Path, case: &mut Case<'_>) -> Result<(), Ended> {
    let tags = Tags {
        faces: solid.faces.clone(),
    };
    let mut text = Vec::new();
    tags.write("implant.stl", &super::sha256(mesh), &mut text)
        .map_err(|e| Ended::failed(e, STATION))?;
    files::write(case, out, "implant.tags.json", &text)?;
    if let Some(density) = &solid.density {
        files::write_with(case, &out.join("implant.density.nii.gz"), |path| {
            nifti::write_f32(path, density)
        })?;
    }
    Ok(())
}

/// The pictures: four of the head and one onto each part, from the skull on a coarser grid and the part itself.
fn pictures(
    skull: &Skull,
    missing: &Missing,
    solid: &Solid,
    out: &Path,
    case: &mut Case<'_>,
) -> Result<(), Ended> {
    case.tell(0.8, "pictures");
    let bone = bone_mesh(&skull.mask)?;
    let (Some((low, high)), Some((part_low, part_high))) = (bone.bounds(), solid.mesh.bounds())
    else {
        return Err(Ended::failed("There is nothing to draw.", STATION));
    };
    let middle = low.plus(high.minus(low).times(0.5));
    let half = [0, 1, 2]
        .map(|a| high.minus(low).0[a])
        .into_iter()
        .fold(0.0, f64::max)
        * 0.53;
    let caption = format!("{} - research prototype", place(missing));
    let meshes = [(&bone, BONE), (&solid.mesh, PART)];
    let mut views: Vec<(String, View)> = ["front", "left", "right", "top"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), View::named(name, middle, half)?)))
        .collect();
    if solid.parts.is_empty() {
        return Err(Ended::failed("There is no part to draw.", STATION));
    }
    let [fit, error, filled_less] = files::PART_PICTURES;
    // Straight onto each part, the largest first, against its way in.
    let mut maps = Vec::new();
    for (k, part) in solid.parts.iter().enumerate() {
        let (part_low, part_high) = part.mesh.bounds().unwrap_or((part_low, part_high));
        let part_middle = part_low.plus(part_high.minus(part_low).times(0.5));
        let outward = Vector::new(part.fit.insertion_lps);
        let size = part_high.minus(part_low).length() * 0.5;
        let view = View::onto(outward, part_middle, size);
        if let Some(expected_mm) = &part.expected_mm {
            let name = files::part_picture(error, k);
            maps.push((
                name,
                view,
                (&part.mesh, &expected_mm[..]),
                &preview::EXPECTED,
            ));
        }
        if let Some(filled) = &part.filled {
            let name = files::part_picture(filled_less, k);
            maps.push((name, view, (&part.mesh, &filled[..]), &preview::FILLED));
        }
        views.push((files::part_picture(fit, k), view));
    }
    let drawn = views
        .par_iter()
        .map(|(name, view)| (name.clone(), preview::render(view, &meshes, &caption).png()));
    let mapped = maps.par_iter().map(|(name, view, part, scale)| {
        let picture = preview::render_map(view, &bone, *part, scale);
        (name.clone(), picture.png())
    });
    let pictures: Vec<_> = drawn.chain(mapped).collect();
    for (name, bytes) in pictures {
        let bytes = bytes.map_err(|e| Ended::failed(e, STATION))?;
        files::write(case, out, &format!("preview-{name}.png"), &bytes)?;
    }
    Ok(())
}

/// The skull for pictures: cells of 1.25 mm are finer than a pixel of a whole head.
fn bone_mesh(mask: &Volume<bool>) -> Result<Mesh<Lps>, Ended> {
    let spec = FrameSpec {
        voxel_mm: 1.25,
        ..FrameSpec::default()
    };
    let frame = Frame::fit(mask, &spec).map_err(|e| Ended::refused(e, SCAN))?;
    let fractions = frame.forward(mask).map_err(|e| Ended::failed(e, STATION))?;
    Ok(cubes::extract(&fractions.map(|f| 0.5 - f), 0.0))
}

fn make_gcode(
    (mesh, told): (&Mesh<Lps>, &slicer::Told),
    printer: &Printer,
    material: &Material,
    out: &Path,
    case: &mut Case<'_>,
) -> Result<DesignSummary, Ended> {
    case.begin(Stage::Slice, "placing and slicing");
    let sliced = slicer::slice_told(
        mesh,
        told,
        printer,
        material,
        &slicer::Settings::default(),
        &mut |fraction| {
            case.tell(fraction, "placing and slicing");
        },
    )
    .map_err(|e| Ended::failed(e, "Look at the part's size and the printer's profile."))?;
    // What of the part is not printed as it is, for who releases it.
    case.find(sliced.plan.findings.iter().cloned());
    case.stop_if_refused()?;
    // The slicer has proved its text once; what counts is the bytes that are released.
    case.begin(Stage::Check, "proving the G-code");
    let bytes = sliced.gcode.as_bytes();
    check(bytes, printer).map_err(|violations| {
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Ended::failed(
            format!(
                "The G-code breaks the printer's limits: {}",
                lines.join("; ")
            ),
            STATION,
        )
    })?;
    files::write(case, out, "implant.gcode", bytes)?;
    let sha256 = super::sha256(bytes);
    let plan = serde_json::json!({ "sha256": sha256, "plan": sliced.plan });
    let plan = serde_json::to_vec_pretty(&plan).map_err(|e| Ended::failed(e, STATION))?;
    files::write(case, out, "plan.json", &plan)?;
    Ok(DesignSummary {
        gcode_sha256: sha256,
        side: crate::status::Side::Both,
        place: String::new(),
        print_s: sliced.plan.time_s,
        filament_g: sliced.plan.filament_g,
        layers: u32::try_from(sliced.plan.layers).unwrap_or(u32::MAX),
        weights: String::new(),
        material: material.name.clone(),
        profile: printer.name.clone(),
        profile_sha256: printer.sha256(),
        entry: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, Watcher};
    use super::*;
    use crate::mesh::testing::{cuboid, joined};

    /// Keeps what it is told.
    #[derive(Default)]
    struct Heard(Vec<Finding>);

    impl Watcher for Heard {
        fn progress(&mut self, _: &Progress) {}
        fn finding(&mut self, finding: &Finding) {
            self.0.push(finding.clone());
        }
        fn seconds(&self) -> f64 {
            0.0
        }
    }

    #[test]
    fn what_the_slicer_says_of_the_part_is_said_of_the_case() {
        let (printer, material) = (
            Printer::load("virtual").unwrap(),
            Material::load("pla").unwrap(),
        );
        let one = cuboid([0.0; 3], [12.0, 12.0, 5.0]);
        let both = joined(&one, &cuboid([12.0, 3.0, 0.0], [20.0, 15.0, 5.0]));
        for (mesh, expected) in [
            (&one, &["pose"][..]),
            (&both, &["pose", "pose", "touching_bodies"]),
        ] {
            let out = tempfile::tempdir().unwrap();
            let mut heard = Heard::default();
            let mut case = Case::new(&mut heard);
            let told = slicer::Told::default();
            make_gcode((mesh, &told), &printer, &material, out.path(), &mut case).unwrap();
            let names =
                |list: &[Finding]| -> Vec<String> { list.iter().map(|f| f.name.clone()).collect() };
            assert_eq!(names(&case.record.findings), expected);
            assert_eq!(names(&heard.0), expected);
        }
    }
}
