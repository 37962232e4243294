//! Materials: does what stands on the spool agree with what the case was sliced for?
//!
//! In:    the text of a spool as somebody typed it; the name of the case's material profile.
//! Out:   whether the two are the same material.
//! Holds: one polymer is one material however it is spelt, in which colour and of which maker; what is filled or foamed is
//!        another one, and so is a grade that is marked at the name and not known here.
//! Never: a guess. A spool that names no material, or two, agrees with nothing.

use std::collections::BTreeSet;

/// Polymers, and how else they are written, in letters alone.
const FAMILIES: [(&str, &[&str]); 24] = [
    ("pla", &["pla", "polylactic", "polylactide"]),
    ("pha", &["pha"]),
    ("pcl", &["pcl"]),
    ("petg", &["petg"]),
    ("pet", &["pet", "cpe"]),
    ("pctg", &["pctg"]),
    ("abs", &["abs"]),
    ("asa", &["asa"]),
    ("pc", &["pc", "polycarbonate"]),
    ("pa", &["pa", "nylon", "polyamide"]),
    ("pp", &["pp", "polypropylene"]),
    ("tpu", &["tpu", "tpe", "flex"]),
    ("hips", &["hips"]),
    ("pva", &["pva", "bvoh"]),
    ("pvb", &["pvb"]),
    ("pmma", &["pmma"]),
    ("pom", &["pom"]),
    ("pvdf", &["pvdf"]),
    ("pps", &["pps"]),
    ("ppsu", &["ppsu", "psu"]),
    ("pei", &["pei", "ultem"]),
    ("peek", &["peek"]),
    ("pekk", &["pekk"]),
    ("paek", &["paek"]),
];

/// Marks of a grade that is the same polymer and nothing in it: toughened, recycled, for high speed.
const GRADES: [&str; 9] = ["r", "plus", "pro", "hd", "hs", "hf", "st", "tough", "basic"];

/// What is mixed in. It flows, shrinks and holds otherwise than the polymer alone.
const FILLERS: [(&str, How, &str); 36] = [
    ("cf", How::Whole, "CF"),
    ("carbon", How::Begins, "CF"),
    ("gf", How::Whole, "GF"),
    ("glass", How::Begins, "GF"),
    ("kf", How::Whole, "aramid"),
    ("af", How::Whole, "aramid"),
    ("aramid", How::Begins, "aramid"),
    ("kevlar", How::Begins, "aramid"),
    ("fiber", How::Within, "fibre"),
    ("fibre", How::Within, "fibre"),
    ("wood", How::Begins, "wood"),
    ("bamboo", How::Begins, "wood"),
    ("cork", How::Begins, "wood"),
    ("hemp", How::Begins, "wood"),
    ("straw", How::Begins, "wood"),
    ("coffee", How::Begins, "wood"),
    ("metal", How::Whole, "metal"),
    ("iron", How::Whole, "metal"),
    ("steel", How::Begins, "metal"),
    ("tungsten", How::Begins, "metal"),
    ("magnet", How::Begins, "metal"),
    ("stone", How::Begins, "mineral"),
    ("ceram", How::Begins, "mineral"),
    ("mineral", How::Begins, "mineral"),
    ("chalk", How::Begins, "mineral"),
    ("talc", How::Begins, "mineral"),
    ("barium", How::Begins, "mineral"),
    ("esd", How::Whole, "ESD"),
    ("conductiv", How::Within, "ESD"),
    ("glow", How::Begins, "glow"),
    ("lw", How::Whole, "foaming"),
    ("lightweight", How::Within, "foaming"),
    ("aero", How::Begins, "foaming"),
    ("foam", How::Within, "foaming"),
    ("filled", How::Within, "filled"),
    ("fill", How::Ends, "filled"),
];

/// Where in a word it stands.
#[derive(Clone, Copy)]
enum How {
    /// The word is it: codes, and words that are colours or something else within others.
    Whole,
    /// `woodfill`, `steel`.
    Begins,
    /// `copperfill`.
    Ends,
    /// `carbonfiber`, `nonconductive`.
    Within,
}

