//! Materials: does what stands on the spool agree with what the case was sliced for?
//!
//! Never: a guess. A spool that names no material, or two, agrees with nothing.

/// Families a spool may name, and how else they are written. Filled ones print otherwise than their base: a spool of
/// `PLA-CF` is no spool of PLA.
const FAMILIES: [(&str, &[&str]); 22] = [
    ("pla", &["pla", "plahd"]),
    ("petg", &["petg"]),
    ("pet", &["pet", "cpe"]),
    ("pctg", &["pctg"]),
    ("abs", &["abs"]),
    ("asa", &["asa"]),
    ("pc", &["pc", "polycarbonate"]),
    ("pa", &["pa", "pa6", "pa11", "pa12", "nylon", "polyamide"]),
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
/// What is mixed in; it makes another material of the family.
const FILLERS: [&str; 9] = [
    "cf",
    "gf",
    "wood",
    "metal",
    "carbon",
    "glass",
    "esd",
    "conductive",
    "steel",
];

/// What a spool's text says beside a material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spool {
    /// The case's material, and no other.
    Agrees,
    /// Another one, in capitals as on the spool.
    Other(String),
    /// None that is known.
    Unsaid,
}

/// What `spool` says of `material`, the name a case was sliced for, e.g. `pla`.
pub(super) fn compare(spool: &str, material: &str) -> Spool {
    // A profile of one's own may be called by more than its family: `peek-450`.
    let wanted = families(material);
    let named = families(spool);
    let own = |word: &String| words(material).contains(word);
    if named.is_empty() {
        // A material nobody lists agrees by its own name.
        let known = wanted.is_empty() && words(spool).iter().any(own);
        return if known { Spool::Agrees } else { Spool::Unsaid };
    }
    if named == wanted && fillers(spool) == fillers(material) {
        return Spool::Agrees;
    }
    let mut said: Vec<String> = named.iter().map(|f| f.to_uppercase()).collect();
    said.extend(fillers(spool).iter().map(|f| f.to_uppercase()));
    Spool::Other(said.join(" "))
}

/// Families named in `text`, in the order of the list, each once.
fn families(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let named = |names: &&(&str, &[&str])| names.1.iter().any(|n| words.iter().any(|w| w == n));
    FAMILIES.iter().filter(named).map(|f| f.0).collect()
}

fn fillers(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let named = |filler: &&str| words.iter().any(|w| w == *filler);
    FILLERS.iter().copied().filter(named).collect()
}

/// Words of letters, and words as they stand with their digits (`PA12`), in lower case: `PLA22-117` names `pla`.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let letters = lower.split(|c: char| !c.is_alphabetic());
    let whole = lower.split(|c: char| !c.is_alphanumeric());
    letters
        .chain(whole)
        .filter(|w| !w.is_empty())
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_agrees_with_its_own_material_alone() {
        for good in [
            "PLA 22-117",
            "pla",
            "PLA+ white, lot 7",
            "Prusament PLA22-117",
            "22/PLA",
        ] {
            assert_eq!(compare(good, "pla"), Spool::Agrees, "{good}");
        }
        for (bad, said) in [
            ("ABS 3", "ABS"),
            ("abs", "ABS"),
            ("PETG 22-117", "PETG"),
            ("PLA/ABS", "PLA ABS"),
            ("PLA-CF 9", "PLA CF"),
            ("Nylon 6", "PA"),
            ("PA12 lot 4", "PA"),
        ] {
            assert_eq!(compare(bad, "pla"), Spool::Other(said.into()), "{bad}");
        }
        for unsaid in ["22-117", "demo spool", "white", "PLATINUM 5", "x"] {
            assert_eq!(compare(unsaid, "pla"), Spool::Unsaid, "{unsaid}");
        }
    }

    #[test]
    fn a_profile_of_ones_own_is_known_by_its_family_or_its_name() {
        assert_eq!(compare("PEEK 450G", "peek-450"), Spool::Agrees);
        assert_eq!(compare("PETG-CF 3", "petg-cf"), Spool::Agrees);
        assert_eq!(compare("PETG 3", "petg-cf"), Spool::Other("PETG".into()));
        assert_eq!(compare("Bonemix 3", "bonemix"), Spool::Agrees);
        assert_eq!(compare("PLA 3", "bonemix"), Spool::Other("PLA".into()));
    }
}
