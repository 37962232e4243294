//! The node over loopback, against a caller that may do anything.

use super::serve::{Node, Stopper};
use super::*;
use crate::intake;
use dicom_ul::pdu::{
    AssociationRQ, Pdu as UlPdu, PresentationContextProposed, UserVariableItem, write_pdu,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const SECOND: Duration = Duration::from_secs(1);

struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<std::thread::JoinHandle<()>>,
    drop: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        let began = Instant::now();
        self.thread.take().unwrap().join().unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the node did not end"
        );
        assert_eq!(left_over(self.drop.path()), 0, "unfinished files are left");
    }
}

fn left_over(drop: &Path) -> usize {
    std::fs::read_dir(drop.join(".node")).unwrap().count()
}

/// A node for callers of one title from one network, at any port.
fn setup(drop: &Path, aet: &str, network: &str) -> Setup {
    Setup {
        listen: "127.0.0.1:0".parse().unwrap(),
        aet: "CALVARIA".into(),
        callers: vec![Caller {
            aet: aet.into(),
            network: network.parse().unwrap(),
        }],
        drop: drop.into(),
        free_mib: 0,
        tls: None,
        limits: Limits::default(),
    }
}

fn node_with(limits: Limits, free_mib: u64) -> Running {
    node_of("PACS", "127.0.0.0/8", limits, free_mib)
}

fn node_of(aet: &str, network: &str, limits: Limits, free_mib: u64) -> Running {
    let drop = tempfile::tempdir().unwrap();
    let setup = Setup {
        free_mib,
        limits,
        ..setup(drop.path(), aet, network)
    };
    let (node, stopper) = Node::bind(setup).unwrap();
    let address = node.address().unwrap();
    let thread = Some(std::thread::spawn(move || node.serve()));
    Running {
        address,
        stopper,
        thread,
        drop,
    }
}

fn node() -> Running {
    node_with(Limits::default(), 0)
}

/// What the node said.
#[derive(Debug, PartialEq)]
enum Said {
    Accepted,
    Rejected([u8; 3]),
    /// Status of an answer.
    Status(u16),
    Released,
    Aborted,
    Closed,
}

struct Peer(TcpStream);

impl Peer {
    fn connect(node: &Running) -> Self {
        let tcp = TcpStream::connect(node.address).unwrap();
        tcp.set_read_timeout(Some(10 * SECOND)).unwrap();
        Self(tcp)
    }

    /// Connects and is let in.
    fn of(node: &Running) -> Self {
        let mut peer = Self::connect(node);
        peer.send(&request("PACS"));
        assert_eq!(peer.hears(), Said::Accepted);
        peer
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn hears(&mut self) -> Said {
        let mut head = [0_u8; 6];
        if self.0.read_exact(&mut head).is_err() {
            return Said::Closed;
        }
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        match head[0] {
            2 => Said::Accepted,
            3 => Said::Rejected([body[1], body[2], body[3]]),
            6 => Said::Released,
            7 => Said::Aborted,
            _ => {
                let at = body
                    .windows(8)
                    .position(|w| w == [0, 0, 0, 9, 2, 0, 0, 0])
                    .unwrap();
                Said::Status(u16::from_le_bytes([body[at + 8], body[at + 9]]))
            }
        }
    }

    fn store(&mut self, class: &str, instance: &str, data: &[u8]) -> Said {
        self.send(&pdv(1, 3, &store_command(class, instance)));
        for (n, part) in data.chunks(1000).enumerate() {
            let last = (n + 1) * 1000 >= data.len();
            self.send(&pdv(1, if last { 2 } else { 0 }, part));
        }
        self.hears()
    }

    fn release(&mut self) {
        self.send(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        assert_eq!(self.hears(), Said::Released);
    }
}

fn request(calling: &str) -> Vec<u8> {
    let context = |id, class: &str| PresentationContextProposed {
        id,
        abstract_syntax: class.into(),
        transfer_syntaxes: vec![EXPLICIT.into(), "1.2.840.10008.1.2".into()],
    };
    let request = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: calling.into(),
        called_ae_title: "CALVARIA".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: vec![context(1, CT), context(3, classes::VERIFICATION)],
        user_variables: vec![UserVariableItem::MaxLength(16_384)],
    };
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &UlPdu::AssociationRQ(request)).unwrap();
    bytes
}

