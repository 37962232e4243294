//! Dimse: command sets, and the answers to them (PS3.7).
//!
//! A command set holds elements of group 0000 in implicit VR little endian, whatever the context's syntax is. It is read by
//! its own lengths alone, each held against what is there.

use super::classes::bare;

/// Largest command set that is read, bytes: a few UIDs and numbers.
pub(super) const COMMAND_BYTES_MAX: usize = 16 * 1024;

/// `CommandDataSetType`: no data set follows.
const NO_DATA: u16 = 0x0101;

/// Codes of `CommandField`.
const C_STORE: u16 = 0x0001;
const C_ECHO: u16 = 0x0030;
const C_CANCEL: u16 = 0x0fff;
/// Set in the code of an answer.
const ANSWER: u16 = 0x8000;

/// What a caller asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Is anybody there?
    Echo {
        /// Number of the message.
        message: u16,
    },
    /// Takes an instance, which follows.
    Store {
        /// Number of the message.
        message: u16,
        /// `AffectedSOPClassUID`.
        class: String,
        /// `AffectedSOPInstanceUID`.
        instance: String,
    },
    /// Calls off what was asked: nothing here takes so long.
    Cancel,
    /// Something that is not done here.
    Other {
        /// Code of the command.
        field: u16,
        /// Number of the message.
        message: u16,
        /// A data set follows, to be thrown away.
        has_data: bool,
    },
}

/// How an instance ended, or a command (PS3.4 B.2.3, PS3.7 annex C).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// On the disk.
    Success,
    /// The disk is short, or can not be written.
    OutOfResources,
    /// What came is not what its command says, or no CT.
    DataSetDoesNotMatch,
    /// It has no UIDs, or is no data set of its syntax.
    CannotUnderstand,
    /// The class is not what was agreed.
    ClassNotSupported,
    /// A command that is not done here.
    UnrecognizedOperation,
}

impl Status {
    fn code(self) -> u16 {
        match self {
            Self::Success => 0x0000,
            Self::OutOfResources => 0xa700,
            Self::DataSetDoesNotMatch => 0xa900,
            Self::CannotUnderstand => 0xc000,
            Self::ClassNotSupported => 0x0122,
            Self::UnrecognizedOperation => 0x0211,
        }
    }
}

/// Reads a command set; `None`: it is none, or holds no command.
pub(super) fn read(bytes: &[u8]) -> Option<Request> {
    let (mut field, mut message, mut data) = (None, 0, NO_DATA);
    let (mut class, mut instance) = (String::new(), String::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, behind) = rest.split_first_chunk::<8>()?;
        let [g0, g1, e0, e1, l0, l1, l2, l3] = *head;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
        let value = behind.get(..length)?;
        rest = &behind[length..];
        if u16::from_le_bytes([g0, g1]) != 0 {
            return None;
        }
        match u16::from_le_bytes([e0, e1]) {
            0x0002 => class = text(value),
            0x0100 => field = Some(number(value)?),
            0x0110 => message = number(value)?,
            0x0800 => data = number(value)?,
            0x1000 => instance = text(value),
            _ => {}
        }
    }
    let has_data = data != NO_DATA;
    Some(match field? {
        C_ECHO if !has_data => Request::Echo { message },
        C_STORE if has_data => Request::Store {
            message,
            class,
            instance,
        },
        C_CANCEL => Request::Cancel,
        field => Request::Other {
            field,
            message,
            has_data,
        },
    })
}

fn number(value: &[u8]) -> Option<u16> {
    value.first_chunk::<2>().map(|two| u16::from_le_bytes(*two))
}

fn text(value: &[u8]) -> String {
    let text: String = value.iter().copied().map(char::from).collect();
    bare(&text).to_owned()
}

