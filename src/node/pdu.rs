//! Pdu: protocol data units as they come and go (PS3.8 section 9.3).
//!
//! Requests for an association are read by `dicom-ul`; data are read here, so that a fragment goes from the connection to
//! the file without a copy of its own. A PDU longer than [`PDU_BYTES_MAX`] is read by nobody.

use super::negotiate::Rejection;
use super::stream::Stream;
use dicom_ul::pdu::{AssociationAC, AssociationRQ, Pdu as UlPdu, read_pdu, write_pdu};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Longest PDU. Routers that offer 128 contexts with a dozen syntaxes each send requests of 44 KB.
pub(super) const PDU_BYTES_MAX: u32 = 128 * 1024;

/// What came.
pub(super) enum Pdu {
    /// Asks for an association.
    Request(Box<AssociationRQ>),
    /// Fragments of commands and data sets; they lie in the buffer.
    Data,
    /// All is sent.
    ReleaseRequest,
    /// The caller gave up.
    Abort,
}

/// Why there is no PDU.
#[derive(Debug, thiserror::Error)]
pub(super) enum PduFault {
    /// The connection.
    #[error("{}", of_wire(.0))]
    Wire(#[from] io::Error),
    /// A kind that a caller does not send, or not now.
    #[error("it sent a PDU of kind {0:#04x}, which is not due")]
    Unexpected(u8),
    /// Too long.
    #[error("it sent a PDU of {0} bytes")]
    TooLong(u32),
    /// Not as the standard has it.
    #[error("it sent a PDU that can not be understood")]
    Garbled,
}

fn of_wire(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::TimedOut => "it was silent for too long",
        io::ErrorKind::Interrupted => "the node is ended",
        _ => "the connection broke",
    }
}

/// Until when a PDU is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Its first byte.
    pub(super) first: Instant,
    /// From its first byte to its last.
    pub(super) whole: Duration,
    /// Its last byte, whenever the first came.
    pub(super) last: Instant,
}

/// Reads one PDU into `buffer`, its head left out. `None`: the caller has closed.
///
/// # Errors
/// [`PduFault`].
pub(super) fn read(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    patience: Patience,
    is_over: impl Fn() -> bool,
) -> Result<Option<Pdu>, PduFault> {
    if !stream.wait(patience.first, is_over)? {
        return Ok(None);
    }
    let by = (Instant::now() + patience.whole).min(patience.last);
    let mut head = [0_u8; 6];
    stream.fill(&mut head, by)?;
    let [kind, _, l0, l1, l2, l3] = head;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if !matches!(kind, 1 | 4..=7) {
        return Err(PduFault::Unexpected(kind));
    }
    if length > PDU_BYTES_MAX {
        return Err(PduFault::TooLong(length));
    }
    // At most PDU_BYTES_MAX, and kept for the next.
    buffer.resize(length as usize, 0);
    stream.fill(buffer, by)?;
    Ok(Some(match kind {
        1 => Pdu::Request(Box::new(request(&head, buffer)?)),
        4 => Pdu::Data,
        5 => Pdu::ReleaseRequest,
        7 => Pdu::Abort,
        other => return Err(PduFault::Unexpected(other)),
    }))
}

/// `read_pdu` panics on some lengths where overflow is checked, so that is a garbled request, too.
fn request(head: &[u8; 6], body: &[u8]) -> Result<AssociationRQ, PduFault> {
    let whole = [&head[..], body].concat();
    let read = catch_unwind(AssertUnwindSafe(|| {
        read_pdu(&whole[..], PDU_BYTES_MAX, true)
    }));
    match read {
        Ok(Ok(Some(UlPdu::AssociationRQ(request)))) => Ok(request),
        _ => Err(PduFault::Garbled),
    }
}

/// A piece of a command or of a data set.
pub(super) struct Fragment<'a> {
    pub(super) context: u8,
    pub(super) is_command: bool,
    pub(super) is_last: bool,
    pub(super) bytes: &'a [u8],
}

