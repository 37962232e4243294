//! Materials: does what stands on the spool agree with what the case was sliced for?
//!
//! In:    the text of a spool as somebody typed it; the name of the case's material profile; words that this print room
//!        knows besides (`[material] words`).
//! Out:   whether the two are the same material.
//! Holds: one polymer is one material however it is spelt, in which colour, of which maker and lot; what is filled, foamed
//!        or softened is another one. A word that nobody knows here is no colour, lot or maker: the polymers and fillers of
//!        a catalogue have no end, those words have one, and a supervisor can say that it is right.
//! Never: a guess. A spool that names no material, or two, agrees with nothing.

mod lists;

use lists::{
    BEFORE_LOTS, COLOURS, FAMILIES, FILLERS, FINISHES, GRADES, How, MAKERS, METAL_COLOURS,
    NAMESAKES, NO_FILLER, PLAIN, SHADES, UNITS,
};
use std::collections::BTreeSet;

/// So many digits in one are a lot, not a grade.
const LOT_DIGITS: usize = 3;
/// Longest letters of a lot.
const LOT_LETTERS: usize = 4;
/// What holds parts of one word together: `PET-G`, `PLA/PE`, `PLA+`.
const JOINS: &str = "-_/+.&";

/// What a spool's text says beside a material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spool {
    /// The case's material, and no other.
    Agrees,
    /// Another one, in words.
    Other(String),
    /// The case's material, and words that are not known here.
    Strange(String),
    /// None that is known.
    Unsaid,
}

/// What `spool` says of `material`, the name a case was sliced for, e.g. `pla`. `known` are harmless words of this room.
pub(super) fn compare(spool: &str, material: &str, known: &[String]) -> Spool {
    let (mut said, mut wanted) = (Said::read(spool), Said::read(material));
    // A material that nobody lists is known by its own name alone, whatever the room's words are.
    let own = wanted.families.is_empty().then(|| wanted.strange.clone());
    let is_own = |word: &str| own.as_ref().is_some_and(|own| own.contains(word));
    for word in known.iter().flat_map(|text| words(text)) {
        if !is_own(&word.text) {
            said.strange.remove(&word.text);
            wanted.strange.remove(&word.text);
        }
    }
    if said.families.is_empty() {
        // A material nobody lists agrees by its own name.
        let own = wanted.families.is_empty() && !said.strange.is_disjoint(&wanted.strange);
        if !own {
            return Spool::Unsaid;
        }
    }
    if (&said.families, &said.fillers) != (&wanted.families, &wanted.fillers) {
        return Spool::Other(said.in_words());
    }
    if !wanted.strange.is_subset(&said.strange) {
        return Spool::Other(said.in_words());
    }
    let strange: Vec<&str> = said
        .strange
        .difference(&wanted.strange)
        .map(String::as_str)
        .collect();
    match strange.as_slice() {
        [] => Spool::Agrees,
        some => Spool::Strange(some.join(" ")),
    }
}

/// What a text says of a material.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// By their place in [`FAMILIES`].
    families: BTreeSet<usize>,
    fillers: BTreeSet<&'static str>,
    /// Words that nobody knows here.
    strange: BTreeSet<String>,
}

/// Letters that stand in one, in lower case, and what stands around them.
#[derive(Debug)]
struct Word {
    text: String,
    /// Which group of joined parts it stands in.
    group: usize,
    /// Right behind a digit, or alone behind a number.
    after_digit: bool,
    /// Digits in one with it.
    digits: usize,
    /// Digits of its group.
    group_digits: usize,
}

impl Said {
    fn read(text: &str) -> Self {
        let mut said = Self::default();
        let words = words(text);
        let mut n = 0;
        while n < words.len() {
            n += said.word(&words, n);
        }
        said.percents(text);
        // Of what, is said beside it.
        for general in ["filled", "fibre"] {
            if said.fillers.len() > 1 {
                said.fillers.remove(general);
            }
        }
        said
    }

    /// Takes the word at `n`, with those that belong to it; how many.
    fn word(&mut self, words: &[Word], n: usize) -> usize {
        if let Some((family, length)) = named(words, n) {
            self.families.insert(family);
            return length;
        }
        let word = words[n].text.as_str();
        let next = words.get(n + 1).map_or("", |w| w.text.as_str());
        if is_namesake(word, next) || (FINISHES.contains(&word) && METAL_COLOURS.contains(&next)) {
            return 2;
        }
        if word == "light" && next == "weight" {
            self.fillers.insert("foaming");
            return 2;
        }
        if let Some(filler) = filler(word) {
            self.fillers.insert(filler);
        } else if let Some((family, mark)) = joined(word) {
            self.families.insert(family);
            self.fillers.extend(filler(mark));
        } else if !is_harmless(words, n) {
            self.strange.insert(word.into());
        }
        1
    }

    /// `20 %` of something is in it, unless that is how much is left.
    fn percents(&mut self, text: &str) {
        let lower = text.to_lowercase();
        let how_full = ["left", "rest", "full", "remaining", "100 %", "100%"];
        if lower.contains('%') && !how_full.iter().any(|word| lower.contains(word)) {
            self.strange.insert("%".into());
        }
    }

    fn in_words(&self) -> String {
        let families = self.families.iter().map(|n| FAMILIES[*n].0.to_uppercase());
        let strange = self.strange.iter().map(|m| m.to_uppercase());
        let fillers = self.fillers.iter().map(|f| (*f).to_owned());
        let all: Vec<String> = families.chain(fillers).chain(strange).collect();
        all.join(" ")
    }
}

