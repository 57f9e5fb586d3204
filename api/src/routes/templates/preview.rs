//! `POST /v1/templates/{id}/preview`: how a template looks with sample variables. Nothing is sent or kept.

use axum::Json;
use axum::extract::State;
use herald_shared::db;
use herald_shared::domain::sms::{Coding, segments};
use herald_shared::domain::{TemplateKind, template};
use serde::Serialize;
use serde_json::{Map, Value};

use super::not_found;
use crate::App;
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, parse};
use crate::json::Document;
use crate::problems::Problems;

/// Characters of a sample name, bytes of sample variables: what a recipient may have.
const MAX_NAME: usize = 200;
const MAX_VARIABLES: usize = 16 * 1024;

/// A message as somebody would get it.
#[derive(Serialize)]
pub(super) struct Preview {
    version: i32,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    link: Option<String>,
    /// As a short message; only text templates can be one.
    sms: Option<Sms>,
}

#[derive(Serialize)]
struct Sms {
    encoding: &'static str,
    units: usize,
    segments: usize,
}

/// Whom it is shown for.
#[derive(Default)]
struct Sample {
    name: Option<String>,
    variables: Option<Map<String, Value>>,
    version: Option<i32>,
}

pub(super) async fn preview(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    body: Body,
) -> Result<Json<Preview>> {
    let sample = read(&parse(&body.bytes)?).map_err(Problem::validation)?;
    let found = db::templates::get(&app.db().await?, caller.tenant_id, id, sample.version).await?;
    let template = found.ok_or_else(not_found)?;
    let compiled = template::compile(&template.content, &template.title)
        .map_err(|_| Problem::new(Kind::Internal, "The saved template does not compile any more."))?;
    let rendered = compiled.trial(sample.name.as_deref(), sample.variables.as_ref()).map_err(|problem| {
        let needed = crate::accept::variables(&template.title, &template.content);
        let missing = |name: &String| sample.variables.as_ref().is_none_or(|given| !given.contains_key(name));
        let missing: Vec<String> = needed.into_iter().filter(missing).collect();
        let mut problems = Problems::default();
        problems.add(
            "/variables",
            match missing.is_empty() {
                true => format!("{} cannot be rendered with these: {}", problem.field, problem.detail),
                false => format!("lacks variables that the template uses: {}", missing.join(", ")),
            },
        );
        Problem::validation(problems)
    })?;
    let sms = rendered.text.as_deref().filter(|_| template.kind == TemplateKind::Text).map(sms);
    Ok(Json(Preview {
        version: template.version,
        subject: rendered.subject,
        text: rendered.text,
        html: rendered.html,
        link: rendered.link,
        sms,
    }))
}

fn sms(text: &str) -> Sms {
    let found = segments(text);
    let encoding = match found.coding {
        Coding::Gsm7 => "gsm7",
        Coding::Ucs2 => "ucs2",
    };
    Sms { encoding, units: found.units, segments: found.count }
}

fn read(document: &Document<'_>) -> Result<Sample, Problems> {
    let mut problems = Problems::default();
    let mut sample = Sample::default();
    if let Some(mut object) = document.root().object(&mut problems) {
        sample.name = object.take("name").and_then(|field| field.line(MAX_NAME, &mut problems));
        sample.variables =
            object.take("variables").and_then(|field| field.free_object(MAX_VARIABLES, &mut problems));
        sample.version = object.take("version").and_then(|field| field.integer(1, i32::MAX, &mut problems));
        object.finish(&mut problems);
    }
    if problems.is_empty() { Ok(sample) } else { Err(problems) }
}
