//! Words: the letters and numbers of a command, as loosely as the firmwares read them.

/// The words of a command; the first is the command itself.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<(char, Option<f64>)>);

impl Words {
    pub(super) fn read(text: &str) -> Self {
        let mut found = Vec::new();
        // The first character decides: `1 M105`, `^1198 G1 X1` are unknown commands.
        if !text.starts_with(['G', 'M', 'T']) {
            return Self(found);
        }
        let mut chars = text.chars().peekable();
        while let Some(letter) = chars.next() {
            if !letter.is_ascii_alphabetic() {
                continue;
            }
            let mut number = String::new();
            while let Some(&c) = chars.peek() {
                let sign = c == '-' && number.is_empty();
                if !(sign || c.is_ascii_digit() || c == '.') {
                    break;
                }
                number.push(c);
                chars.next();
            }
            found.push((letter.to_ascii_uppercase(), number.parse().ok()));
        }
        Self(found)
    }
    pub(super) fn has(&self, letter: char) -> bool {
        self.0.iter().skip(1).any(|(l, _)| *l == letter)
    }
    pub(super) fn get(&self, letter: char) -> Option<f64> {
        self.0.iter().skip(1).find(|(l, _)| *l == letter)?.1
    }
    pub(super) fn nm(&self, letter: char) -> Option<i64> {
        self.get(letter).map(|v| (v * 1e6).round() as i64)
    }
    /// `G1` as ('G', 1).
    pub(super) fn code(&self) -> Option<(char, u32)> {
        let (letter, number) = *self.0.first()?;
        let number = number.filter(|n| n.fract() == 0.0 && (0.0..1e6).contains(n))?;
        Some((letter, number as u32))
    }
}
