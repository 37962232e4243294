//! Instance: one that is being received. It grows on the disk; of what came only the beginning is kept in memory, where its
//! study stands.

use super::arrivals::Arrivals;
use super::classes::{has_many_frames, is_uid};
use super::dimse::Status;
use super::negotiate::{Context, IMPLEMENTATION, IMPLEMENTATION_NAME};
use super::{Limits, classes};
use crate::intake;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

/// The study stands within so many bytes of a data set.
const START_BYTES: usize = 1 << 20;
/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// Who sends it, for the file's meta group: where it came from stays with it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The caller's AE title.
    pub(super) from: String,
    /// Its address.
    pub(super) address: String,
    /// Ours.
    pub(super) to: String,
}

/// An instance that can not be taken: how it is answered, and why, for people.
pub(super) type Refused = (Status, &'static str);

/// See the module.
pub(super) struct Incoming<'a> {
    arrivals: &'a Arrivals,
    class: String,
    instance: String,
    syntax: String,
    start: Vec<u8>,
    bytes: u64,
    most: u64,
    file: Option<Growing>,
    /// Why it is not taken; the rest of it is thrown away.
    refused: Option<Refused>,
    pub(super) by: Instant,
}

/// Its file; deleted unless it was taken.
struct Growing {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl Drop for Growing {
    fn drop(&mut self) {
        // Gone already when it was taken.
        let _ = fs::remove_file(&self.path);
    }
}

impl Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        if bytes.len() > BUFFER {
            return self.file.write_all(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }
}

impl<'a> Incoming<'a> {
    /// Begins with what the command says. What is wrong already is told once the data have come.
    pub(super) fn begin(
        arrivals: &'a Arrivals,
        context: &Context,
        (class, instance): (&str, &str),
        way: &Way,
        limits: &Limits,
    ) -> Self {
        let most = if has_many_frames(class) {
            limits.frames_bytes
        } else {
            limits.frame_bytes
        };
        let mut incoming = Self {
            arrivals,
            class: class.into(),
            instance: instance.into(),
            syntax: context.syntax.clone(),
            start: Vec::new(),
            bytes: 0,
            most,
            file: None,
            refused: None,
            by: Instant::now() + limits.instance,
        };
        incoming.refused = if !is_uid(instance) {
            Some((
                Status::CannotUnderstand,
                "Affected SOP Instance UID is no UID",
            ))
        } else if class != context.class || class == classes::VERIFICATION {
            Some((
                Status::ClassNotSupported,
                "another SOP class was agreed for this context",
            ))
        } else if !arrivals.has_room() {
            Some((Status::OutOfResources, "the disk is short"))
        } else {
            incoming.open(way).err()
        };
        incoming
    }

    fn open(&mut self, way: &Way) -> Result<(), Refused> {
        let (path, file) = self.arrivals.grow().map_err(|e| disk(&e))?;
        let mut growing = Growing {
            path,
            file,
            buffer: Vec::with_capacity(BUFFER),
        };
        growing.buffer = head(&self.class, &self.instance, &self.syntax, way);
        self.file = Some(growing);
        Ok(())
    }

    /// More of its data set; `false`: it is longer than any of its class may be.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.most {
            return false;
        }
        if self.refused.is_some() {
            return true;
        }
        let room = START_BYTES.saturating_sub(self.start.len());
        self.start
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
        if let Some(file) = &mut self.file
            && let Err(error) = file.write(bytes)
        {
            self.refuse(disk(&error));
        }
        true
    }

    fn refuse(&mut self, why: Refused) {
        self.refused = Some(why);
        // Room at once.
        self.file = None;
    }

    /// All of it has come: onto the disk with it, and into its study's folder.
    pub(super) fn end(mut self) -> Result<(), Refused> {
        if let Some(why) = self.refused {
            return Err(why);
        }
        let label = intake::dicom::label(&self.start, &self.syntax, &intake::Limits::default());
        let label = label.map_err(|_| {
            (
                Status::CannotUnderstand,
                "the data set can not be read as its transfer syntax",
            )
        })?;
        if label.class != self.class || label.instance != self.instance {
            return Err((
                Status::DataSetDoesNotMatch,
                "UIDs differ from those of the command",
            ));
        }
        if !is_uid(&label.study) {
            return Err((Status::CannotUnderstand, "Study Instance UID is no UID"));
        }
        if label.modality != "CT" {
            return Err((Status::DataSetDoesNotMatch, "its Modality is not CT"));
        }
        let Some(mut growing) = self.file.take() else {
            return Err((Status::OutOfResources, "the disk can not be written"));
        };
        let mut synced = || {
            growing.file.write_all(&growing.buffer)?;
            growing.file.sync_all()?;
            self.arrivals.take(&growing.path, &label)
        };
        synced().map_err(|error| disk(&error))
    }
}

/// A disk that fails is told as one that is full: the sender tries again later.
fn disk(error: &io::Error) -> Refused {
    tracing::error!(%error, "the drop folder can not be written");
    let why = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        _ => "the disk can not be written",
    };
    (Status::OutOfResources, why)
}

/// Preamble, mark, and the element that says how long the rest of the meta group is.
pub(super) const HEAD: usize = 128 + 4 + 12;

/// Preamble and meta group of a file (PS3.10 section 7.1).
fn head(class: &str, instance: &str, syntax: &str, way: &Way) -> Vec<u8> {
    let mut group = Vec::new();
    long(&mut group, 0x0001, b"OB", &[0, 1]);
    text(&mut group, 0x0002, b"UI", class, 0);
    text(&mut group, 0x0003, b"UI", instance, 0);
    text(&mut group, 0x0010, b"UI", syntax, 0);
    text(&mut group, 0x0012, b"UI", IMPLEMENTATION, 0);
    text(&mut group, 0x0013, b"SH", IMPLEMENTATION_NAME, b' ');
    text(&mut group, 0x0016, b"AE", &way.from, b' ');
    text(&mut group, 0x0017, b"AE", &way.from, b' ');
    text(&mut group, 0x0018, b"AE", &way.to, b' ');
    let mut from = way.address.clone().into_bytes();
    if from.len() % 2 == 1 {
        from.push(b' ');
    }
    long(&mut group, 0x0026, b"UR", &from);
    let mut head = vec![0_u8; 128];
    head.extend(b"DICM");
    head.extend([2, 0, 0, 0, b'U', b'L', 4, 0]);
    head.extend((group.len() as u32).to_le_bytes());
    head.extend(group);
    head
}

/// An element of group 0002 whose length has 16 bits.
fn text(into: &mut Vec<u8>, element: u16, vr: &[u8; 2], text: &str, pad: u8) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(pad);
    }
    into.extend([2, 0]);
    into.extend(element.to_le_bytes());
    into.extend(vr);
    // UIDs, titles and names of at most 64 characters.
    into.extend((value.len() as u16).to_le_bytes());
    into.extend(value);
}

/// One whose length has 32.
fn long(into: &mut Vec<u8>, element: u16, vr: &[u8; 2], value: &[u8]) {
    into.extend([2, 0]);
    into.extend(element.to_le_bytes());
    into.extend(vr);
    into.extend([0, 0]);
    into.extend((value.len() as u32).to_le_bytes());
    into.extend(value);
}