fn pdv(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
    let item = bytes.len() as u32 + 2;
    [
        &[4, 0][..],
        &(item + 4).to_be_bytes(),
        &item.to_be_bytes(),
        &[context, control],
        bytes,
    ]
    .concat()
}

fn even(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn command(elements: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let element = |(number, value): &(u16, Vec<u8>)| {
        let length = (value.len() as u32).to_le_bytes();
        [&[0, 0][..], &number.to_le_bytes(), &length, value].concat()
    };
    elements.iter().flat_map(element).collect()
}

fn store_command(class: &str, instance: &str) -> Vec<u8> {
    command(&[
        (0x0002, even(class)),
        (0x0100, vec![1, 0]),
        (0x0110, vec![9, 0]),
        (0x0700, vec![0, 0]),
        (0x0800, vec![1, 0]),
        (0x1000, even(instance)),
    ])
}

fn echo_command() -> Vec<u8> {
    command(&[
        (0x0002, even(classes::VERIFICATION)),
        (0x0100, vec![0x30, 0]),
        (0x0110, vec![4, 0]),
        (0x0800, vec![1, 1]),
    ])
}

/// A data set of explicit little endian: a slice of 8 x 8 values.
fn slice(class: &str, instance: &str, study: &str, modality: &str) -> Vec<u8> {
    let text = |group: u16, number: u16, vr: &str, value: &str| {
        let value = even(value);
        let length = (value.len() as u16).to_le_bytes();
        [
            &group.to_le_bytes()[..],
            &number.to_le_bytes(),
            vr.as_bytes(),
            &length,
            &value,
        ]
        .concat()
    };
    let mut data = [
        text(8, 0x16, "UI", class),
        text(8, 0x18, "UI", instance),
        text(8, 0x60, "CS", modality),
        text(0x20, 0x0d, "UI", study),
        text(0x20, 0x0e, "UI", "1.2.9"),
    ]
    .concat();
    data.extend([0xe0, 0x7f, 0x10, 0, b'O', b'W', 0, 0]);
    data.extend(128_u32.to_le_bytes());
    data.extend([7; 128]);
    data
}

/// Files of all studies.
fn stored(node: &Running) -> Vec<PathBuf> {
    stored_in(node.drop.path())
}

fn stored_in(drop: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for study in std::fs::read_dir(drop).unwrap() {
        let study = study.unwrap().path();
        if study.is_dir() && study.file_name().is_some_and(|n| n != ".node") {
            found.extend(std::fs::read_dir(study).unwrap().map(|f| f.unwrap().path()));
        }
    }
    found.sort();
    found
}

#[test]
fn an_instance_is_a_file_of_its_study_before_it_is_answered() {
    let node = node();
    let data = slice(CT, "1.2.3.1", "1.2.3", "CT");
    let mut peer = Peer::of(&node);
    assert_eq!(peer.store(CT, "1.2.3.1", &data), Said::Status(0));
    let files = stored(&node);
    assert_eq!(files.len(), 1);
    let bytes = std::fs::read(&files[0]).unwrap();
    assert_eq!(&bytes[128..132], b"DICM");
    assert!(bytes.ends_with(&data), "the data set is as it was sent");
    let object = dicom_object::open_file(&files[0]).unwrap();
    assert_eq!(object.meta().transfer_syntax(), EXPLICIT);
    let from = object.meta().source_application_entity_title.clone();
    assert_eq!(from.unwrap().trim(), "PACS");
    // Another association, the same study.
    let second = slice(CT, "1.2.3.2", "1.2.3", "CT");
    let mut other = Peer::of(&node);
    assert_eq!(other.store(CT, "1.2.3.2", &second), Said::Status(0));
    let files = stored(&node);
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].parent(), files[1].parent());
    peer.release();
    other.release();
}

#[test]
fn an_echo_and_a_command_in_pieces_are_understood() {
    let node = node();
    let mut peer = Peer::of(&node);
    let echo = echo_command();
    peer.send(&pdv(3, 1, &echo[..10]));
    peer.send(&pdv(3, 1, &echo[10..30]));
    peer.send(&pdv(3, 3, &echo[30..]));
    assert_eq!(peer.hears(), Said::Status(0));
    // C-FIND is not done here, and what follows it is thrown away.
    let find = command(&[
        (0x0002, even(CT)),
        (0x0100, vec![0x20, 0]),
        (0x0110, vec![5, 0]),
        (0x0800, vec![1, 0]),
    ]);
    peer.send(&pdv(1, 3, &find));
    peer.send(&pdv(1, 2, b"whatever"));
    assert_eq!(peer.hears(), Said::Status(0x0211));
    peer.release();
}