/// A full spool for a holder is no filler.
const NO_FILLER: [&str; 2] = ["refill", "polyfill"];
/// A mark at the name (`PLA-XY`) has no more letters; what is longer is a word, a colour perhaps.
const MARK_MAX: usize = 3;

/// What a spool's text says beside a material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spool {
    /// The case's material, and no other.
    Agrees,
    /// Another one, in words.
    Other(String),
    /// None that is known.
    Unsaid,
}

/// What `spool` says of `material`, the name a case was sliced for, e.g. `pla`.
pub(super) fn compare(spool: &str, material: &str) -> Spool {
    let (said, wanted) = (Said::read(spool), Said::read(material));
    if said.families.is_empty() {
        // A material nobody lists agrees by its own name.
        let own = words(material);
        let known = wanted.families.is_empty() && words(spool).iter().any(|w| own.contains(w));
        return if known { Spool::Agrees } else { Spool::Unsaid };
    }
    if said == wanted {
        Spool::Agrees
    } else {
        Spool::Other(said.in_words())
    }
}

/// What a text says of a material.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// By their place in [`FAMILIES`].
    families: BTreeSet<usize>,
    fillers: BTreeSet<&'static str>,
    /// Marks at the name that nobody knows here.
    marks: BTreeSet<String>,
}

impl Said {
    fn read(text: &str) -> Self {
        let mut said = Self::default();
        let lower = text.to_lowercase();
        for group in lower.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')) {
            said.group(group);
        }
        // Two words that are one.
        let all = words(text);
        for pair in all.windows(2) {
            said.fillers.extend(filler(&pair.concat()).filter(|_| {
                pair.iter().all(|w| w.len() > MARK_MAX) && pair.iter().all(|w| filler(w).is_none())
            }));
        }
        // Of what, is said beside it.
        for general in ["filled", "fibre"] {
            if said.fillers.len() > 1 {
                said.fillers.remove(general);
            }
        }
        said
    }

    /// What is written in one: `PET-G`, `PLA22-117`, `PA6-CF15`, `LW-PLA`.
    fn group(&mut self, group: &str) {
        let parts: Vec<&str> = group
            .split(|c: char| !c.is_alphabetic())
            .filter(|p| !p.is_empty())
            .collect();
        let (mut marks, mut named) = (Vec::new(), false);
        let mut n = 0;
        while n < parts.len() {
            // The longest name first: PET-G is no PET.
            let names = (n + 1..=parts.len()).rev();
            let found = names.filter_map(|end| Some((family(&parts[n..end].concat())?, end)));
            if let Some((family, end)) = found.into_iter().next() {
                (named, n) = (true, end);
                self.families.insert(family);
                continue;
            }
            match joined(parts[n]) {
                Some((family, mark)) => {
                    named = true;
                    self.families.insert(family);
                    marks.push(mark);
                }
                None => marks.push(parts[n]),
            }
            n += 1;
        }
        for mark in marks {
            match filler(mark) {
                Some(filler) => drop(self.fillers.insert(filler)),
                None if named && mark.len() <= MARK_MAX && !GRADES.contains(&mark) => {
                    self.marks.insert(mark.into());
                }
                None => {}
            }
        }
    }

    fn in_words(&self) -> String {
        let families = self.families.iter().map(|n| FAMILIES[*n].0.to_uppercase());
        let marks = self.marks.iter().map(|m| m.to_uppercase());
        let fillers = self.fillers.iter().map(|f| (*f).to_owned());
        let all: Vec<String> = families.chain(marks).chain(fillers).collect();
        all.join(" ")
    }
}

/// The polymer that is called so.
fn family(word: &str) -> Option<usize> {
    FAMILIES.iter().position(|(_, names)| names.contains(&word))
}

/// A name and a mark that is known, written as one: `rPLA`, `PLACF`.
fn joined(word: &str) -> Option<(usize, &str)> {
    let is_mark = |mark: &str| GRADES.contains(&mark) || filler(mark).is_some();
    let cuts = word.char_indices().map(|(at, _)| word.split_at(at));
    cuts.filter(|(a, b)| !a.is_empty() && !b.is_empty())
        .find_map(|(a, b)| {
            // Two letters are the beginning of many words.
            let name = |name: &str| family(name).filter(|_| name.len() > 2);
            let first = name(a).filter(|_| is_mark(b)).map(|f| (f, b));
            first.or_else(|| name(b).filter(|_| is_mark(a)).map(|f| (f, a)))
        })
}