/// The answer to a request, as a command set. `why` is for people, at most 64 characters of ASCII.
pub(super) fn answer(request: &Request, status: Status, why: &str) -> Vec<u8> {
    let (field, message, class, instance) = match request {
        Request::Echo { message } => (C_ECHO, *message, super::classes::VERIFICATION, ""),
        Request::Store {
            message,
            class,
            instance,
        } => (C_STORE, *message, &**class, &**instance),
        Request::Other { field, message, .. } => (*field, *message, "", ""),
        Request::Cancel => (C_CANCEL, 0, "", ""),
    };
    let mut set = Vec::new();
    if !class.is_empty() {
        element(&mut set, 0x0002, &padded(class, 0));
    }
    element(&mut set, 0x0100, &(field | ANSWER).to_le_bytes());
    element(&mut set, 0x0120, &message.to_le_bytes());
    element(&mut set, 0x0800, &NO_DATA.to_le_bytes());
    element(&mut set, 0x0900, &status.code().to_le_bytes());
    if !why.is_empty() {
        let ascii = why.chars().filter(|c| matches!(c, ' '..='~') && *c != '\\');
        element(
            &mut set,
            0x0902,
            &padded(&ascii.take(64).collect::<String>(), b' '),
        );
    }
    if !instance.is_empty() {
        element(&mut set, 0x1000, &padded(instance, 0));
    }
    let mut whole = Vec::with_capacity(set.len() + 12);
    element(&mut whole, 0x0000, &(set.len() as u32).to_le_bytes());
    whole.extend(set);
    whole
}

/// To an even length.
fn padded(text: &str, with: u8) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(with);
    }
    bytes
}

fn element(into: &mut Vec<u8>, number: u16, value: &[u8]) {
    into.extend([0, 0]);
    into.extend(number.to_le_bytes());
    into.extend((value.len() as u32).to_le_bytes());
    into.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn store() -> Vec<u8> {
        let mut set = Vec::new();
        element(&mut set, 0x0002, b"1.2.840.10008.5.1.4.1.1.2\0");
        element(&mut set, 0x0100, &C_STORE.to_le_bytes());
        element(&mut set, 0x0110, &7_u16.to_le_bytes());
        element(&mut set, 0x0700, &0_u16.to_le_bytes());
        element(&mut set, 0x0800, &0_u16.to_le_bytes());
        element(&mut set, 0x1000, b"1.2.3\0");
        set
    }

    #[test]
    fn a_command_is_read_and_its_answer_names_what_it_answers() {
        let request = read(&store()).unwrap();
        assert_eq!(
            request,
            Request::Store {
                message: 7,
                class: "1.2.840.10008.5.1.4.1.1.2".into(),
                instance: "1.2.3".into()
            }
        );
        let answer = answer(
            &request,
            Status::OutOfResources,
            "the disk is full \u{e9}\\",
        );
        // Group length, then as many bytes.
        let length = u32::from_le_bytes([answer[8], answer[9], answer[10], answer[11]]);
        assert_eq!(length as usize, answer.len() - 12);
        let values = |number: u16| {
            let mut rest = &answer[..];
            while rest.len() >= 8 {
                let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
                if rest[2..4] == number.to_le_bytes() {
                    return rest[8..8 + length].to_vec();
                }
                rest = &rest[8 + length..];
            }
            Vec::new()
        };
        assert_eq!(values(0x0100), [1, 0x80]);
        assert_eq!(values(0x0120), [7, 0]);
        assert_eq!(values(0x0900), [0, 0xa7]);
        assert_eq!(
            values(0x0902),
            b"the disk is full "
                .iter()
                .copied()
                .chain([b' '])
                .collect::<Vec<_>>()
        );
        assert_eq!(values(0x1000), b"1.2.3\0");
    }

    #[test]
    fn what_is_no_command_is_none() {
        assert_eq!(read(b""), None);
        let whole = store();
        for end in 1..whole.len() {
            if let Some(Request::Store { .. }) = read(&whole[..end]) {
                // Whole elements: what follows the data set type may be missing.
                assert!(end >= whole.len() - 14, "{end}");
            }
        }
        let mut other = whole;
        other[0] = 8;
        assert_eq!(read(&other), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..64, with: u8) {
            let _ = read(&bytes);
            let mut whole = store();
            let at = at % whole.len();
            whole[at] = with;
            if let Some(request) = read(&whole) {
                let _ = answer(&request, Status::Success, "");
            }
        }
    }
}
