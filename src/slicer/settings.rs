//! What a person may choose about a print; everything else follows from printer and material.

use super::SliceError;
use super::lattice::Cell;
use super::plane::Um;
use crate::gcode::{Material, Printer};
use serde::{Deserialize, Serialize};

/// Ways of standing that the search gives to choose from.
pub(super) const POSES: usize = 24;

/// How the part stands on the bed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// By search: little support, least of all on rim and outer face, low steps, a safe stand.
    #[default]
    Auto,
    /// The K-th cheapest of the search, from 1.
    Pose(u32),
    /// As the mesh is: its +z is up.
    AsIs,
}

/// Choices of one print. The default makes a solid part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Layer height, mm; the printer's own when absent.
    pub layer_mm: Option<f64>,
    /// Lines along the outline.
    pub perimeters: u32,
    /// Share of the inside that is filled, 0 to 1; from 0.99 on it is solid.
    pub infill: f64,
    /// Solid layers under and over a part that is not solid.
    pub skin_layers: u32,
    /// Support under overhangs?
    pub support: bool,
    /// Overhangs flatter than this angle from the vertical are supported, degrees.
    pub overhang_deg: f64,
    /// Width of the brim, mm; 0 for none.
    pub brim_mm: f64,
    /// How the part stands.
    pub orientation: Orientation,
    /// Outlines and paths may stray this far from the mesh's section to save points, mm.
    pub resolution_mm: f64,
    /// First layer shrunk by, mm, against the squeezed-out foot; 0 for none.
    pub elephant_mm: f64,
    /// Outlines moved outwards by, mm; measured with a ring gauge, 0 until then.
    pub xy_mm: f64,
    /// Speed of outer walls, mm/s.
    pub external_mm_s: f64,
    /// Speed of inner walls, mm/s.
    pub perimeter_mm_s: f64,
    /// Speed of infill, mm/s.
    pub infill_mm_s: f64,
    /// Speed of support, mm/s.
    pub support_mm_s: f64,
    /// Speed of everything in the first layer, mm/s.
    pub first_layer_mm_s: f64,
    /// Slowest that cooling may ask for, mm/s.
    pub slowest_mm_s: f64,
    /// Speed of travels, mm/s.
    pub travel_mm_s: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            layer_mm: None,
            perimeters: 2,
            infill: 1.0,
            skin_layers: 4,
            support: true,
            overhang_deg: 50.0,
            brim_mm: 5.0,
            orientation: Orientation::Auto,
            resolution_mm: 0.012,
            elephant_mm: 0.0,
            xy_mm: 0.0,
            external_mm_s: 30.0,
            perimeter_mm_s: 45.0,
            infill_mm_s: 70.0,
            support_mm_s: 60.0,
            first_layer_mm_s: 20.0,
            slowest_mm_s: 10.0,
            travel_mm_s: 180.0,
        }
    }
}

impl Settings {
    /// A quick look at the shape: thick layers, one wall, little inside, few points. Not for judging a fit.
    pub fn draft() -> Self {
        Self {
            layer_mm: Some(0.3),
            perimeters: 1,
            infill: 0.15,
            skin_layers: 2,
            resolution_mm: 0.05,
            ..Self::default()
        }
    }

    /// Refuses numbers that make no sense.
    pub(super) fn validate(&self) -> Result<(), SliceError> {
        let pose = match self.orientation {
            Orientation::Pose(asked) => asked,
            Orientation::Auto | Orientation::AsIs => 1,
        };
        let checks = [
            ("pose", f64::from(pose), 1.0, POSES as f64),
            ("layer_mm", self.layer_mm.unwrap_or(0.2), 0.04, 0.8),
            ("perimeters", f64::from(self.perimeters), 1.0, 20.0),
            ("infill", self.infill, 0.0, 1.0),
            ("skin_layers", f64::from(self.skin_layers), 0.0, 50.0),
            ("overhang_deg", self.overhang_deg, 10.0, 89.0),
            ("brim_mm", self.brim_mm, 0.0, 30.0),
            ("resolution_mm", self.resolution_mm, 0.001, 0.2),
            ("elephant_mm", self.elephant_mm, 0.0, 0.5),
            ("xy_mm", self.xy_mm, -0.5, 0.5),
            ("external_mm_s", self.external_mm_s, 1.0, 500.0),
            ("perimeter_mm_s", self.perimeter_mm_s, 1.0, 500.0),
            ("infill_mm_s", self.infill_mm_s, 1.0, 500.0),
            ("support_mm_s", self.support_mm_s, 1.0, 500.0),
            ("first_layer_mm_s", self.first_layer_mm_s, 1.0, 500.0),
            ("slowest_mm_s", self.slowest_mm_s, 1.0, 500.0),
            ("travel_mm_s", self.travel_mm_s, 1.0, 1000.0),
        ];
        for (name, value, low, high) in checks {
            if !(low..=high).contains(&value) {
                return Err(SliceError::Setting {
                    name,
                    value,
                    low,
                    high,
                });
            }
        }
        Ok(())
    }

