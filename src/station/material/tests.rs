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
        assert_eq!(compare(spool, material, &[]), Spool::Agrees, "{spool}");
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
        assert_eq!(
            compare(spool, "pla", &[]),
            Spool::Other(said.into()),
            "{spool}"
        );
    }
    assert_eq!(
        compare("PETG 3", "petg-cf", &[]),
        Spool::Other("PETG".into())
    );
    assert_eq!(compare("PLA 3", "bonemix", &[]), Spool::Other("PLA".into()));
    assert_eq!(compare("PET 3", "petg", &[]), Spool::Other("PET".into()));
}

#[test]
fn a_spool_that_denies_its_material_is_asked_about() {
    for spool in [
        "no PLA",
        "No PLA on it",
        "not PLA",
        "no-PLA",
        "kein PLA",
        "non PLA 3",
    ] {
        let said = compare(spool, "pla", &[]);
        assert!(matches!(said, Spool::Strange(_)), "{spool}: {said:?}");
    }
    for spool in ["PLA no 22-117", "PLA, no. 4", "no 4 PLA"] {
        assert_eq!(compare(spool, "pla", &[]), Spool::Agrees, "{spool}");
    }
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
        assert_eq!(compare(unsaid, "pla", &[]), Spool::Unsaid, "{unsaid}");
    }
}

/// What stands on a spool, and whether it is PLA and nothing else.
#[test]
fn a_table_of_spools_for_pla() {
    let agree = [
        "PLA",
        "pla",
        "Pla",
        "PLA 22-117",
        "PLA22-117",
        "PLA-22-117",
        "PLA_22-117",
        "PLA/22-117",
        "22-117 PLA",
        "PLA, 22-117",
        "PLA (22-117)",
        "PLA: 22-117",
        "PLA-LOT7",
        "PLA LOT 7",
        "PLA lot C",
        "PLA batch QX",
        "PLA lot KX22117",
        "PLA KX22117",
        "PLA 22-117-B",
        "PLA-BLK",
        "PLA BLK 3",
        "PLA wht",
        "PLA 1.75 mm",
        "PLA 1,75mm 1kg",
        "PLA Ø1.75 1000 g",
        "PLA 2.85mm 0.75 kg",
        "PLA 215C",
        "PLA 3D870",
        "PLA 4043D",
        "Ingeo PLA 4043D",
        "PLA 870",
        "100 % PLA",
        "PLA 50 % left",
        "PLA white",
        "PLA-white",
        "PLAwhite",
        "white PLA",
        "PLA black",
        "PLA grey",
        "PLA gray",
        "PLA natural",
        "PLA clear",
        "PLA transparent blue",
        "PLA light blue",
        "PLA lightblue",
        "PLA dark-grey",
        "PLA blue, dark",
        "PLA off-white",
        "PLA offwhite",
        "PLA hot pink",
        "PLA matt white",
        "PLA mattblack",
        "PLA silk gold",
        "PLA Silk Copper",
        "PLA silk bronze",
        "PLA metallic grey",
        "PLA steel grey",
        "PLA steelgrey",
        "PLA iron grey",
        "PLA stone grey",
        "PLA stone-white",
        "PLA slate grey",
        "PLA graphite black",
        "PLA titanium grey",
        "PLA bamboo green",
        "PLA coffee brown",
        "PLA ash grey",
        "Glass-clear PLA",
        "PLA glass clear",
        "PLA cobalt blue",
        "PLA weiß",
        "PLA schwarz",
        "PLA hellgrau",
        "PLA RAL 9010",
        "PLA Galaxy Black",
        "Prusament PLA Galaxy Black 22-117",
        "Prusament PLA22-117",
        "Fillamentum PLA Extrafill white",
        "FormFutura EasyFil PLA",
        "eSun PLA+",
        "eSUN PLA+ cool white",
        "Polymaker PolyLite PLA",
        "Bambu Lab PLA Basic",
        "colorFabb PLA",
        "PLA+",
        "PLA +",
        "PLA++",
        "PLA Plus",
        "PLA+white",
        "PLA Pro",
        "Tough PLA",
        "rPLA",
        "R-PLA",
        "recycled PLA",
        "PLA-HS",
        "high speed PLA",
        "PLA rapid",
        "PLA refill",
        "white refill PLA 1 kg",
        "PLA filament",
        "polylactic acid",
        "Polylactide 22-117",
        "PLA, opened 3 May",
        "PLA new, lot 7",
        "PLA spool 12 of 20",
        "PLA shelf B",
        "dry PLA 22",
    ];
    let other = [
        "PLA/PE",
        "PLA/PS",
        "PLA PS",
        "PLA/PLGA",
        "PLA PBAT",
        "PLA-PBAT",
        "PLAPBAT",
        "PLA+PBS",
        "PLA PBT",
        "PLA/EVA",
        "PLA SAN",
        "PLA PCTFE",
        "PLA/PCL",
        "PLA/PHA",
        "PLA-PEG",
        "PLA TPU",
        "PLA TPS",
        "PLA flex",
        "PLA starch",
        "PLA cellulose",
        "PLLA",
        "PLGA",
        "PDLLA 3",
        "PLA/HA",
        "PLA-HA20",
        "PLA nHA",
        "PLA hydroxyapatite",
        "PLA+TCP",
        "PLA/β-TCP",
        "PLA bTCP",
        "PLA tricalcium phosphate",
        "PLA BCP",
        "PLA bioglass",
        "PLA bio-glass",
        "PLA BG 45S5",
        "PLA bioactive",
        "PLA graphene",
        "PLA graphite",
        "PLA CNT",
        "PLA nanoclay",
        "PLA C",
        "PLA-C",
        "PLA-C15",
        "PLA-C-22",
        "C-PLA",
        "PLA X",
        "PLA-X3",
        "PLA CF",
        "PLA-CF15",
        "PLA CF 22-117",
        "PLACF",
        "PLA carbon",
        "PLA carbon fibre 15 %",
        "PLA 20 %",
        "PLA GF30",
        "PLA glass",
        "PLA glass fibre",
        "PLA basalt",
        "PLA aramid",
        "PLA wood",
        "PLA bamboo",
        "PLA wood brown",
        "PLA cork",
        "PLA steel",
        "PLA stainless steel",
        "PLA iron",
        "PLA copper",
        "PLA bronze",
        "PLA brassfill",
        "PLA tungsten",
        "PLA magnetic",
        "PLA stone",
        "PLA marble",
        "PLA ceramic",
        "PLA chalk",
        "PLA BaSO4",
        "PLA barium sulphate",
        "PLA zirconia",
        "PLA silica",
        "Flexible PLA",
        "PLA Soft",
        "soft-touch PLA",
        "PLA elastic",
        "PLA rubber",
        "PLA HT",
        "HT-PLA",
        "PLA HT1000",
        "PLA high temp",
        "PLA high impact",
        "PLA HR",
        "LW-PLA",
        "PLA LW",
        "PLA light",
        "PLA light weight white",
        "PLA aero",
        "PLA foaming",
        "PLA ESD",
        "PLA conductive",
        "PLA glow in the dark",
        "PLA thermochromic",
        "PLA antibacterial",
        "PLA zeolite",
        "PLA no zeolite",
        "PLA unobtainium",
        "PLA composite",
        "PLA blend",
        "PLA alloy",
        "PLA support",
        "PLA soluble",
        "ABS",
        "ABS white 22-117",
        "PET-G",
        "PETG clear",
        "PE",
        "PS white",
        "ASA",
        "PLA or ABS",
        "PLA mixed with ABS",
    ];
    assert!(agree.len() + other.len() >= 120);
    let wrong: Vec<_> = agree
        .iter()
        .filter(|spool| compare(spool, "pla", &[]) != Spool::Agrees)
        .map(|spool| (spool, compare(spool, "pla", &[])))
        .collect();
    assert!(wrong.is_empty(), "refused: {wrong:?}");
    let wrong: Vec<_> = other
        .iter()
        .filter(|spool| compare(spool, "pla", &[]) == Spool::Agrees)
        .collect();
    assert!(wrong.is_empty(), "agreed: {wrong:?}");
}

