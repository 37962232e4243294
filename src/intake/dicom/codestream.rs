//! Looks through a compressed stream before and beside the decoder.
//!
//! Why: decoders repair. libjpeg-like ones warn about a damaged stream and return wrong pixels, OpenJPEG returns
//! what it has of a truncated one, and the codec crate panics when a stream's size is not that of the header. A
//! silent wrong slice is the worst outcome here.

/// What a stream says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) rows: u32,
    pub(super) columns: u32,
    pub(super) samples: u32,
    /// Bits of a value.
    pub(super) bits: u8,
    /// JPEG 2000: values are signed.
    pub(super) signed: bool,
    /// JPEG: predictive (SOF3). JPEG-LS: no value may be off.
    pub(super) lossless: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u32> {
    let pair = bytes.get(at..at + 2)?;
    Some(u32::from(u16::from_be_bytes([pair[0], pair[1]])))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

/// Walks a JPEG stream from SOI to EOI. In the coded data, 0xFF may only be followed by a stuffed 0x00, by the
/// next restart marker in turn, or by the end: anything else is damage.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn jpeg(bytes: &[u8]) -> Result<Stream, String> {
    let cut = || "it is cut short".to_owned();
    if bytes.get(..2) != Some(&[0xff, 0xd8]) {
        return Err("it does not start as a JPEG stream".into());
    }
    let (mut at, mut frame, mut restarts) = (2, None, false);
    loop {
        // Markers may be preceded by fill bytes.
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let (Some(&lead), Some(&marker)) = (bytes.get(at), bytes.get(at + 1)) else {
            return Err(cut());
        };
        if lead != 0xff || marker < 0xc0 {
            return Err(format!("no marker at byte {at}"));
        }
        if marker == 0xd9 {
            if bytes[at + 2..].iter().any(|&b| b != 0 && b != 0xff) {
                return Err(format!("it ends at byte {at} of {}", bytes.len()));
            }
            return frame.ok_or_else(|| "it has no frame header".into());
        }
        let length = u16_at(bytes, at + 2).ok_or_else(cut)? as usize;
        let segment = bytes.get(at + 4..at + 2 + length.max(2)).ok_or_else(cut)?;
        at += 2 + length.max(2);
        match marker {
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf => {
                let (Some(rows), Some(columns), Some(&bits), Some(&samples)) = (
                    u16_at(segment, 1),
                    u16_at(segment, 3),
                    segment.first(),
                    segment.get(5),
                ) else {
                    return Err(cut());
                };
                frame = Some(Stream {
                    rows,
                    columns,
                    samples: samples.into(),
                    bits,
                    signed: false,
                    lossless: marker == 0xc3,
                });
            }
            0xdd => restarts = u16_at(segment, 0).is_some_and(|interval| interval > 0),
            0xda => at = coded(bytes, at, restarts)?,
            _ => {}
        }
    }
}

/// Walks the head of a JPEG-LS stream, to its first scan.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn jpeg_ls(bytes: &[u8]) -> Result<Stream, String> {
    let cut = || "it is cut short".to_owned();
    if bytes.get(..2) != Some(&[0xff, 0xd8]) {
        return Err("it does not start as a JPEG-LS stream".into());
    }
    let (mut at, mut frame) = (2, None);
    loop {
        let (Some(&lead), Some(&marker)) = (bytes.get(at), bytes.get(at + 1)) else {
            return Err(cut());
        };
        if lead != 0xff || marker < 0xc0 {
            return Err(format!("no marker at byte {at}"));
        }
        let length = u16_at(bytes, at + 2).ok_or_else(cut)? as usize;
        let segment = bytes.get(at + 4..at + 2 + length.max(2)).ok_or_else(cut)?;
        at += 2 + length.max(2);
        match (marker, segment) {
            // SOF55: bits, rows, columns, components.
            (0xf7, &[bits, r0, r1, c0, c1, samples, ..]) => {
                frame = Some(Stream {
                    rows: u16::from_be_bytes([r0, r1]).into(),
                    columns: u16::from_be_bytes([c0, c1]).into(),
                    samples: samples.into(),
                    bits,
                    signed: false,
                    lossless: true,
                });
            }
            // SOS: components, two bytes for each, then how far a value may be off.
            (0xda, &[1, _, _, near, ..]) => {
                let frame: Stream = frame.ok_or_else(|| "it has no frame header".to_owned())?;
                return Ok(Stream {
                    lossless: near == 0,
                    ..frame
                });
            }
            (0xf7 | 0xda, _) => return Err("its header can not be understood".into()),
            _ => {}
        }
    }
}

