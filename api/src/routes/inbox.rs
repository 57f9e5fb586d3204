//! `/v1/inbox/{owner}`: an owner's in-app messages.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Method;
use herald_shared::db;
use herald_shared::db::inbox::{Message, Position};
use herald_shared::db::reading::Note;
use herald_shared::domain::Channel;
use herald_shared::domain::ids::{self, delivery_uuid};
use herald_shared::domain::template::{self, Rendered};
use herald_shared::links::{Holder, Links};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Route;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Problem, Result};
use crate::extract::{Name, Params};
use crate::pages;
use crate::views::HIDDEN;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v1/inbox/{owner}", Scope::InboxRead, list),
        Route::new(Method::POST, "/v1/inbox/{owner}/{id}/read", Scope::InboxRead, read),
    ]
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    plan: Uuid,
    number: String,
    title: String,
    text: Option<String>,
    html: Option<String>,
    link: Option<String>,
    created_at: Timestamp,
    read_at: Option<Timestamp>,
}

async fn list(
    State(app): State<App>,
    caller: CallerRef,
    Name(owner): Name,
    mut params: Params,
) -> Result<Json<Page<Item>>> {
    let window: Window<4> = params.window();
    params.finish()?;
    let before = window.after.and_then(position);
    let db = app.db().await?;
    let mut found = db::inbox::list(&db, caller.tenant_id, &owner, before, window.limit + 1).await?;
    let links = pages::links(&app).await?;
    let more = cursor::cut(&mut found, window.limit);
    let next_cursor = found.last().filter(|_| more).map(|last| {
        cursor::write([last.created_at.as_microsecond(), last.plan.id, last.slot.into(), last.no.into()])
    });
    Ok(Json(Page {
        items: found.into_iter().map(|message| item(message, links.as_ref())).collect(),
        next_cursor,
    }))
}

#[derive(Serialize)]
struct Told {
    id: Uuid,
    read_at: Timestamp,
}

/// The owner has read a message; the first time stands, and it counts as reading the plan's message.
async fn read(
    State(app): State<App>,
    caller: CallerRef,
    Path((owner, id)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Told>> {
    params.finish()?;
    let missing = || Problem::not_found("message");
    let id = Uuid::try_parse(&id).map_err(|_| missing())?;
    let message = ids::parse(id).filter(|_| !owner.contains('\0')).ok_or_else(missing)?;
    let found = db::inbox::read(&app.db().await?, caller.tenant_id, &owner, message).await?;
    let (read_at, protected) = found.ok_or_else(missing)?;
    let (plan_id, no, channel) = (message.plan.id, message.no, Some(Channel::Inbox));
    // Of a protected message nothing was shown here: whoever has read it has opened its page.
    if !protected {
        app.recorder.note(Note { plan_id, no, channel, answer: None, words: None }).await?;
    }
    Ok(Json(Told { id, read_at }))
}

fn position([at, plan_id, slot, no]: [i64; 4]) -> Option<Position> {
    Some(Position {
        created_at: Timestamp::from_microsecond(at).ok()?,
        plan_id,
        slot: slot.try_into().ok()?,
        no: no.try_into().ok()?,
    })
}

fn item(mut message: Message, links: Option<&Links>) -> Item {
    if message.terms.protected {
        message.content = message.content.gate();
    }
    if message.terms.sensitive {
        return hidden(&message, links);
    }
    if links.is_some() && !message.content.attachments.is_empty() {
        message.content = message.content.with_link();
    }
    let rendered = render(&message, links);
    // The subject of a message without one is its title, rendered.
    let title = if message.content.subject.is_some() { message.title } else { rendered.subject };
    Item {
        id: delivery_uuid(message.plan, message.slot, message.no),
        plan: message.plan.uuid(),
        number: message.plan.number(),
        title,
        text: rendered.text,
        html: rendered.html,
        link: rendered.link,
        created_at: message.created_at,
        read_at: message.read_at,
    }
}

/// A sensitive message: only that there is one, and the page on which its owner reads it.
fn hidden(message: &Message, links: Option<&Links>) -> Item {
    let (plan_id, no, channel) = (message.plan.id, message.no, Some(Channel::Inbox));
    Item {
        id: delivery_uuid(message.plan, message.slot, message.no),
        plan: message.plan.uuid(),
        number: message.plan.number(),
        title: HIDDEN.to_owned(),
        text: None,
        html: None,
        link: links.map(|links| links.page(Holder { plan_id, no, channel })),
        created_at: message.created_at,
        read_at: message.read_at,
    }
}

/// What was put into the inbox rendered once; should it not any more (a newer engine), the title is still shown.
fn render(message: &Message, links: Option<&Links>) -> Rendered {
    let (plan_id, no, channel) = (message.plan.id, message.no, Some(Channel::Inbox));
    let link = links.map(|links| links.page(Holder { plan_id, no, channel }));
    let compiled = template::compile(&message.content, &message.title).ok();
    compiled
        .and_then(|compiled| {
            compiled.render(message.name.as_deref(), message.variables.as_ref(), link.as_deref()).ok()
        })
        .unwrap_or_else(|| Rendered { subject: message.title.clone(), ..Rendered::default() })
}
