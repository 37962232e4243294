//! Body: a text in a box. All of it as large as it fits; when even the smallest face is too large, whole sentences are
//! left out and the page is named, so that nobody reads half an instruction.

use super::text::{self, Face};

/// Stands for what was left out.
const MORE: &str = "See the page.";

/// A text that was laid out.
pub(super) struct Body {
    pub(super) face: Face,
    pub(super) lines: Vec<String>,
    /// Nothing was left out.
    pub(super) whole: bool,
}

/// From one line's capitals to the next's, pixels.
pub(super) fn pitch(face: Face) -> i32 {
    face.px() * 4 / 3
}

/// `faces` from the largest to the smallest; `room` is width and height, pixels.
pub(super) fn lay_out(text: &str, faces: &[Face], room: (i32, i32)) -> Body {
    let smallest = faces.last().copied().unwrap_or(Face::P16);
    let most = |face: Face| ((room.1 / pitch(face)).max(1)) as usize;
    let fitting = |text: &str, face: Face| {
        let lines = text::wrap(text, face, room.0, usize::MAX);
        (lines.len() <= most(face)).then_some(Body {
            face,
            lines,
            whole: true,
        })
    };
    let whole = faces.iter().find_map(|face| fitting(text, *face));
    let short = || {
        let mut body = shorter(text).iter().find_map(|t| fitting(t, smallest))?;
        body.whole = false;
        Some(body)
    };
    whole.or_else(short).unwrap_or_else(|| {
        // One endless sentence: as much of it as there is room for.
        let mut lines = text::wrap(text, smallest, room.0, most(smallest).max(2) - 1);
        lines.push(MORE.into());
        Body {
            face: smallest,
            lines,
            whole: false,
        }
    })
}

/// What may stand for a text: without its middle, since the first sentence says what is and the last what to do; then
/// the first alone.
fn shorter(text: &str) -> Vec<String> {
    let all = sentences(text);
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for kept in (1..all.len().saturating_sub(1)).rev() {
        found.push(format!("{} {last} {MORE}", all[..kept].join(" ")));
    }
    found.push(format!("{first} {MORE}"));
    found
}

/// A sentence ends in a full stop, a question or an exclamation mark before a space and a capital.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    let end = |rest: &str| {
        rest.match_indices(['.', '?', '!'])
            .map(|(at, _)| at + 1)
            .find(|at| {
                let mut next = rest[*at..].chars();
                next.next() == Some(' ') && next.next().is_some_and(char::is_uppercase)
            })
    };
    while let Some(at) = end(rest) {
        found.push(&rest[..at]);
        rest = rest[at..].trim_start();
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: [Face; 3] = [Face::P26, Face::P20, Face::P16];
    const LARGE: [Face; 3] = [Face::P42, Face::P32, Face::P26];

    /// The longest texts of station, link and printer.
    const LONG: [&str; 6] = [
        "Something lies in the drop folder that can not be taken: a name that is no text, a link or another special file, or a folder without any file. Look into the drop folder and copy the scan itself there, under another name; then remove what is left.",
        "The print was stopped: the link ended in mid-print (power, crash or kill). The printer may still be hot until it answers again: if it does not, use its own switch.",
        "The print was stopped: the wire was disturbed and a move may have been made twice. The part can not be trusted; look at the cable.",
        "The printer link does not run as it is configured. Nothing is printed until it was restarted. It has port /dev/serial/by-id/usb-Prusa_Research__prusa3d.com__Original_Prusa_i3_MK3_CZPX0000X004XK00000-if00 instead of virtual, profile prusa-mk3s instead of virtual. Tell IT: when no print runs, systemctl restart calvaria-printer.",
        "The station can not keep its record in /var/lib/calvaria: the store: disk I/O error. Check that the disk is neither full nor broken. Nothing is lost and nothing is printed; new scans wait in the drop folder. Tell IT: free space or mend the disk. The station tries again by itself.",
        "The disk is nearly full. New scans wait in the drop folder, nothing is lost. Ask IT to free space.",
    ];

    #[test]
    fn no_instruction_is_cut_at_either_size() {
        for (faces, room) in [(LARGE, (736, 280)), (SMALL, (296, 138))] {
            for text in LONG {
                let body = lay_out(text, &faces, room);
                let shown = body.lines.join(" ");
                let plain = |t: &str| t.replace(' ', "");
                assert!(!shown.contains("..."), "{shown}");
                assert!(
                    plain(&shown) == plain(text) || shown.ends_with(MORE),
                    "{shown}"
                );
                for line in &body.lines {
                    assert!(text::width(line, body.face) <= room.0, "{line}");
                }
                assert!(
                    body.lines.len() as i32 * pitch(body.face) <= room.1,
                    "{shown}"
                );
                // Whole sentences alone.
                for part in sentences(&shown).into_iter().filter(|s| *s != MORE) {
                    assert!(plain(text).contains(&plain(part)), "{part}");
                }
            }
        }
    }

    #[test]
    fn on_the_large_panel_what_to_do_is_always_there() {
        for text in LONG {
            let shown = lay_out(text, &LARGE, (736, 280)).lines.join(" ");
            let last = sentences(text)
                .last()
                .copied()
                .unwrap_or_default()
                .to_owned();
            assert!(shown.contains(&last), "{shown}");
        }
    }

    #[test]
    fn sentences_end_before_a_capital() {
        assert_eq!(
            sentences("Hot (190 C): do not touch. Look at prusa3d.com first! Why? Call service."),
            [
                "Hot (190 C): do not touch.",
                "Look at prusa3d.com first!",
                "Why?",
                "Call service."
            ]
        );
    }
}