    /// Is the inside filled without gaps?
    pub(super) fn is_solid(&self) -> bool {
        self.infill >= 0.99
    }
}

/// A line of plastic: a rectangle with round ends, `width` wide and `height` high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) width: Um,
    pub(super) height: Um,
}

/// Share of the height by which neighbouring lines overlap, so that their round ends leave no gap: 1 - pi/4.
const ROUND: f64 = 1.0 - std::f64::consts::FRAC_PI_4;

impl Line {
    /// Distance of neighbouring lines that leave neither gap nor overlap.
    pub(super) fn spacing(self) -> Um {
        Um((f64::from(self.width.0) - f64::from(self.height.0) * ROUND).round() as i32)
    }

    /// Cross-section, mm2.
    pub(super) fn section_mm2(self) -> f64 {
        self.height.mm() * (self.width.mm() - self.height.mm() * ROUND)
    }

    /// The line whose share of a filled strip is `strip` wide.
    pub(super) fn filling(strip: Um, height: Um) -> Self {
        Self {
            width: Um(strip.0 + (f64::from(height.0) * ROUND).round() as i32),
            height,
        }
    }
}

/// Everything a layer's paths are made from: heights, widths and choices, resolved for one print.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) settings: Settings,
    pub(super) first: Um,
    pub(super) layer: Um,
    /// Usual line width: 1.125 of the nozzle (0.45 for 0.4).
    pub(super) width: Um,
    pub(super) flow_max_mm3_s: f64,
    /// What a field of density is filled with.
    pub(super) cell: Cell,
}

impl Recipe {
    pub(super) fn new(
        printer: &Printer,
        material: &Material,
        settings: &Settings,
    ) -> Result<Self, SliceError> {
        settings.validate()?;
        let highest = 0.8 * printer.nozzle_mm;
        let layer = settings.layer_mm.unwrap_or(printer.layer_mm);
        if layer > highest {
            return Err(SliceError::Setting {
                name: "layer_mm",
                value: layer,
                low: 0.04,
                high: highest,
            });
        }
        Ok(Self {
            settings: settings.clone(),
            first: Um::from_mm(printer.first_layer_mm),
            layer: Um::from_mm(layer),
            width: Um::from_mm(1.125 * printer.nozzle_mm),
            flow_max_mm3_s: material.flow_max_mm3_s.min(printer.limits.flow_max_mm3_s),
            cell: Cell::new(printer.nozzle_mm, 1.0),
        })
    }

    /// How far outlines may stray to save points.
    pub(super) fn resolution(&self) -> Um {
        Um::from_mm(self.settings.resolution_mm)
    }

    /// Height of a layer, from 0.
    pub(super) fn height(&self, layer: usize) -> Um {
        if layer == 0 { self.first } else { self.layer }
    }

    /// Top of a layer above the bed: where the nozzle runs.
    pub(super) fn top(&self, layer: usize) -> Um {
        // A print has far fewer than 2^20 layers.
        Um(self.first.0 + self.layer.0 * layer as i32)
    }

    /// Middle of a layer: where the mesh is cut, 1/2 um above this.
    pub(super) fn middle(&self, layer: usize) -> Um {
        Um(self.top(layer).0 - self.height(layer).0 / 2)
    }

    /// Layers of a part `top_um` high: a layer is printed when the part reaches its middle.
    pub(super) fn layers(&self, top: Um) -> usize {
        (0..)
            .take_while(|&layer| self.middle(layer).0 < top.0)
            .count()
    }

    /// The usual line in a layer.
    pub(super) fn line(&self, layer: usize) -> Line {
        Line {
            width: self.width,
            height: self.height(layer),
        }
    }
}
