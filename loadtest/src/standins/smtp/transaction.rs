//! The envelope between MAIL FROM and the final dot. Its buffers are reused from mail to mail.

use super::body::Declared;

/// Sender, recipients and what was announced about the message.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) open: bool,
    pub(super) from: String,
    pub(super) declared: Declared,
    /// RCPT TO commands seen, also the refused ones.
    pub(super) asked: usize,
    names: String,
    ends: Vec<usize>,
}

impl Transaction {
    pub(super) fn begin(&mut self, from: &str, declared: Declared) {
        self.clear();
        self.open = true;
        self.from.push_str(from);
        self.declared = declared;
    }

    pub(super) fn clear(&mut self) {
        self.open = false;
        self.from.clear();
        self.names.clear();
        self.ends.clear();
        self.asked = 0;
    }

    pub(super) fn add(&mut self, recipient: &str) {
        self.names.push_str(recipient);
        self.ends.push(self.names.len());
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn recipients(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.names[start..*end])
    }
}
