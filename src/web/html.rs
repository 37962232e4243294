//! HTML that can not be injected into: text is escaped unless it is HTML already.

use std::fmt::{self, Write};

/// A piece of finished HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Appends markup as it stands. `'static`, so that nothing from outside gets in.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends text, escaped; fit for elements and for quoted attributes.
    pub(super) fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        // Writing into a String can not fail.
        let _ = write!(Escape(&mut self.0), "{text}");
        self
    }

    /// Appends finished HTML.
    pub(super) fn add(&mut self, html: &Html) -> &mut Self {
        self.0.push_str(&html.0);
        self
    }

    /// `<tag class="class">text</tag>`.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        class: &'static str,
        text: impl fmt::Display,
    ) -> &mut Self {
        self.raw("<").raw(tag);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">").text(text).raw("</").raw(tag).raw(">")
    }

    /// The bytes.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// `true` when nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Escape<'a>(&'a mut String);

impl fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if c.is_control() && c != '\n' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_not_become_markup() {
        let mut html = Html::new();
        html.element("p", "a", "<script>'x' & \"y\"\u{1b}[0m</script>");
        assert_eq!(
            html.into_string(),
            "<p class=\"a\">&lt;script&gt;&#39;x&#39; &amp; &quot;y&quot;\u{fffd}[0m&lt;/script&gt;</p>"
        );
    }
}
