//! Gzip to its last byte, and the end of a file: what a checksum proves is only proved once it has been read.
//!
//! In:    a gzip stream of one member or several (pigz, bgzip), or the bytes after the last voxel.
//! Out:   the unpacked bytes, each member's checksum and length held against its trailer.
//! Holds: zeros at the end, less than [`PADDING`], are taken for the filling of a writer's last block (tapes, some
//!        archives; `gzip` itself and Python pass them over too). Everything else after the end is refused: it says
//!        that the header, which the size of the volume comes from, is not that of these data.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// Zeros below this count are a last block's filling. Slices of heads have more bytes than that.
const PADDING: usize = 4096;

/// Gzip, unpacked. Reading to the end (0 bytes) proves the checksums of all members.
pub(super) struct Gzip<R> {
    /// `None`: the end was reached.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            member: Some(GzDecoder::new(from)),
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty()
            && let Some(member) = &mut self.member
        {
            match member.read(into)? {
                0 => {}
                n => return Ok(n),
            }
            // A member is over and its trailer was right. Next: another one, filling, or the end of the file.
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else {
                break;
            };
            if rest.fill_buf()?.first() == Some(&0x1f) {
                self.member = Some(GzDecoder::new(rest));
            } else {
                zeros_to_the_end(&mut rest)
                    .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            }
        }
        Ok(0)
    }
}

/// After the last voxel: nothing, or a little filling. A checksum that does not fit shows here.
///
/// # Errors
/// What there is instead, in words.
pub(super) fn zeros_to_the_end(from: &mut impl Read) -> Result<(), String> {
    let mut rest = Vec::new();
    let read = from.take(PADDING as u64).read_to_end(&mut rest);
    read.map_err(|e| damaged(&e))?;
    if rest.len() == PADDING || rest.iter().any(|&byte| byte != 0) {
        return Err(
            "there are more bytes after the last voxel than its header speaks of, so one of the two is wrong".into(),
        );
    }
    Ok(())
}

/// An error of reading, in words.
pub(super) fn damaged(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut short".into(),
        // What flate2 says of streams and trailers that do not fit.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            "it was damaged on its way: its packed data or their checksum are wrong".into()
        }
        kind => kind.to_string(),
    }
}
