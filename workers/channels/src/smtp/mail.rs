//! Turns a call into the bytes of one mail: headers and MIME parts by lettre, dot-stuffed and with the final dot.

use std::sync::Arc;
use std::time::SystemTime;

use herald_shared::clock;
use herald_shared::domain::template::Rendered;
use herald_shared::domain::{Class, Failure, Lane, Reason};
use herald_shared::secrets::random_bytes;
use lettre::message::header::{
    Date, From as FromHeader, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, MessageId, ReplyTo,
    Subject, To,
};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::address::{self, Envelope};
use super::reply::Reply;
use super::settings::Settings;
use super::trouble::failure;
use crate::attachments::Part;
use crate::wording::{is_clean, shorten, tidy};
use crate::{Call, Target};

/// Longest line without its line end (RFC 5322 2.1.1).
const MAX_LINE: usize = 998;

/// A mail ready to be written.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) envelope: Envelope,
    /// `<delivery@sender's domain>`, the same on every attempt.
    message_id: String,
    /// Everything after DATA, the final dot included; with files only what stands before the first of them.
    pub(super) data: Vec<u8>,
    files: Files,
}

/// The files of a mail, and what stands between and after them.
#[derive(Debug, Default)]
struct Files {
    parts: Vec<Arc<Part>>,
    between: String,
    end: String,
}

impl Files {
    fn new(parts: Vec<Arc<Part>>, boundary: &str) -> Self {
        Files { parts, between: format!("--{boundary}\r\n"), end: format!("--{boundary}--\r\n.\r\n") }
    }
}

impl Mail {
    /// Renders and encodes the mail to the call's one recipient, with these files.
    ///
    /// # Errors
    /// Permanent failures: the address is none, a header would hold control characters, the template does not render.
    pub(super) fn build(settings: &Settings, call: &Call, files: Vec<Arc<Part>>) -> Result<Self, Failure> {
        let Some(target) = call.to.first() else {
            return Err(unusable("the call has no recipient"));
        };
        let address = address::parse(&target.address).ok_or_else(|| {
            failure(Class::PermanentRecipient, "address", "is not a mail address", Reason::InvalidAddress)
        })?;
        let mut rendered = call.render(target).map_err(|problem| unusable(&problem.to_string()))?;
        if let Some((links, holder)) = call.links(target).filter(|_| call.message.asks) {
            rendered.html = rendered.html.map(|html| with_pixel(html, &links.pixel(holder)));
        }
        let envelope = Envelope::new(&settings.from.email, &address);
        let message_id = format!("<{}@{}>", call.delivery(target), settings.from.email.domain());
        let to = Mailbox::new(display_name(target)?, address);
        let mut headers = headers(settings, to, &rendered.subject, &message_id)?;
        // An urgent message does not ask whether it is wanted: who left the mailing gets it all the same.
        if let Some((links, holder)) = call.links(target).filter(|_| call.message.lane != Lane::Urgent) {
            way_out(&mut headers, &links.unsubscribe(holder));
        }
        let mut text = headers.to_string().into_bytes();
        if text.split(|byte| *byte == b'\n').any(|line| line.len() > MAX_LINE) {
            return Err(unusable("a header line would be longer than 998 bytes"));
        }
        let body = parts(rendered)?;
        if files.is_empty() {
            text.extend(body);
            return Ok(Mail { envelope, message_id, data: stuff(&text, END), files: Files::default() });
        }
        let boundary = boundary();
        let files = Files::new(files, &boundary);
        text.extend(format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").bytes());
        text.extend(files.between.bytes());
        text.extend(body);
        Ok(Mail { envelope, message_id, data: stuff(&text, ""), files })
    }

    /// Everything after DATA, in order. Files are the same bytes in the mails of everybody.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let Files { parts, between, end } = &self.files;
        let files = parts.iter().flat_map(|part| [between.as_bytes(), part.bytes()]);
        let after = (!parts.is_empty()).then_some(end.as_bytes());
        std::iter::once(self.data.as_slice()).chain(files).chain(after)
    }

