use super::*;

fn laid(dir: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join("bundle.raucb");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn payload(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK).map(|n| (n * 31 % 251) as u8).collect()
}

#[test]
fn a_bundle_is_whole_or_it_is_said_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    // One block, one level, and two of them.
    for blocks in [1, 2, 128, 300] {
        let (bytes, verity) = bundle_of(&payload(blocks), b"signature");
        let path = laid(dir.path(), &bytes);
        let mut heard = 0.0;
        check(&path, &verity, &mut |f| heard = f).unwrap();
        assert_eq!(heard, 1.0);
        let said = |bytes: &[u8]| {
            let path = laid(dir.path(), bytes);
            check(&path, &verity, &mut |_| ()).unwrap_err().to_string()
        };
        let mut one = bytes.clone();
        one[blocks * BLOCK / 2] ^= 1;
        assert!(said(&one).contains("not what was signed"));
        if blocks > 1 {
            let mut one = bytes.clone();
            one[blocks * BLOCK + 3] ^= 1;
            assert!(said(&one).contains("hashes"));
        }
        let cut = said(&bytes[..bytes.len() - BLOCK]);
        assert!(
            cut.contains("cut off") || cut.contains("not what was signed"),
            "{cut}"
        );
    }
}

#[test]
fn nonsense_is_refused_and_allocates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, verity) = bundle_of(&payload(2), b"s");
    let said = |bytes: &[u8], verity: &Verity| {
        let path = laid(dir.path(), bytes);
        check(&path, verity, &mut |_| ()).unwrap_err().to_string()
    };
    let with = |change: fn(&mut Verity)| {
        let mut other = verity.clone();
        change(&mut other);
        other
    };
    assert!(said(b"", &verity).contains("cut off"));
    assert!(said(&[255; 100], &verity).contains("cut off"));
    assert!(said(&bytes, &with(|v| v.tree_bytes = u64::MAX)).contains("cut off"));
    assert!(said(&bytes, &with(|v| v.root = "zz".into())).contains("manifest"));
    assert!(said(&bytes, &with(|v| v.salt = "a".into())).contains("manifest"));
    assert!(said(&bytes, &with(|v| v.salt = "\u{e4}".into())).contains("manifest"));
}

#[test]
fn the_tree_is_that_of_veritysetup() {
    // `veritysetup format --no-superblock --salt 07…07` over two blocks of zeros: the level is the two leaves in a
    // block of their own, so the root is the hash of that block.
    let salt = [7; 32];
    let leaf = hash(&salt, &[0; BLOCK]);
    let mut level = [leaf, leaf].concat();
    level.resize(BLOCK, 0);
    let (root, tree) = tree_of([leaf, leaf].concat(), &salt);
    assert_eq!((root, tree), (hash(&salt, &level).to_vec(), level));
}