/// What is mixed in, by this word.
fn filler(word: &str) -> Option<&'static str> {
    if NO_FILLER.contains(&word) || family(word).is_some() {
        return None;
    }
    let found = FILLERS.iter().find(|(stem, how, _)| match how {
        How::Whole => word == *stem,
        How::Begins => word.starts_with(stem),
        How::Ends => word.ends_with(stem),
        How::Within => word.contains(stem),
    });
    found.map(|(_, _, name)| *name)
}

/// Words of letters, in lower case.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphabetic())
        .filter(|w| !w.is_empty())
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_agrees_with_its_own_material_however_it_is_written() {
        for (spool, material) in [
            ("PLA 22-117", "pla"),
            ("pla", "pla"),
            ("PLA+ white, lot 7", "pla"),
            ("Prusament PLA22-117", "pla"),
            ("22/PLA", "pla"),
            ("rPLA grey", "pla"),
            ("R-PLA", "pla"),
            ("PLA_HS 4", "pla"),
            ("PLA-white", "pla"),
            ("PLA refill 1 kg", "pla"),
            ("PLA Silk Copper", "pla"),
            ("Polylactic acid 3", "pla"),
            ("PET-G 5", "petg"),
            ("Pet_G", "petg"),
            ("PETG", "petg"),
            ("PETG-CF 3", "petg-cf"),
            ("PETG carbon fibre", "petg-cf"),
            ("CF-PETG", "petg-cf"),
            ("Polycarbonate 2", "pc"),
            ("PA12 lot 4", "pa"),
            ("PEEK 450G", "peek-450"),
            ("Bonemix 3", "bonemix"),
        ] {
            assert_eq!(compare(spool, material), Spool::Agrees, "{spool}");
        }
    }

    #[test]
    fn another_polymer_a_filled_or_foamed_one_and_an_unknown_grade_do_not_agree() {
        for (spool, said) in [
            ("ABS 3", "ABS"),
            ("abs", "ABS"),
            ("PETG 22-117", "PETG"),
            ("PET-G 22-117", "PETG"),
            ("PLA/ABS", "PLA ABS"),
            ("PLA/PHA", "PLA PHA"),
            ("Nylon 6", "PA"),
            ("PA12 lot 4", "PA"),
            ("PLA-CF 9", "PLA CF"),
            ("PLACF", "PLA CF"),
            ("CF PLA", "PLA CF"),
            ("PLA carbon-fibre", "PLA CF"),
            ("PLA Woodfill", "PLA wood"),
            ("PLA wood fill", "PLA wood"),
            ("Corkfill PLA", "PLA wood"),
            ("PLA copperfill", "PLA filled"),
            ("mineral filled PLA", "PLA mineral"),
            ("PLA Stonefill 3", "PLA mineral"),
            ("LW-PLA", "PLA foaming"),
            ("LWPLA", "PLA foaming"),
            ("PLA light weight", "PLA foaming"),
            ("PLA Lightweight natural", "PLA foaming"),
            ("PLA Aero", "PLA foaming"),
            ("PLA electrically conductive", "PLA ESD"),
            ("Glow PLA", "PLA glow"),
            ("HT-PLA", "PLA HT"),
        ] {
            assert_eq!(compare(spool, "pla"), Spool::Other(said.into()), "{spool}");
        }
        assert_eq!(compare("PETG 3", "petg-cf"), Spool::Other("PETG".into()));
        assert_eq!(compare("PLA 3", "bonemix"), Spool::Other("PLA".into()));
        assert_eq!(compare("PET 3", "petg"), Spool::Other("PET".into()));
    }

    #[test]
    fn a_spool_that_names_none_says_nothing() {
        let said = [
            "22-117",
            "demo spool",
            "white",
            "PLATINUM 5",
            "x",
            "build plate",
            "plastic",
            "Wood 3",
            "absent",
            "",
        ];
        for unsaid in said {
            assert_eq!(compare(unsaid, "pla"), Spool::Unsaid, "{unsaid}");
        }
    }
}
