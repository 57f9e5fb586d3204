//! `GET /m/{token}`: the page, and the image in it whose fetch with the page's cookie is what counts as reading.

use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::files;
use herald_shared::db::reading::{self, Note, Page, Shown};
use herald_shared::domain::Content;
use herald_shared::domain::template::{self, Rendered};
use herald_shared::links::{Holder, LinkKey, Links, Purpose};

use super::answer::Offered;
use super::html::{self, Answered, View};
use super::language::Words;
use super::{Found, code, cookie, find, gate, is_prefetch, link_key, opened, plain, trouble};
use crate::App;
use crate::error::Result;

/// Name of the cookie that says: the page was shown here.
const VISIT: &str = "herald_visit";
/// How long it is kept, in seconds.
const KEPT: u32 = 86_400;
/// Other messages shown.
const HISTORY: i64 = 20;

/// The page.
pub(super) async fn page(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    match show(&app, &token, &headers).await {
        Ok(response) => response,
        Err(problem) => trouble(&headers, &problem),
    }
}

async fn show(app: &App, token: &str, headers: &HeaderMap) -> Result<Response> {
    let (holder, page) = match open(app, token, headers, "").await? {
        Opened::Page(holder, page) => (holder, page),
        Opened::Instead(response) => return Ok(response),
    };
    let text = match &page.shown.content.target {
        Some(target) => {
            let words = Words::of(headers, page.locale.as_deref());
            html::leading_on(words, (token, &page.shown.title), target)
        }
        None => {
            let drawn = Drawn { up: "", note: |_| None, entered: (None, None) };
            draw(app, (token, holder), &page, headers, &drawn).await?
        }
    };
    let mut response = super::html(StatusCode::OK, text);
    if let Some(cookie) = cookie(app, token, holder).await? {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What a token opens.
pub(super) enum Opened {
    /// A message, to whoever may see it.
    Page(Holder, Box<Page>),
    /// Another answer: the question who they are, or the way to the message that took its place.
    Instead(Response),
}

/// Opens a page, or what belongs to it; `up`: from there to the folder of the tokens.
pub(super) async fn open(app: &App, token: &str, headers: &HeaderMap, up: &str) -> Result<Opened> {
    let holder = opened(app, Purpose::Page, token).await?.ok_or_else(super::nothing)?;
    let page = match find(app, holder).await? {
        Found::Page(page) => page,
        Found::Withdrawn => return lead_on(app, holder, up).await.map(Opened::Instead),
        Found::Erased => return Err(super::erased()),
        Found::Closed => return Err(super::closed()),
        Found::Nothing => return Err(super::nothing()),
    };
    if page.terms.protected && !code::is_remembered(app, headers, holder).await? {
        let words = Words::of(headers, page.locale.as_deref());
        let question = gate::page(words, up, token, &gate::Note::Nothing);
        return Ok(Opened::Instead(super::html(StatusCode::OK, question)));
    }
    Ok(Opened::Page(holder, page))
}

/// A withdrawn message leads to the one that took its place, once that was sent.
async fn lead_on(app: &App, holder: Holder, up: &str) -> Result<Response> {
    let next = reading::successor(&app.db().await?, holder.plan_id, holder.no).await?;
    let (plan_id, no) = next.ok_or_else(super::withdrawn)?;
    let token = link_key(app).await?.token(Purpose::Page, Holder { plan_id, no, ..holder });
    // Beside this one, wherever pages are.
    let location = HeaderValue::from_str(&format!("{up}{token}")).map_err(|_| super::withdrawn())?;
    Ok((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response())
}

/// The image.
pub(super) async fn image(
    State(app): State<App>,
    method: Method,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match seen(&app, &method, &token, &headers).await {
        Ok(()) => super::image(),
        Err(problem) => problem.into_response(),
    }
}

async fn seen(app: &App, method: &Method, token: &str, headers: &HeaderMap) -> Result<()> {
    let Some(holder) = opened(app, Purpose::Page, token).await? else { return Ok(()) };
    let visit = cookie::all(headers, VISIT).next();
    let visited = visit.and_then(|visit| link_key_known(app)?.open(Purpose::Visit, visit));
    // A browser that names its reason fetches the image as an image, when somebody looks at the page.
    let looks = headers.get("sec-fetch-dest").is_none_or(|dest| dest == "image");
    if method == Method::GET && visited == Some(holder) && looks && !is_prefetch(headers) {
        let Holder { plan_id, no, channel } = holder;
        app.recorder.note(Note { plan_id, no, channel, answer: None, words: None }).await?;
    }
    Ok(())
}

fn link_key_known(app: &App) -> Option<std::sync::Arc<LinkKey>> {
    app.links.known()
}

async fn cookie(app: &App, token: &str, holder: Holder) -> Result<Option<HeaderValue>> {
    let visit = link_key(app).await?.token(Purpose::Visit, holder);
    Ok(cookie::set(app, (VISIT, &visit), &gate::path(token), KEPT))
}

/// How a page is drawn.
pub(super) struct Drawn<'a> {
    /// From the page's address to the folder of the tokens.
    pub(super) up: &'static str,
    /// What is wrong, in the page's language.
    pub(super) note: fn(&'static Words) -> Option<&'static str>,
    /// What was entered in a form that was refused.
    pub(super) entered: (Option<&'a str>, Option<&'a str>),
}

/// The page's HTML.
pub(super) async fn draw(
    app: &App,
    (token, holder): (&str, Holder),
    page: &Page,
    headers: &HeaderMap,
    drawn: &Drawn<'_>,
) -> Result<String> {
    let words = Words::of(headers, page.locale.as_deref());
    let key = link_key(app).await?;
    let address =
        app.links.base.clone().map(|base| Links::new(key.clone(), base).page(holder)).unwrap_or_default();
    let shown = rendered(&page.shown, &address);
    let text = match (&shown.text, &shown.html) {
        (Some(text), _) => text.clone(),
        (None, Some(html)) => plain::words_of(html),
        (None, None) => String::new(),
    };
    let files = attached(app, page).await?;
    let history = history(app, page, &key).await?;
    let offered = Offered::of(page.acknowledgement.as_ref());
    let is_web = |link: &&str| link.starts_with("https://") || link.starts_with("http://");
    Ok(html::page(&View {
        words,
        up: drawn.up,
        token,
        title: &shown.subject,
        text: &text,
        link: shown.link.as_deref().filter(is_web),
        video: page.shown.content.video.as_deref().filter(is_web),
        signature: page.shown.content.signature.as_deref(),
        files: &files,
        options: &offered.options,
        other: offered.other,
        entered: drawn.entered,
        note: (drawn.note)(words),
        answered: page.answered.as_ref().map(|(answer, at)| Answered {
            answer,
            words: page.words.as_deref(),
            at: *at,
        }),
        history: &history,
        end: if page.terms.protected { gate::forget_button(words, drawn.up, token) } else { String::new() },
    }))
}

/// The message as it was sent; should it not render any more (a newer engine), its title is still shown.
fn rendered(shown: &Shown, address: &str) -> Rendered {
    let (name, variables) = (shown.name.as_deref(), shown.variables.as_ref());
    // A page has places of its own for these.
    let content = Content { signature: None, video: None, ..shown.content.clone() };
    let compiled = template::compile(&content, &shown.title).ok();
    compiled
        .and_then(|compiled| compiled.render(name, variables, Some(address)).ok())
        .unwrap_or_else(|| Rendered { subject: shown.title.clone(), ..Rendered::default() })
}

/// Name and bytes of the message's files.
async fn attached(app: &App, page: &Page) -> Result<Vec<(String, usize)>> {
    if page.shown.content.attachments.is_empty() {
        return Ok(Vec::new());
    }
    let found = files::of_plan(&app.db().await?, page.shown.plan.id).await?;
    Ok(found.into_iter().map(|file| (file.name, file.size)).collect())
}

/// Title and token of what the person has read before. Only a key says that two recipients are one person.
async fn history(app: &App, page: &Page, links: &LinkKey) -> Result<Vec<(String, String)>> {
    let Some(key) = &page.key else { return Ok(Vec::new()) };
    let found = reading::history(&app.db().await?, (page.tenant_id, key), &page.shown, HISTORY).await?;
    let entry = |shown: &Shown| {
        let holder = Holder { plan_id: shown.plan.id, no: shown.no, channel: None };
        (rendered(shown, "").subject, links.token(Purpose::Page, holder))
    };
    Ok(found.iter().map(entry).collect())
}
