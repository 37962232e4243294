//! XML: tags and their attributes, as far as 3MF needs them.

/// One XML tag: its name without prefix, and its text.
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) closes: bool,
    text: &'a str,
}

impl<'a> Tag<'a> {
    /// An attribute's value, by its name without prefix.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes()
            .find(|(key, _)| local(key) == name)
            .map(|(_, value)| value)
    }

    /// The attributes with their prefixes, until one that does not follow the format.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|q| matches!(q, '"' | '\''))?;
            let (value, next) = after[1..].split_once(quote)?;
            rest = next;
            Some((key.trim(), value))
        })
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The tags of an XML text in order. Comments, declarations and texts between tags are passed over; an element
/// that closes itself gives an opening and, for objects, a closing tag.
pub(super) fn tags(xml: &str) -> impl Iterator<Item = Result<Tag<'_>, &'static str>> {
    let mut rest = xml;
    let mut pending: Option<&str> = None;
    std::iter::from_fn(move || {
        if let Some(name) = pending.take() {
            return Some(Ok(Tag {
                name,
                closes: true,
                text: "",
            }));
        }
        loop {
            rest = &rest[rest.find('<')? + 1..];
            let skip = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>"), ("!", ">")];
            if let Some((_, end)) = skip.iter().find(|(start, _)| rest.starts_with(start)) {
                let Some(at) = rest.find(end) else {
                    rest = "";
                    return Some(Err("the file ends within a comment"));
                };
                rest = &rest[at + end.len()..];
                continue;
            }
            let Some(end) = tag_end(rest) else {
                rest = "";
                return Some(Err("the file ends within a tag"));
            };
            let inner = &rest[..end];
            rest = &rest[end + 1..];
            let closes = inner.starts_with('/');
            let alone = inner.ends_with('/');
            let body = inner.trim_matches('/').trim();
            let (name, text) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
            if alone && local(name) == "object" {
                pending = Some("object");
            }
            return Some(Ok(Tag {
                name: local(name),
                closes,
                text,
            }));
        }
    })
}

/// Where a tag's `>` stands: not within quotes.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}
