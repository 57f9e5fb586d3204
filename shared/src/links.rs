//! Signed links: the one thing that lets a recipient in.
//!
//! A token is 18 bytes in 24 characters of URL-safe base 64: what it is for (2 bits; two families with a tag key each), the channel it
//! went out by (4), plan (40) and recipient (26), masked so that it shows nothing of them, and a tag of 72 bits. Nothing is stored: a token is opened by computing it.
//! The key is 32 random bytes in table `setting`, sealed under the master key like every secret. It is not the master key itself, so
//! that links in messages that went out long ago still work after that was rotated (`herald-api rekey` seals it again).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deadpool_postgres::GenericClient;
use ring::hmac;
use subtle::ConstantTimeEq as _;
use tokio::sync::OnceCell;

use crate::db::settings;
use crate::domain::Channel;
use crate::secrets::KeyRing;

/// Bytes of the payload, and of the tag.
const HALF: usize = 9;
/// Characters of a token.
pub const TOKEN_LENGTH: usize = 24;
const PLAN_BITS: u32 = 40;
const NO_BITS: u32 = 26;

/// What a token opens. One for one thing does not open another: whoever sees the address of a mail's image cannot read the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The recipient's page.
    Page = 0,
    /// The image in a mail.
    Pixel = 1,
    /// Leaving the sender's mailing.
    Unsubscribe = 2,
    /// The cookie that a page sets: whoever sends it has seen the page.
    Visit = 3,
    /// Deciding whether a plan may go out: an approver's page. Its holder's `no` says in which step and round, and who.
    Approve = 4,
    /// The cookie of a browser whose user entered a code: `plan_id` is `page_pass.id`, `no` the recipient.
    Pass = 5,
}

impl Purpose {
    /// The two bits in the payload.
    const fn bits(self) -> u8 {
        self as u8 & 3
    }

    /// Which of the tag keys.
    const fn family(self) -> usize {
        self as usize >> 2
    }
}

/// Whom a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// `plan.id`.
    pub plan_id: i64,
    /// `recipient.no`.
    pub no: i32,
    /// The channel the link went out by; `None`: by none in particular.
    pub channel: Option<Channel>,
}

/// Makes and opens tokens.
#[derive(Clone)]
pub struct LinkKey {
    /// By [`Purpose::family`].
    tags: [hmac::Key; 2],
    mask: hmac::Key,
    code: hmac::Key,
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey")
    }
}

impl LinkKey {
    /// From the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sub = |label: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, label).as_ref());
        LinkKey {
            tags: [sub(b"herald link tag 1"), sub(b"herald link tag 2")],
            mask: sub(b"herald link mask 1"),
            code: sub(b"herald code 1"),
        }
    }

    /// The token of `holder` for `purpose`; always the same.
    #[must_use]
    pub fn token(&self, purpose: Purpose, holder: Holder) -> String {
        let payload = pack(purpose, holder);
        // Programs that find links in a text may take punctuation at its end for the text's: another of four tags then.
        let mut token = String::new();
        for variant in 0..4 {
            token = self.seal(purpose, payload, variant);
            if token.ends_with(|last: char| last.is_ascii_alphanumeric()) {
                break;
            }
        }
        token
    }

    /// Whom `token` stands for; `None` when it is none of ours or for something else. Takes as long for any token.
    #[must_use]
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Holder> {
        if token.len() != TOKEN_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (masked, tag) = bytes.split_at_checked(HALF)?;
        let tag: [u8; HALF] = tag.try_into().ok()?;
        let payload = self.masked(masked.try_into().ok()?, &tag);
        let genuine: bool = self.tag_of(purpose, payload, tag[0] & 3).ct_eq(&tag).into();
        let (packed, holder) = unpack(payload)?;
        (genuine && packed == purpose.bits()).then_some(holder)
    }

    /// What is stored of a one-time code that was sent to a recipient: without the key nobody can try all codes against it.
    #[must_use]
    pub fn code_hash(&self, plan_id: i64, no: i32, code: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.code, format!("{plan_id}|{no}|{code}").as_bytes());
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn seal(&self, purpose: Purpose, payload: [u8; HALF], variant: u8) -> String {
        let tag = self.tag_of(purpose, payload, variant);
        let mut bytes = [0; 2 * HALF];
        bytes[..HALF].copy_from_slice(&self.masked(payload, &tag));
        bytes[HALF..].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The tag, its lowest two bits of the first byte naming the variant.
    fn tag_of(&self, purpose: Purpose, payload: [u8; HALF], variant: u8) -> [u8; HALF] {
        let mut input = [0; HALF + 1];
        input[..HALF].copy_from_slice(&payload);
        input[HALF] = variant;
        let mut tag = first_half(&hmac::sign(&self.tags[purpose.family()], &input));
        tag[0] = tag[0] & !3 | variant;
        tag
    }

    /// Masks, and unmasks.
    fn masked(&self, half: [u8; HALF], tag: &[u8; HALF]) -> [u8; HALF] {
        let mut stream = first_half(&hmac::sign(&self.mask, tag));
        stream.iter_mut().zip(half).for_each(|(byte, other)| *byte ^= other);
        stream
    }
}

fn first_half(tag: &hmac::Tag) -> [u8; HALF] {
    let mut half = [0; HALF];
    half.copy_from_slice(&tag.as_ref()[..HALF]);
    half
}