#[test]
fn what_can_not_be_taken_is_answered_by_its_status() {
    let node = node();
    let mut peer = Peer::of(&node);
    let right = slice(CT, "1.2.3.1", "1.2.3", "CT");
    let mr = slice(CT, "1.2.3.1", "1.2.3", "MR");
    assert_eq!(peer.store(CT, "1.2.3.1", &mr), Said::Status(0xa900));
    assert_eq!(peer.store(CT, "1.2.3.2", &right), Said::Status(0xa900));
    assert_eq!(
        peer.store("1.2.840.10008.5.1.4.1.1.4", "1.2.3.1", &right),
        Said::Status(0x0122)
    );
    assert_eq!(peer.store(CT, "../../etc/x", &right), Said::Status(0xc000));
    assert_eq!(
        peer.store(CT, "1.2.3.1", b"no data set at all"),
        Said::Status(0xc000)
    );
    let nameless = slice(CT, "1.2.3.1", "", "CT");
    assert_eq!(peer.store(CT, "1.2.3.1", &nameless), Said::Status(0xc000));
    assert_eq!(stored(&node), Vec::<PathBuf>::new());
    // The association lives on.
    assert_eq!(peer.store(CT, "1.2.3.1", &right), Said::Status(0));
    peer.release();
}

#[test]
fn a_short_disk_is_told_as_one() {
    let node = node_with(Limits::default(), u64::MAX);
    let mut peer = Peer::of(&node);
    let data = slice(CT, "1.2.3.1", "1.2.3", "CT");
    assert_eq!(peer.store(CT, "1.2.3.1", &data), Said::Status(0xa700));
    assert_eq!(stored(&node), Vec::<PathBuf>::new());
    peer.release();
}

#[test]
fn a_caller_who_is_not_named_is_rejected() {
    let node = node();
    let mut peer = Peer::connect(&node);
    peer.send(&request("STRANGER"));
    assert_eq!(peer.hears(), Said::Rejected([1, 1, 3]));
    assert_eq!(peer.hears(), Said::Closed);
}

#[test]
fn the_same_instance_of_another_sender_is_kept_once() {
    let drop = tempfile::tempdir().unwrap();
    let data = slice(CT, "1.2.3.1", "1.2.3", "CT");
    for aet in ["PACS", "CT-ROOM-2"] {
        let (served, stopper) = Node::bind(setup(drop.path(), aet, "127.0.0.1")).unwrap();
        let mut peer = Peer(TcpStream::connect(served.address().unwrap()).unwrap());
        let thread = std::thread::spawn(move || served.serve());
        peer.send(&request(aet));
        assert_eq!(peer.hears(), Said::Accepted);
        assert_eq!(peer.store(CT, "1.2.3.1", &data), Said::Status(0));
        stopper.stop();
        thread.join().unwrap();
    }
    assert_eq!(stored_in(drop.path()).len(), 1);
}

#[test]
fn strangers_take_no_places() {
    let node = node_of("PACS", "10.0.0.0/8", Limits::default(), 0);
    let mut held: Vec<Peer> = (0..4).map(|_| Peer::connect(&node)).collect();
    assert_eq!(Peer::connect(&node).hears(), Said::Closed);
    held[0].send(&request("PACS"));
    assert_eq!(held[0].hears(), Said::Rejected([1, 1, 3]));
}

#[test]
fn one_too_many_is_told_so_and_served_later() {
    let limits = Limits {
        of_one_address: 2,
        ..Limits::default()
    };
    let node = node_with(limits, 0);
    let mut first = Peer::of(&node);
    let _second = Peer::of(&node);
    let mut third = Peer::connect(&node);
    third.send(&request("PACS"));
    assert_eq!(third.hears(), Said::Rejected([2, 3, 1]));
    first.release();
    let by = Instant::now() + 5 * SECOND;
    loop {
        let mut later = Peer::connect(&node);
        later.send(&request("PACS"));
        match later.hears() {
            Said::Accepted => break,
            said => assert!(Instant::now() < by, "{said:?}"),
        }
    }
}