/// Walks coded data to the marker that ends them.
fn coded(bytes: &[u8], mut at: usize, restarts: bool) -> Result<usize, String> {
    let mut next_restart = 0xd0;
    loop {
        let Some(skip) = bytes[at..].iter().position(|&b| b == 0xff) else {
            return Err("it is cut short".into());
        };
        at += skip;
        let fill = bytes[at..].iter().take_while(|&&b| b == 0xff).count();
        let Some(&marker) = bytes.get(at + fill) else {
            return Err("it is cut short".into());
        };
        match marker {
            0x00 if fill == 1 => {}
            0xd0..=0xd7 if restarts && marker == next_restart => {
                next_restart = 0xd0 + (marker + 1) % 8;
            }
            // The end, or the header of a further scan.
            0xd9 | 0xda | 0xc4 | 0xdc | 0xdd => return Ok(at + fill - 1),
            _ => {
                return Err(format!(
                    "byte {:#04x} after 0xff at byte {at} of the coded data",
                    marker
                ));
            }
        }
        at += fill + 1;
    }
}

/// Walks a JPEG 2000 codestream: size, then tile-part by tile-part to its end marker.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn jpeg2000(bytes: &[u8]) -> Result<Stream, String> {
    let cut = || "it is cut short".to_owned();
    // In a JP2 box the codestream starts later.
    let boxed = bytes.starts_with(&[0, 0, 0, 12]);
    let start = if boxed {
        bytes.windows(4).position(|w| w == [0xff, 0x4f, 0xff, 0x51])
    } else {
        Some(0)
    };
    let stream = start.and_then(|at| bytes.get(at..)).ok_or_else(cut)?;
    if stream.get(..4) != Some(&[0xff, 0x4f, 0xff, 0x51]) {
        return Err("it does not start as a JPEG 2000 stream".into());
    }
    let size = |at: usize| u32_at(stream, at).ok_or_else(cut);
    let (x1, y1, x0, y0) = (size(8)?, size(12)?, size(16)?, size(20)?);
    let samples = u16_at(stream, 40).ok_or_else(cut)?;
    let depth = *stream.get(42).ok_or_else(cut)?;
    let mut at = 2;
    loop {
        match u16_at(stream, at).ok_or_else(cut)? {
            0xffd9 => break,
            0xff90 => {
                let tile_part = u32_at(stream, at + 6).ok_or_else(cut)? as usize;
                if tile_part == 0 {
                    // To the end marker, which has to be the last thing but padding.
                    let end = stream.iter().rposition(|&b| b != 0).ok_or_else(cut)?;
                    if !stream[..=end].ends_with(&[0xff, 0xd9]) {
                        return Err(cut());
                    }
                    break;
                }
                at = at.checked_add(tile_part.max(14)).ok_or_else(cut)?;
            }
            marker if marker >= 0xff00 => {
                at += 2 + u16_at(stream, at + 2).ok_or_else(cut)? as usize
            }
            _ => return Err(format!("no marker at byte {at}")),
        }
    }
    Ok(Stream {
        rows: y1.saturating_sub(y0),
        columns: x1.saturating_sub(x0),
        samples,
        bits: (depth & 0x7f) + 1,
        signed: depth & 0x80 != 0,
        lossless: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SOI, SOF3 of 2 x 3, SOS, `data`, EOI.
    fn stream(data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xc3, 0, 11, 12, 0, 2, 0, 3, 1, 1, 0x11, 0];
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0]);
        bytes.extend(data);
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    #[test]
    fn a_sound_stream_says_its_size() {
        let frame = jpeg(&stream(&[1, 2, 0xff, 0, 3])).unwrap();
        assert_eq!(
            (frame.rows, frame.columns, frame.bits, frame.lossless),
            (2, 3, 12, true)
        );
    }

    #[test]
    fn a_run_of_ff_in_the_coded_data_is_damage() {
        for data in [
            &[1, 0xff, 0xff, 0xff, 0x5a, 2][..],
            &[1, 0xff, 0xff, 0, 2],
            &[1, 0xff, 0xd0, 2],
        ] {
            assert!(jpeg(&stream(data)).is_err(), "{data:?}");
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_damage() {
        let whole = stream(&[1, 2, 0xff, 0, 3]);
        for length in 0..whole.len() {
            assert!(jpeg(&whole[..length]).is_err(), "{length}");
            assert!(jpeg2000(&whole[..length]).is_err(), "{length}");
        }
    }
}
