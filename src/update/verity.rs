//! Every block of a bundle is hashed before anything is written: the signature covers the root of a tree of hashes
//! (dm-verity), and RAUC itself looks at a block only when it is read, in the middle of the writing.
//!
//! Layout of the file: payload, hash tree, signature, eight bytes with the signature's length (big-endian).
//! The tree: SHA-256 over salt and block of 4096 bytes; each level's hashes are packed into blocks, 128 to one, the rest
//! zero; the highest level comes first; the root is the hash of its only block.

use super::rauc::Verity;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const BLOCK: usize = 4096;
const HASH: usize = 32;
/// A tree of more bytes is of a bundle above 64 GiB.
const TREE_MAX: u64 = 512 << 20;
/// Bytes read at once.
const CHUNK: usize = 256 * BLOCK;

/// Why a bundle is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Altered {
    /// It can not be read.
    #[error("the bundle can not be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is shorter than it says, or its parts do not add up.
    #[error("the bundle is cut off")]
    Cut,
    /// Its numbers are none.
    #[error("the bundle's manifest is damaged")]
    Manifest,
    /// The payload is not what was signed.
    #[error("the bundle was altered: its content is not what was signed")]
    Content,
    /// The tree beside the payload is not that of the payload.
    #[error("the bundle was altered: its hashes are not those of its content")]
    Tree,
}

/// Hashes all of it. `progress` hears fractions.
///
/// # Errors
/// [`Altered`].
pub fn check(bundle: &Path, verity: &Verity, progress: &mut dyn FnMut(f64)) -> Result<(), Altered> {
    let salt = bytes_of(&verity.salt).ok_or(Altered::Manifest)?;
    let root = bytes_of(&verity.root).ok_or(Altered::Manifest)?;
    let mut file = File::open(bundle)?;
    let payload = payload_bytes(&mut file, verity.tree_bytes)?;
    file.seek(SeekFrom::Start(0))?;
    let leaves = leaves(&mut file, payload, &salt, progress)?;
    let (top, tree) = tree_of(leaves, &salt);
    if top != root {
        return Err(Altered::Content);
    }
    // The file stands behind the payload now.
    let mut stored = vec![0; tree.len()];
    file.read_exact(&mut stored).map_err(|_| Altered::Cut)?;
    match stored == tree {
        true => Ok(()),
        false => Err(Altered::Tree),
    }
}

/// Bytes before the tree.
fn payload_bytes(file: &mut File, tree_bytes: u64) -> Result<u64, Altered> {
    let length = file.seek(SeekFrom::End(0))?;
    let before = length.checked_sub(8).ok_or(Altered::Cut)?;
    file.seek(SeekFrom::Start(before))?;
    let mut signature = [0; 8];
    file.read_exact(&mut signature)?;
    let payload = before
        .checked_sub(u64::from_be_bytes(signature))
        .and_then(|rest| rest.checked_sub(tree_bytes))
        .ok_or(Altered::Cut)?;
    let whole = payload > 0 && payload.is_multiple_of(BLOCK as u64) && tree_bytes <= TREE_MAX;
    whole.then_some(payload).ok_or(Altered::Cut)
}

/// One hash for each block of the payload.
fn leaves(
    file: &mut File,
    payload: u64,
    salt: &[u8],
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<u8>, Altered> {
    let mut hashes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    while done < payload {
        let n = usize::try_from(payload - done).map_or(CHUNK, |left| left.min(CHUNK));
        file.read_exact(&mut chunk[..n]).map_err(|_| Altered::Cut)?;
        for block in chunk[..n].chunks(BLOCK) {
            hashes.extend(hash(salt, block));
        }
        done += n as u64;
        progress(done as f64 / payload as f64);
    }
    Ok(hashes)
}

/// The root, and all levels as they lie in the file.
fn tree_of(mut hashes: Vec<u8>, salt: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut levels = Vec::new();
    // One block of payload has no tree: its hash is the root.
    while hashes.len() > HASH {
        hashes.resize(hashes.len().next_multiple_of(BLOCK), 0);
        let above = hashes
            .chunks(BLOCK)
            .flat_map(|block| hash(salt, block))
            .collect();
        levels.push(std::mem::replace(&mut hashes, above));
    }
    levels.reverse();
    (hashes, levels.concat())
}

fn hash(salt: &[u8], block: &[u8]) -> [u8; HASH] {
    Sha256::new()
        .chain_update(salt)
        .chain_update(block)
        .finalize()
        .into()
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().ok()
}

/// A bundle of this payload for tests, and what its manifest says.
#[cfg(test)]
pub(super) fn bundle_of(payload: &[u8], signature: &[u8]) -> (Vec<u8>, Verity) {
    let salt = [7; 32];
    let hashes = payload
        .chunks(BLOCK)
        .flat_map(|block| hash(&salt, block))
        .collect();
    let (root, tree) = tree_of(hashes, &salt);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
    let verity = Verity {
        root: hex(&root),
        salt: hex(&salt),
        tree_bytes: tree.len() as u64,
    };
    let length = (signature.len() as u64).to_be_bytes();
    ([payload, &tree, signature, &length].concat(), verity)
}

#[cfg(test)]
mod tests;