/// Every word of letters, with what stands around it.
fn words(text: &str) -> Vec<Word> {
    let lower = text.to_lowercase();
    let in_group = |c: char| c.is_alphanumeric() || JOINS.contains(c);
    let (mut all, mut after_number) = (Vec::new(), false);
    for (group, part) in lower
        .split(|c: char| !in_group(c))
        .filter(|g| !g.is_empty())
        .enumerate()
    {
        let digits = |text: &str| text.chars().filter(|c| c.is_numeric()).count();
        let group_digits = digits(part);
        for sub in part
            .split(|c: char| JOINS.contains(c))
            .filter(|s| !s.is_empty())
        {
            let is_digit = |c: char| !c.is_alphabetic();
            for (at, letters) in sub.match_indices(|c: char| c.is_alphabetic()).fold(
                Vec::<(usize, String)>::new(),
                |mut runs, (at, c)| {
                    match runs.last_mut() {
                        Some((from, run)) if *from + run.len() == at => run.push_str(c),
                        _ => runs.push((at, c.into())),
                    }
                    runs
                },
            ) {
                let before = sub[..at].chars().next_back();
                all.push(Word {
                    text: letters,
                    group,
                    after_digit: before.map_or(after_number, is_digit),
                    digits: digits(sub),
                    group_digits,
                });
            }
            after_number = digits(sub) > 0 && !sub.chars().any(char::is_alphabetic);
        }
    }
    all
}

/// The polymer that is named from `n` on, and in how many parts of one group: the longest name first, PET-G is no PET.
fn named(words: &[Word], n: usize) -> Option<(usize, usize)> {
    let group = words[n].group;
    let most = words[n..].iter().take_while(|w| w.group == group).count();
    (1..=most).rev().find_map(|length| {
        let parts = words[n..n + length].iter();
        let name: String = parts.map(|w| w.text.as_str()).collect();
        Some((family(&name)?, length))
    })
}

/// May it stand beside a material without making it another one?
fn is_harmless(words: &[Word], n: usize) -> bool {
    let word = &words[n];
    let text = word.text.as_str();
    // `no 22-117` is a number, `no PLA` is none.
    let material_next = (words.get(n + 1).filter(|next| !next.after_digit))
        .is_some_and(|_| named(words, n + 1).is_some());
    if text == "no" && material_next {
        return false;
    }
    let known = is_colour(text)
        || [&GRADES[..], &MAKERS, &PLAIN, &BEFORE_LOTS, &NO_FILLER]
            .iter()
            .any(|list| list.contains(&text));
    if known || (word.after_digit && UNITS.contains(&text)) {
        return true;
    }
    let before = n.checked_sub(1).map(|n| &words[n]);
    let beside = [before, words.get(n + 1)];
    let shade = SHADES.contains(&text) && beside.into_iter().flatten().any(|w| is_colour(&w.text));
    // `lot C`; `22-117-B`, `KX22117`: so many digits are no grade.
    let is_short = text.chars().count() <= LOT_LETTERS;
    let of_lot = is_short && before.is_some_and(|w| BEFORE_LOTS.contains(&w.text.as_str()));
    let names = |w: &Word| w.group == word.group && family(&w.text).is_some();
    let alone = !words.iter().any(names);
    let coded = is_short
        && (word.digits >= LOT_DIGITS
            || (word.group_digits >= LOT_DIGITS && (alone || word.digits > 0)));
    shade || of_lot || coded
}

/// A colour or a finish, in one word or two that are written as one: `lightgrey`, `mattblack`.
fn is_colour(word: &str) -> bool {
    let plain = |word: &str| COLOURS.contains(&word) || FINISHES.contains(&word);
    let cuts = word.char_indices().map(|(at, _)| word.split_at(at));
    plain(word)
        || cuts
            .filter(|(a, b)| a.len() >= 3 && b.len() >= 3)
            .any(|(a, b)| is_namesake(a, b) || (plain(b) && (plain(a) || SHADES.contains(&a))))
}

/// `steel grey` is a colour.
fn is_namesake(word: &str, colour: &str) -> bool {
    let lends = NAMESAKES.iter().find(|(thing, _)| *thing == word);
    lends.is_some_and(|(_, colours)| colours.contains(&colour))
}

/// The polymer that is called so.
fn family(word: &str) -> Option<usize> {
    FAMILIES.iter().position(|(_, names)| names.contains(&word))
}

/// A name and a mark that is known, written as one: `rPLA`, `PLACF`, `PLAwhite`.
fn joined(word: &str) -> Option<(usize, &str)> {
    let is_mark = |mark: &str| {
        GRADES.contains(&mark) || filler(mark).is_some() || (mark.len() > 2 && is_colour(mark))
    };
    let cuts = word.char_indices().map(|(at, _)| word.split_at(at));
    cuts.filter(|(a, b)| !a.is_empty() && !b.is_empty())
        .find_map(|(a, b)| {
            // Two letters are the beginning of many words.
            let name = |name: &str| family(name).filter(|_| name.len() > 2);
            let first = name(a).filter(|_| is_mark(b)).map(|f| (f, b));
            first.or_else(|| name(b).filter(|_| is_mark(a)).map(|f| (f, a)))
        })
}

/// What is mixed in, by this word.
fn filler(word: &str) -> Option<&'static str> {
    if NO_FILLER.contains(&word) || family(word).is_some() || is_colour(word) {
        return None;
    }
    let found = FILLERS.iter().find(|(stem, how, _)| match how {
        How::Whole => word == *stem,
        How::Begins => word.starts_with(stem),
        How::Ends => word.ends_with(stem),
        How::Within => word.contains(stem),
    });
    found.map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests;