#[test]
fn a_room_names_the_words_of_its_own_spools_and_no_material_among_them() {
    let known = ["Kurbelwerk".to_string(), "Vertigo ABS CF".into()];
    let said = |spool: &str| compare(spool, "pla", &known);
    assert_eq!(said("Kurbelwerk PLA vertigo"), Spool::Agrees);
    assert_eq!(
        compare("Kurbelwerk PLA", "pla", &[]),
        Spool::Strange("kurbelwerk".into())
    );
    assert_eq!(said("Kurbelwerk ABS"), Spool::Other("ABS".into()));
    assert_eq!(said("Kurbelwerk PLA CF"), Spool::Other("PLA CF".into()));
    assert_eq!(
        said("Kurbelwerk PLA zeolite"),
        Spool::Strange("zeolite".into())
    );
}

/// The text of one spool against that of another, as after an interrupted print.
#[test]
fn two_spools_are_compared_by_the_same_rule() {
    let known = ["Kurbelwerk".to_string(), "bonemix".into()];
    for (spool, before) in [
        ("PETG white 22-118", "PETG red 22-117"),
        ("Kurbelwerk PETG 3", "PETG 2"),
        ("PETG 3", "Kurbelwerk PETG 2"),
        ("Bonemix 3", "bonemix"),
    ] {
        let said = compare(spool, before, &known);
        assert_eq!(said, Spool::Agrees, "{spool} after {before}");
    }
    for (spool, before) in [
        ("PETG CF 3", "PETG 2"),
        ("PETG 3", "PETG zeolite 2"),
        ("Kurbelwerk 3", "bonemix"),
    ] {
        let said = compare(spool, before, &known);
        assert_ne!(said, Spool::Agrees, "{spool} after {before}");
    }
}

#[test]
fn other_materials_go_by_the_same_rule() {
    for (spool, material) in [
        ("PET-G white", "petg"),
        ("PETG steel grey", "petg"),
        ("PETG glass-clear", "petg"),
        ("PETG CF black 22-117", "petg-cf"),
        ("PEEK natural 450G", "peek"),
        ("PLA/HA 3", "pla-ha"),
        ("Bonemix white lot 7", "bonemix"),
    ] {
        assert_eq!(compare(spool, material, &[]), Spool::Agrees, "{spool}");
    }
    for (spool, material) in [
        ("PET-G GF", "petg"),
        ("PET G", "petg"),
        ("PET G", "pet"),
        ("PETG", "petg-cf"),
        ("PLA", "pla-ha"),
        ("PEEK HA", "peek"),
        ("Bonemix graphene", "bonemix"),
        ("Bonemix zeolite", "bonemix"),
        ("Bonemix ABS", "bonemix"),
        ("white", "bonemix"),
    ] {
        assert_ne!(compare(spool, material, &[]), Spool::Agrees, "{spool}");
    }
}
