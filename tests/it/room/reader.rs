//! Reader: bytes that reached the firmware become the lines it must have taken, by Marlin 2.1's rules
//! (`gcode/queue.cpp`), written anew here, so that the virtual printer's own reader is not its own witness.

/// A command that the firmware must have taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    /// Its line number; `None`: it came without one, and without a checksum.
    pub(crate) number: Option<i64>,
    /// The command.
    pub(crate) text: String,
}

/// Line buffer and the last line number.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    comment: bool,
    last: i64,
}

/// The firmware's line buffer, terminator included.
const LINE_MAX: usize = 96;

impl Reader {
    /// Takes a byte; the command, when a line was complete and accepted.
    pub(crate) fn byte(&mut self, byte: u8) -> Option<Taken> {
        match byte {
            b'\n' | b'\r' => {
                self.comment = false;
                let line = std::mem::take(&mut self.line);
                let text: String = line.into_iter().map(char::from).collect();
                return self.accept(text.trim_start_matches(' '));
            }
            b';' => self.comment = true,
            // Backspace takes the last character away; a backslash is left out.
            8 if !self.comment => drop(self.line.pop()),
            b'\\' => {}
            _ if !self.comment && self.line.len() < LINE_MAX - 1 => self.line.push(byte),
            _ => {}
        }
        None
    }

    fn accept(&mut self, line: &str) -> Option<Taken> {
        let Some(numbered) = line.strip_prefix('N') else {
            return (!line.is_empty()).then(|| Taken {
                number: None,
                text: line.to_owned(),
            });
        };
        let sets = line.find("M110");
        let stated = match sets.and_then(|at| line[at..].split_once('N')) {
            Some((_, rest)) => leading(rest),
            None => leading(numbered),
        };
        if sets.is_none() && stated != self.last + 1 {
            return None;
        }
        let (framed, sum) = line.rsplit_once('*')?;
        let xor = framed.chars().fold(0, |sum, c| sum ^ u32::from(c));
        if leading(sum) != i64::from(xor) {
            return None;
        }
        self.last = stated;
        let digits = framed[1..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        Some(Taken {
            number: Some(stated),
            text: digits.trim().to_owned(),
        })
    }
}

/// The number at the start of a text, 0 when there is none.
fn leading(text: &str) -> i64 {
    let text = text.trim_start_matches(' ');
    let end = text[usize::from(text.starts_with('-'))..]
        .find(|c: char| !c.is_ascii_digit())
        .map_or(text.len(), |n| n + usize::from(text.starts_with('-')));
    text[..end].parse().unwrap_or(0)
}

#[test]
fn only_what_marlin_takes_is_taken() {
    let mut reader = Reader::default();
    let bytes =
        b"N0 M110*35\nN1 M105*38\nN1 M105*38\nN2 M105*99\nN3 M105*36\n;x\nN2 M105*37\nM112\n";
    let taken = bytes.iter().filter_map(|b| reader.byte(*b));
    let taken: Vec<_> = taken.map(|t| (t.number, t.text)).collect();
    let wanted = [
        (Some(0), "M110"),
        (Some(1), "M105"),
        (Some(2), "M105"),
        (None, "M112"),
    ];
    assert_eq!(taken, wanted.map(|(n, text)| (n, text.to_owned())));
}
