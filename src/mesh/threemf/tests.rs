use super::*;
use crate::mesh::check::inspect;
use crate::mesh::testing::cuboid;
use crate::space::Lps;
use proptest::prelude::*;
use std::io::Write;

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, xml) in files {
        writer.start_file(*name, options).unwrap();
        writer.write_all(xml.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zipped(name: &str, xml: &str) -> Vec<u8> {
    archive(&[(name, xml)])
}

fn cube_object(id: u32, prefix: &str) -> String {
    let mesh = cuboid([0.0; 3], [10.0; 3]);
    let mut out =
        format!("<{prefix}object id='{id}' type=\"model\"><{prefix}mesh><{prefix}vertices>");
    for v in &mesh.vertices {
        let [x, y, z] = v.0;
        out += &format!("<{prefix}vertex x=\"{x}\" y='{y}' z=\"{z}\" />");
    }
    out += &format!("</{prefix}vertices><{prefix}triangles>");
    for [a, b, c] in mesh.triangles {
        out += &format!("<{prefix}triangle v1=\"{a}\" v2=\"{b}\" v3=\"{c}\"/>");
    }
    out + &format!("</{prefix}triangles></{prefix}mesh></{prefix}object>")
}

fn model(unit: &str, resources: &str, build: &str) -> Vec<u8> {
    let xml = format!(
        "<?xml version=\"1.0\"?><!-- a > b --><model unit=\"{unit}\" xmlns:m='x>y'>\
         <resources>{resources}</resources><build>{build}</build></model>"
    );
    zipped("3D/3dmodel.model", &xml)
}

#[test]
fn units_are_honoured() {
    for (unit, mm) in [("millimeter", 1.0f64), ("inch", 25.4), ("micron", 0.001)] {
        let bytes = model(unit, &cube_object(1, ""), "<item objectid=\"1\"/>");
        let mesh: Mesh<Lps> = read(&bytes).unwrap().mesh;
        let want = (10.0 * mm).powi(3);
        assert!((mesh.volume_mm3() / want - 1.0).abs() < 1e-9, "{unit}");
    }
    let bytes = model("cubit", &cube_object(1, ""), "<item objectid=\"1\"/>");
    assert!(
        read::<Lps>(&bytes)
            .unwrap_err()
            .to_string()
            .contains("cubit")
    );
}

#[test]
fn components_and_items_are_placed() {
    let resources = cube_object(1, "m:")
        + "<object id=\"2\"><components><component objectid=\"1\" \
           transform=\"1 0 0 0 1 0 0 0 1 100 0 0\"/><component objectid=\"1\"/></components></object>";
    // A quarter turn about z and a shift: x goes to y.
    let build = "<item objectid=\"2\" transform=\"0 1 0 -1 0 0 0 0 1 0 0 5\"/>\
                 <item objectid=\"1\" printable=\"0\"/>";
    let mesh: Mesh<Lps> = read(&model("millimeter", &resources, build)).unwrap().mesh;
    let report = inspect(&mesh);
    assert!(report.is_solid() && report.parts.len() == 2, "{report:?}");
    let (low, high) = mesh.bounds().unwrap();
    assert_eq!((low.0, high.0), ([-10.0, 0.0, 5.0], [0.0, 110.0, 15.0]));
}

#[test]
fn broken_models_are_refused() {
    let endless = "<object id=\"1\"><components><component objectid=\"1\"/></components></object>";
    for bytes in [
        b"PK nothing".to_vec(),
        zipped("readme.txt", "hello"),
        zipped("3D/3dmodel.model", "<model><resources><object id='1'"),
        model("millimeter", "", "<item objectid=\"7\"/>"),
        model("millimeter", endless, "<item objectid=\"1\"/>"),
        model(
            "millimeter",
            &cube_object(1, "").replace("v1=\"0\"", "v1=\"99\""),
            "",
        ),
        model(
            "millimeter",
            &cube_object(1, "").replace("x=\"10\"", "x=\"NaN\""),
            "",
        ),
        model("millimeter", &cube_object(1, ""), ""),
        model(
            "millimeter",
            &cube_object(1, ""),
            "<item p:path=\"/a\" objectid=\"1\"/>",
        ),
    ] {
        assert!(read::<Lps>(&bytes).is_err());
    }
}

/// A model of one cube whose `<model>` tag carries `attributes`.
fn cube_with(attributes: &str) -> String {
    let object = cube_object(1, "");
    format!(
        "<model {attributes}><resources>{object}</resources><build><item objectid='1'/></build></model>"
    )
}

const PRODUCTION: &str = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06";

#[test]
fn required_extensions_that_are_not_known_are_refused_by_name() {
    let lattice = "http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02";
    for (attributes, name) in [
        (
            format!("xmlns:b='{lattice}' requiredextensions='b'"),
            lattice,
        ),
        (
            format!("xmlns:p='{PRODUCTION}' xmlns:x='urn:mine' requiredextensions='p x'"),
            "urn:mine",
        ),
        ("requiredextensions='q'".into(), "'q'"),
    ] {
        let error = read::<Lps>(&zipped("3D/3dmodel.model", &cube_with(&attributes))).unwrap_err();
        assert!(matches!(error, MeshError::Unread(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // Known ones, and those that nobody requires.
    for attributes in [
        format!("xmlns:p='{PRODUCTION}' requiredextensions=' p '"),
        format!("xmlns:b='{lattice}'"),
    ] {
        assert!(read::<Lps>(&zipped("3D/3dmodel.model", &cube_with(&attributes))).is_ok());
    }
}

#[test]
fn shapes_that_are_no_mesh_are_refused_by_name() {
    let plain = cube_with("");
    for (from, to, name) in [
        (
            "</mesh>",
            "<b:beamlattice radius='1'/></mesh>",
            "beamlattice",
        ),
        ("</mesh>", "</mesh><v:levelset/>", "levelset"),
        (
            "<object id='1'",
            "<object s:slicestackid='4' id='1'",
            "slices",
        ),
    ] {
        assert!(plain.contains(from));
        let error = read::<Lps>(&zipped("3D/3dmodel.model", &plain.replace(from, to))).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    // Names and sets of triangles are no shape.
    let named = plain.replace("</mesh>", "<t:trianglesets><t:triangleset name='a'><t:ref index='1'/></t:triangleset></t:trianglesets></mesh><metadatagroup><metadata name='a'>b</metadata></metadatagroup>");
    assert!(read::<Lps>(&zipped("3D/3dmodel.model", &named)).is_ok());
}

#[test]
fn a_second_model_is_refused() {
    let two = cube_with("") + &cube_with("");
    let error = read::<Lps>(&zipped("3D/3dmodel.model", &two)).unwrap_err();
    assert!(error.to_string().contains("second model"), "{error}");
}

/// Two cubes in one object: triangles 0 to 11, and 12 to 23, 50 mm to the right.
fn two_volumes() -> String {
    let mut both = cuboid([0.0; 3], [10.0; 3]);
    both = crate::mesh::testing::joined(&both, &cuboid([50.0; 3], [60.0; 3]));
    let vertices: String = (both.vertices.iter())
        .map(|v| format!("<vertex x='{}' y='{}' z='{}'/>", v.0[0], v.0[1], v.0[2]))
        .collect();
    let triangles: String = (both.triangles.iter())
        .map(|t| format!("<triangle v1='{}' v2='{}' v3='{}'/>", t[0], t[1], t[2]))
        .collect();
    format!(
        "<model><resources><object id='7'><mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh>\
         </object></resources><build><item objectid='7'/></build></model>"
    )
}

/// Settings as PrusaSlicer writes them: the first cube a part, the second what `metadata` says.
fn prusa(metadata: &str) -> String {
    format!(
        "<?xml version='1.0'?><config><object id='7'><volume firstid='0' lastid='11'>\
         <metadata type='volume' key='volume_type' value='ModelPart'/></volume>\
         <volume firstid='12' lastid='23'><metadata type='volume' key='name' value='box'/>{metadata}</volume>\
         </object></config>"
    )
}

#[test]
fn volumes_that_only_change_settings_are_left_out_and_said() {
    let model = two_volumes();
    let with = |name: &str, settings: &str| {
        read::<Lps>(&archive(&[("3D/3dmodel.model", &model), (name, settings)]))
    };
    let file = "Metadata/Slic3r_PE_model.config";
    for (key, kind) in [
        ("volume_type", "ParameterModifier"),
        ("volume_type", "SupportBlocker"),
        ("modifier", "1"),
    ] {
        let settings = prusa(&format!(
            "<metadata type='volume' key='{key}' value='{kind}'/>"
        ));
        let loaded = with(file, &settings).unwrap();
        assert!((loaded.mesh.volume_mm3() - 1000.0).abs() < 1e-9);
        assert_eq!(loaded.mesh.bounds().unwrap().1.0, [10.0; 3], "{kind}");
        assert!(loaded.findings[0].text.contains("object 7"));
    }
    let part = "<metadata type='volume' key='volume_type' value='ModelPart'/>";
    let whole = with(file, &prusa(part)).unwrap();
    assert!((whole.mesh.volume_mm3() - 2000.0).abs() < 1e-9 && whole.findings.is_empty());
    let negative = "<metadata type='volume' key='volume_type' value='NegativeVolume'/>";
    let error = with(file, &prusa(negative)).unwrap_err();
    assert!(error.to_string().contains("NegativeVolume"), "{error}");
    let endless = prusa("").replace("lastid='23'", "lastid='99999999999999999999'");
    assert!(with(file, &endless).is_err());
    let beyond =
        prusa("<metadata key='modifier' value='1'/>").replace("'23'", "'18446744073709551614'");
    assert!(with(file, &beyond).is_ok());
}

#[test]
fn parts_of_other_slicers_that_only_change_settings_are_left_out() {
    let resources = cube_object(1, "") + &cube_object(2, "");
    let model = format!(
        "<model><resources>{resources}<object id='3'><components><component objectid='1'/>\
         <component objectid='2' transform='1 0 0 0 1 0 0 0 1 30 0 0'/></components></object></resources>\
         <build><item objectid='3'/></build></model>"
    );
    let with = |subtype: &str| {
        let settings = format!(
            "<config><object id='3'><part id='1' subtype='normal_part'/><part id='2' subtype='{subtype}'/></object></config>"
        );
        let files = [
            ("3D/3dmodel.model", &*model),
            ("Metadata/model_settings.config", &settings),
        ];
        read::<Lps>(&archive(&files))
    };
    assert_eq!(with("normal_part").unwrap().mesh.triangles.len(), 24);
    let loaded = with("modifier_part").unwrap();
    assert_eq!(
        (loaded.mesh.triangles.len(), loaded.findings.len()),
        (12, 1)
    );
    assert!(with("negative_part").is_err());
}

proptest! {
    #[test]
    fn no_xml_panics(
        tags in prop::collection::vec(
            prop::sample::select(vec![
                "<model requiredextensions='p'>", "<object id='1'>", "</object>", "<object id='2'/>", "<vertex x='1' y='2' z='3'/>",
                "<triangle v1='0' v2='1' v3='2'/>", "<component objectid='1'/>", "<item objectid='1'/>", "<item transform='1'/>",
                "<!-- ", "-->", "<", "'", "<volume firstid='0' lastid='5'>", "<metadata key='modifier' value='1'/>", "<b:x>",
            ]),
            0..40,
        )
    ) {
        let xml = tags.concat();
        let _ = read::<Lps>(&archive(&[("3D/3dmodel.model", &xml), ("Metadata/Slic3r_PE_model.config", &xml)]));
    }
}