/// The pieces in the body of a P-DATA-TF.
pub(super) fn fragments(mut body: &[u8]) -> impl Iterator<Item = Result<Fragment<'_>, PduFault>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let piece = fragment(body);
        body = piece.as_ref().map_or(&[], |(_, rest)| rest);
        Some(piece.map(|(fragment, _)| fragment).ok_or(PduFault::Garbled))
    })
}

fn fragment(body: &[u8]) -> Option<(Fragment<'_>, &[u8])> {
    let (length, rest) = body.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (item, rest) = rest.split_at_checked(length)?;
    let ([context, control], bytes) = item.split_first_chunk::<2>()?;
    let fragment = Fragment {
        context: *context,
        is_command: control & 1 != 0,
        is_last: control & 2 != 0,
        bytes,
    };
    Some((fragment, rest))
}

/// PDUs one after another, without a connection: for fuzzing.
pub(super) fn door(mut bytes: &[u8]) -> bool {
    let mut understood = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<6>() {
        let [kind, _, l0, l1, l2, l3] = *head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]).min(PDU_BYTES_MAX) as usize;
        let (body, behind) = rest.split_at(length.min(rest.len()));
        bytes = behind;
        understood.push(match kind {
            1 => request(head, body).is_ok(),
            4 => fragments(body).all(|piece| {
                piece.is_ok_and(|p| !p.is_command || super::dimse::read(p.bytes).is_some())
            }),
            _ => false,
        });
    }
    understood.first() == Some(&true)
}

/// A command set as one P-DATA-TF. Ours are of some hundred bytes: shorter than any PDU that may be asked for.
pub(super) fn command(context: u8, set: &[u8]) -> Vec<u8> {
    let item = set.len() as u32 + 2;
    let mut bytes = vec![4, 0];
    bytes.extend((item + 4).to_be_bytes());
    bytes.extend(item.to_be_bytes());
    bytes.extend([context, 3]);
    bytes.extend(set);
    bytes
}

/// A-ASSOCIATE-AC.
pub(super) fn accept(agreed: AssociationAC) -> Result<Vec<u8>, PduFault> {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &UlPdu::AssociationAC(agreed)).map_err(|_| PduFault::Garbled)?;
    Ok(bytes)
}

/// A-ASSOCIATE-RJ.
pub(super) fn reject(why: Rejection) -> [u8; 10] {
    let [result, source, reason] = why.code();
    [3, 0, 0, 0, 0, 4, 0, result, source, reason]
}

/// A-RELEASE-RP.
pub(super) const RELEASED: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// A-ABORT, by the provider where the caller broke the protocol.
pub(super) fn abort(fault: &PduFault) -> [u8; 10] {
    let (source, reason) = match fault {
        PduFault::Unexpected(4..=7) => (2, 2),
        PduFault::Unexpected(_) => (2, 1),
        PduFault::TooLong(_) | PduFault::Garbled => (2, 6),
        PduFault::Wire(_) => (0, 0),
    };
    [7, 0, 0, 0, 0, 4, 0, 0, source, reason]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_told_apart() {
        let one = command(3, b"abc");
        let body = [&one[6..], &[0, 0, 0, 4, 5, 0, 1, 2]].concat();
        let pieces: Vec<_> = fragments(&body).map(|p| p.ok().unwrap()).collect();
        assert_eq!(pieces.len(), 2);
        let [first, second] = &pieces[..] else {
            unreachable!()
        };
        assert!(first.is_command && first.is_last && first.context == 3 && first.bytes == b"abc");
        assert!(!second.is_command && !second.is_last && second.bytes == [1, 2]);
        assert!(fragments(&body[..body.len() - 1]).last().unwrap().is_err());
        assert!(fragments(&[0, 0, 0, 1, 5]).next().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, kind in 0_u8..9) {
            for piece in fragments(&bytes) {
                let _ = piece.is_ok();
            }
            let length = (bytes.len() as u32).to_be_bytes();
            let head = [kind, 0, length[0], length[1], length[2], length[3]];
            let _ = request(&head, &bytes);
        }
    }
}
