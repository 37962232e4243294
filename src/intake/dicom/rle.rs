//! RLE frames (PS3.5 annex G), 16 bits, one sample. Ours, because the codec crate indexes past the end of a
//! truncated segment and panics.

use crate::intake::refusal::FileFault;

/// Decodes one frame to stored values, little endian, `pixels` of them.
///
/// # Errors
/// [`FileFault::Stream`] for anything but two whole segments.
pub(super) fn decode(stream: &[u8], pixels: usize) -> Result<Vec<u8>, FileFault> {
    let damaged = |why: String| FileFault::Stream { codec: "RLE", why };
    let word = |n: usize| {
        let bytes = stream.get(4 * n..4 * n + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    };
    let header = (word(0), word(1), word(2), word(15));
    let (Some(count), Some(high_at), Some(low_at), Some(_)) = header else {
        return Err(damaged("it is shorter than its header".into()));
    };
    if count != 2 {
        return Err(damaged(format!("{count} segments instead of 2")));
    }
    let (high, low) = (stream.get(high_at..low_at), stream.get(low_at..));
    let (Some(high), Some(low), true) = (high, low, high_at >= 64) else {
        return Err(damaged("its segments lie outside of it".into()));
    };
    let short = |have: usize| damaged(format!("a segment ends after {have} of {pixels} bytes"));
    let high = unpack(high, pixels).map_err(short)?;
    let low = unpack(low, pixels).map_err(short)?;
    Ok(low
        .into_iter()
        .zip(high)
        .flat_map(|(low, high)| [low, high])
        .collect())
}

/// PackBits: n >= 0 copies n + 1 bytes, n < 0 repeats one byte 1 - n times, -128 does nothing.
fn unpack(mut packed: &[u8], wanted: usize) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(wanted);
    while out.len() < wanted {
        let Some((&control, rest)) = packed.split_first() else {
            return Err(out.len());
        };
        let n = usize::from(control);
        packed = match control {
            0..=127 if rest.len() > n => {
                out.extend_from_slice(&rest[..=n]);
                &rest[n + 1..]
            }
            129.. if !rest.is_empty() => {
                out.resize(out.len() + 257 - n, rest[0]);
                &rest[1..]
            }
            128 => rest,
            _ => return Err(out.len()),
        };
    }
    out.truncate(wanted);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[0] = 2;
        bytes[4] = 64;
        bytes[8] = 66;
        bytes.extend([253, 7]); // 4 times 7
        bytes.extend([1, 1, 2, 128, 255, 9]); // 1, 2, nothing, 9, 9
        bytes
    }

    #[test]
    fn two_segments_give_high_and_low_bytes() {
        assert_eq!(decode(&stream(), 4).unwrap(), [1, 7, 2, 7, 9, 7, 9, 7]);
    }

    #[test]
    fn a_stream_cut_anywhere_is_a_fault() {
        let whole = stream();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], 4).is_err(), "{length}");
        }
        assert!(decode(&whole, 5).is_err());
    }
}
