//! `/v1/plans/{id}/recipients.csv` and its like: whole lists as files, streamed.

mod deliveries;
mod produce;
mod recipients;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::plans::Outline;
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::PlanRef;

use self::deliveries::Deliveries;
use self::recipients::Recipients;
use super::Route;
use super::plans::plan_ref;
use crate::App;
use crate::auth::{CallerRef, Scope};
use crate::error::{Problem, Result};
use crate::export::{Cell, Format, Words, Writer};
use crate::extract::{Id, Language, Params};

/// Rows of one page, and of one piece of the file.
const PAGE: i64 = 1_000;

pub(super) fn routes() -> Vec<Route> {
    let route = |path, list, format| {
        let handler = async move |State(app): State<App>,
                                  caller: CallerRef,
                                  Id(id): Id,
                                  language: Language,
                                  params: Params| {
            let wanted = Wanted { tenant_id: caller.tenant_id, plan: plan_ref(id)?, list, format, language };
            export(&app, wanted, params).await
        };
        Route::new(Method::GET, path, Scope::PlansRead, handler)
    };
    vec![
        route("/v1/plans/{id}/recipients.csv", List::Recipients, Format::Csv),
        route("/v1/plans/{id}/recipients.xlsx", List::Recipients, Format::Xlsx),
        route("/v1/plans/{id}/deliveries.csv", List::Deliveries, Format::Csv),
        route("/v1/plans/{id}/deliveries.xlsx", List::Deliveries, Format::Xlsx),
    ]
}

#[derive(Clone, Copy)]
enum List {
    Recipients,
    Deliveries,
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Wanted {
    tenant_id: i64,
    plan: PlanRef,
    list: List,
    format: Format,
    language: Language,
}

/// A list being read, page by page along its key.
enum Rows {
    Recipients(Recipients),
    Deliveries(Deliveries),
}

impl Rows {
    /// The rows of the next page, perhaps none; `None` at the end. The same page again after an error.
    async fn next(&mut self, client: &Client) -> Result<Option<Vec<Vec<Cell>>>, db::Error> {
        match self {
            Rows::Recipients(list) => list.next(client).await,
            Rows::Deliveries(list) => list.next(client).await,
        }
    }
}

async fn export(app: &App, wanted: Wanted, mut params: Params) -> Result<Response> {
    let Wanted { tenant_id, plan, list, format, language } = wanted;
    let words = Words(language);
    let filter = Filter::read(list, &mut params);
    params.finish()?;
    let outline = db::plans::outline(&app.db().await?, tenant_id, plan).await?;
    let outline = outline.ok_or_else(|| Problem::not_found("plan"))?;
    let turn = app.exports.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable(
            "This process is writing as many exports as it may; try again when one has ended.",
            10,
        )
    })?;
    let (name, sheet) = match list {
        List::Recipients => ("recipients", words.pick("Recipients", "收件人")),
        List::Deliveries => ("deliveries", words.pick("Deliveries", "投递")),
    };
    let (titles, rows) = filter.rows((tenant_id, plan), outline, words);
    let writer = Writer::new(format, sheet, &titles);
    let body = Body::from_stream(produce::start(app.clone(), rows, writer, turn));
    let file = format!("attachment; filename=\"herald-{}-{name}.{}\"", plan.number(), format.ending());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag())),
        (header::VARY, HeaderValue::from_static("accept-language")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&file).expect("a plan's number is letters, digits and dashes"),
        ),
    ];
    Ok((headers, body).into_response())
}

/// The list's own filters.
enum Filter {
    Recipients(db::recipients::Filter),
    Deliveries(super::deliveries::Filter),
}

impl Filter {
    fn read(list: List, params: &mut Params) -> Self {
        match list {
            List::Recipients => Filter::Recipients(super::recipients::filter(params)),
            List::Deliveries => Filter::Deliveries(super::deliveries::filter(params)),
        }
    }

    fn rows(self, (tenant_id, plan): (i64, PlanRef), outline: Outline, words: Words) -> (Vec<String>, Rows) {
        match self {
            Filter::Recipients(filter) => {
                let list = Recipients::new((tenant_id, plan), outline, filter, words);
                (list.titles(), Rows::Recipients(list))
            }
            Filter::Deliveries(filter) => {
                let list = Deliveries::new((tenant_id, plan), outline, filter, words);
                (Deliveries::titles(words), Rows::Deliveries(list))
            }
        }
    }
}