#[test]
fn what_was_begun_and_given_up_leaves_nothing() {
    let node = node();
    for end in [&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0][..], &[]] {
        let mut peer = Peer::of(&node);
        peer.send(&pdv(1, 3, &store_command(CT, "1.2.3.1")));
        peer.send(&pdv(1, 0, &slice(CT, "1.2.3.1", "1.2.3", "CT")));
        peer.send(end);
    }
    let by = Instant::now() + 5 * SECOND;
    while left_over(node.drop.path()) > 0 {
        assert!(Instant::now() < by);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(stored(&node), Vec::<PathBuf>::new());
}

#[test]
fn who_is_silent_or_drips_is_ended() {
    let limits = Limits {
        request: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        pdu: Duration::from_millis(500),
        ..Limits::default()
    };
    let node = node_with(limits, 0);
    let began = Instant::now();
    let mut silent = Peer::connect(&node);
    assert_eq!(silent.hears(), Said::Aborted);
    let mut idle = Peer::of(&node);
    assert_eq!(idle.hears(), Said::Aborted);
    // A byte every 100 ms: no read is ever late.
    let mut drips = Peer::connect(&node);
    let request = request("PACS");
    drips
        .0
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let mut ended = false;
    for byte in request.iter().take(60) {
        ended = drips.0.write_all(&[*byte]).is_err() || drips.0.read(&mut [0; 16]).is_ok();
        if ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(ended, "a caller that drips was served for ever");
    assert!(began.elapsed() < Duration::from_secs(6));
}

#[test]
fn what_is_too_large_or_garbled_ends_its_association_alone() {
    let limits = Limits {
        frame_bytes: 10_000,
        ..Limits::default()
    };
    let node = node_with(limits, 0);
    let mut bystander = Peer::of(&node);
    // A PDU that declares 4 GiB.
    let mut long = Peer::of(&node);
    long.send(&[4, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(long.hears(), Said::Aborted);
    // A fragment that declares more than its PDU.
    let mut lies = Peer::of(&node);
    lies.send(&[4, 0, 0, 0, 0, 6, 0, 0, 1, 0, 1, 3]);
    assert_eq!(lies.hears(), Said::Aborted);
    // Data without a command, a context that was not agreed, a second request.
    for bytes in [pdv(1, 2, b"x"), pdv(9, 3, &echo_command()), request("PACS")] {
        let mut peer = Peer::of(&node);
        peer.send(&bytes);
        assert_eq!(peer.hears(), Said::Aborted);
    }
    let mut large = Peer::of(&node);
    large.send(&pdv(1, 3, &store_command(CT, "1.2.3.1")));
    for _ in 0..11 {
        large.send(&pdv(1, 0, &[0; 1000]));
    }
    assert_eq!(large.hears(), Said::Aborted);
    // Not DICOM at all.
    let mut web = Peer::connect(&node);
    web.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(web.hears(), Said::Aborted);
    bystander.send(&pdv(3, 3, &echo_command()));
    assert_eq!(bystander.hears(), Said::Status(0));
}

#[test]
fn seeded_garbage_ends_no_node() {
    use rand::{RngExt, SeedableRng};
    let limits = Limits {
        request: SECOND,
        idle: SECOND,
        pdu: SECOND,
        ..Limits::default()
    };
    let node = node_with(limits, 0);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(18);
    for _ in 0..200 {
        let mut bytes = [request("PACS"), pdv(1, 3, &store_command(CT, "1.2.3.1"))].concat();
        bytes.extend(pdv(1, 2, &slice(CT, "1.2.3.1", "1.2.3", "CT")));
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        let mut peer = Peer::connect(&node);
        // It may be ended while it still writes.
        let _ = peer.0.write_all(&bytes);
        let _ = peer.0.shutdown(std::net::Shutdown::Write);
        let _ = peer.0.read_to_end(&mut Vec::new());
    }
    let mut peer = Peer::of(&node);
    peer.send(&pdv(3, 3, &echo_command()));
    assert_eq!(peer.hears(), Said::Status(0));
    peer.release();
    for file in stored(&node) {
        let bytes = std::fs::read(&file).unwrap();
        let _ = intake::dicom::door(&bytes, &intake::Limits::default());
    }
}

#[test]
fn a_node_that_is_told_to_end_ends_what_is_on_its_way() {
    let node = node();
    let mut peer = Peer::of(&node);
    peer.send(&pdv(1, 3, &store_command(CT, "1.2.3.1")));
    node.stopper.stop();
    assert_eq!(peer.hears(), Said::Aborted);
}