fn pack(purpose: Purpose, holder: Holder) -> [u8; HALF] {
    let channel = holder.channel.map_or(0, Channel::code) as u128;
    let plan = holder.plan_id as u128 & ((1 << PLAN_BITS) - 1);
    let no = holder.no as u128 & ((1 << NO_BITS) - 1);
    let bits = (u128::from(purpose.bits()) << 4 | channel) << (PLAN_BITS + NO_BITS) | plan << NO_BITS | no;
    let mut half = [0; HALF];
    half.copy_from_slice(&bits.to_be_bytes()[16 - HALF..]);
    half
}

fn unpack(half: [u8; HALF]) -> Option<(u8, Holder)> {
    let mut wide = [0; 16];
    wide[16 - HALF..].copy_from_slice(&half);
    let bits = u128::from_be_bytes(wide);
    let field = |shift: u32, size: u32| (bits >> shift) as i64 & ((1 << size) - 1);
    let channel = match field(PLAN_BITS + NO_BITS, 4) {
        0 => None,
        code => Some(Channel::from_code(i16::try_from(code).ok()?).ok()?),
    };
    let holder =
        Holder { plan_id: field(NO_BITS, PLAN_BITS), no: i32::try_from(field(0, NO_BITS)).ok()?, channel };
    Some((u8::try_from(field(PLAN_BITS + NO_BITS + 4, 2)).ok()?, holder))
}

/// Where recipients find their pages, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl std::str::FromStr for PublicUrl {
    type Err = ();
    /// Only characters that mean the same in text, HTML and headers, so that links need no escaping anywhere.
    fn from_str(text: &str) -> Result<Self, ()> {
        let url = url::Url::parse(text).map_err(|_| ())?;
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b));
        let good = plain && matches!(url.scheme(), "https" | "http") && url.host_str().is_some();
        good.then(|| PublicUrl(text.trim_end_matches('/').to_owned())).ok_or(())
    }
}

impl PublicUrl {
    /// The address itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether browsers come by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// What stands between host and `/m/...`: empty unless Herald is published below a path.
    #[must_use]
    pub fn path(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }
}

/// Makes the links that go into messages.
#[derive(Debug, Clone)]
pub struct Links {
    key: Arc<LinkKey>,
    base: PublicUrl,
}

impl Links {
    /// Links below `base`.
    #[must_use]
    pub fn new(key: Arc<LinkKey>, base: PublicUrl) -> Self {
        Links { key, base }
    }

    /// The recipient's page.
    #[must_use]
    pub fn page(&self, holder: Holder) -> String {
        format!("{}/m/{}", self.base.0, self.key.token(Purpose::Page, holder))
    }

    /// The page of a plan, where its members say who they are.
    #[must_use]
    pub fn group(&self, holder: Holder) -> String {
        format!("{}/q/{}", self.base.0, self.key.token(Purpose::Page, holder))
    }

    /// Where the page's answer form goes.
    #[must_use]
    pub fn acknowledge(&self, holder: Holder) -> String {
        format!("{}/acknowledge", self.page(holder))
    }

    /// The page on which an approver decides.
    #[must_use]
    pub fn approve(&self, holder: Holder) -> String {
        format!("{}/a/{}", self.base.0, self.key.token(Purpose::Approve, holder))
    }

    /// The image in a mail.
    #[must_use]
    pub fn pixel(&self, holder: Holder) -> String {
        format!("{}/o/{}.gif", self.base.0, self.key.token(Purpose::Pixel, holder))
    }

    /// Where a mail's recipient leaves.
    #[must_use]
    pub fn unsubscribe(&self, holder: Holder) -> String {
        format!("{}/u/{}", self.base.0, self.key.token(Purpose::Unsubscribe, holder))
    }
}

/// The installation's link key, read from the database when it is first needed.
pub struct LinkSource {
    ring: KeyRing,
    /// Where pages are found; `None`: nowhere, so no message has a link.
    pub base: Option<PublicUrl>,
    key: OnceCell<Arc<LinkKey>>,
}

impl LinkSource {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(ring: KeyRing, base: Option<PublicUrl>) -> Self {
        LinkSource { ring, base, key: OnceCell::new() }
    }

    /// The key.
    ///
    /// # Errors
    /// The database's, or its secret cannot be opened or is not there.
    pub async fn key(&self, client: &impl GenericClient) -> anyhow::Result<Arc<LinkKey>> {
        let read = async || {
            let secret = settings::get(client, &self.ring, settings::LINK_KEY).await?;
            let secret =
                secret.ok_or_else(|| anyhow::anyhow!("there is no link key: run herald-api migrate"))?;
            anyhow::Ok(Arc::new(LinkKey::new(&secret)))
        };
        self.key.get_or_try_init(read).await.cloned()
    }

    /// The key, if it was read before.
    #[must_use]
    pub fn known(&self) -> Option<Arc<LinkKey>> {
        self.key.get().cloned()
    }

    /// What messages get their links from, if it was read before and pages have an address.
    #[must_use]
    pub fn links(&self) -> Option<Arc<Links>> {
        Some(Arc::new(Links::new(self.known()?, self.base.clone()?)))
    }
}

#[cfg(test)]
mod tests;