    /// Bytes of everything after DATA.
    pub(super) fn size(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// The provider's id of the mail: what the server said when it took it, else our Message-ID.
    pub(super) fn reference(&self, accepted: &Reply) -> String {
        let said = accepted.text();
        if said.trim().is_empty() { self.message_id.clone() } else { shorten(&tidy(&said), 100) }
    }
}

fn unusable(detail: &str) -> Failure {
    failure(Class::PermanentRequest, "mail", detail, Reason::Rejected)
}

fn display_name(target: &Target) -> Result<Option<String>, Failure> {
    let name = target.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    match name {
        Some(name) if !is_clean(name) => Err(unusable("the recipient's name holds control characters")),
        name => Ok(name.map(str::to_owned)),
    }
}

fn headers(settings: &Settings, to: Mailbox, subject: &str, message_id: &str) -> Result<Headers, Failure> {
    if !is_clean(subject) {
        return Err(unusable("the subject holds control characters"));
    }
    let mut headers = Headers::with_capacity(10);
    headers.set(Date::from(SystemTime::from(clock::now())));
    headers.set(FromHeader::from(lettre::message::Mailboxes::from(settings.from.clone())));
    if let Some(reply_to) = &settings.reply_to {
        headers.set(ReplyTo::from(lettre::message::Mailboxes::from(reply_to.clone())));
    }
    headers.set(To::from(lettre::message::Mailboxes::from(to)));
    headers.set(Subject::from(subject.to_owned()));
    headers.set(MessageId::from(message_id.to_owned()));
    // RFC 3834: keeps vacation responders quiet.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    headers.insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    headers.set(MIME_VERSION_1_0);
    Ok(headers)
}

/// How to leave, with one click (RFC 8058).
fn way_out(headers: &mut Headers, url: &str) {
    let mut set = |name, value| {
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    set("List-Unsubscribe", format!("<{url}>"));
    set("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned());
}

/// An image that nobody sees; fetching it says that the mail was opened.
fn with_pixel(mut html: String, url: &str) -> String {
    let end = html.rfind("</body>").unwrap_or(html.len());
    html.insert_str(end, &format!("<img src=\"{url}\" width=\"1\" height=\"1\" alt=\"\">\n"));
    html
}

/// The MIME parts, content headers first: both kinds as alternatives (text first), or the one there is.
fn parts(rendered: Rendered) -> Result<Vec<u8>, Failure> {
    let link = rendered.link.as_deref();
    let text = rendered.text.map(|text| body(with_link(text, link))).transpose()?;
    let html = rendered.html.map(|html| body(with_html_link(html, link))).transpose()?;
    Ok(match (text, html) {
        (Some(text), Some(html)) => MultiPart::alternative_plain_html(text, html).formatted(),
        (None, Some(html)) => SinglePart::html(html).formatted(),
        (Some(text), None) => SinglePart::plain(text).formatted(),
        (None, None) => SinglePart::plain(body(link.unwrap_or(&rendered.subject).to_owned())?).formatted(),
    })
}

/// Lines that end in LF (lettre makes them CRLF); a lone CR would be a line end to some servers and not to others.
fn body(text: String) -> Result<String, Failure> {
    if text.contains('\0') {
        return Err(unusable("the content holds a NUL character"));
    }
    if text.contains('\r') { Ok(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Ok(text) }
}

/// The link belongs to the message: it is added where the text does not hold it.
fn with_link(text: String, link: Option<&str>) -> String {
    match link {
        Some(link) if !text.contains(link) => format!("{text}\n\n{link}\n"),
        _ => text,
    }
}

fn with_html_link(mut html: String, link: Option<&str>) -> String {
    let Some(link) = link else { return html };
    let safe = link.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    if !html.contains(link) && !html.contains(&safe) {
        let end = html.rfind("</body>").unwrap_or(html.len());
        html.insert_str(end, &format!("<p><a href=\"{safe}\">{safe}</a></p>\n"));
    }
    html
}

/// What no part of a mail can hold, since nobody knows it before.
fn boundary() -> String {
    random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The final dot.
const END: &str = ".\r\n";

/// Dot-stuffing (RFC 5321 4.5.2) of text with CRLF line ends, which it gets at its end; and `end`.
fn stuff(text: &[u8], end: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(text.len() + text.len() / 64 + 8);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    if !data.ends_with(b"\r\n") {
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(end.as_bytes());
    data
}

#[cfg(test)]
impl Mail {
    /// Some mail of about `size` bytes.
    pub(super) fn of_size(size: usize) -> Self {
        let [from, to] = ["a@example.org".to_owned(), "b@example.org".to_owned()];
        let data = stuff("line\r\n".repeat(size / 6).as_bytes(), END);
        Mail {
            envelope: Envelope { from, to, utf8: false },
            message_id: String::new(),
            data,
            files: Files::default(),
        }
    }
}

#[cfg(test)]
mod tests;
