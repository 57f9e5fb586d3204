//! The calls.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use serde_json::{Value, json};

use super::Shared;
use super::message::{self, Parsed, Wrong};
use super::script::{Action, Asked};

type Params = Query<HashMap<String, String>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/cgi-bin/gettoken", routing::any(token))
        .route("/cgi-bin/agent/get", routing::any(agent))
        .route("/cgi-bin/message/send", routing::any(send))
        .route("/cgi-bin/message/recall", routing::any(recall))
        .with_state(shared)
}

fn refusal(errcode: i64, words: &str) -> Response {
    let errmsg = format!(
        "{words}, hint: [1700000000_1_abcdef], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}"
    );
    Json(json!({"errcode": errcode, "errmsg": errmsg})).into_response()
}

async fn token(State(shared): State<Arc<Shared>>, method: Method, Query(params): Params) -> Response {
    let refuse = |errcode, words: &str| {
        shared.received.update(|received| received.tokens_refused += 1);
        refusal(errcode, words)
    };
    if method != Method::GET {
        shared.received.update(|received| received.violated(43001, "gettoken wants GET"));
        return refuse(43001, "require GET method");
    }
    let (Some(corp_id), Some(secret)) = (params.get("corpid"), params.get("corpsecret")) else {
        shared.received.update(|received| received.violated(41002, "gettoken without corpid or corpsecret"));
        return refuse(41002, "corpid or corpsecret missing");
    };
    let agent_id = match shared.apps(|apps| apps.log_in(corp_id, secret)) {
        Ok(agent_id) => agent_id,
        Err(errcode) => return refuse(errcode, "invalid credential"),
    };
    if let Some(Action::RefuseToken(errcode)) = shared.scripts.take(agent_id, Asked::Token) {
        return refuse(errcode, "refused by script");
    }
    let (token, expires_in) = shared.apps(|apps| apps.token(agent_id));
    shared.received.update(|received| received.tokens_given += 1);
    let body = json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": expires_in});
    Json(body).into_response()
}

async fn agent(State(shared): State<Arc<Shared>>, method: Method, Query(params): Params) -> Response {
    if method != Method::GET {
        return refusal(43001, "require GET method");
    }
    let owner = shared.apps(|apps| apps.owner(params.get("access_token").map_or("", String::as_str)));
    match owner {
        Err(errcode) => refusal(errcode, "invalid access_token"),
        Ok(own) if params.get("agentid") == Some(&own.to_string()) => {
            Json(json!({"errcode": 0, "errmsg": "ok", "agentid": own, "name": "Stand-in"})).into_response()
        }
        Ok(_) => refusal(301_002, "not allow operate another agent with this accesstoken"),
    }
}

/// Takes a message back: `{"msgid"}` of one that was accepted, and nothing else. Twice is once.
async fn recall(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let violate = |Wrong(errcode, words): Wrong| {
        shared.received.update(|received| received.violated(errcode, words));
        refusal(errcode, words)
    };
    if let Err(wrong) = posted_json(&method, &headers) {
        return violate(wrong);
    }
    let Some(token) = params.get("access_token") else {
        return violate(Wrong(41001, "access_token missing"));
    };
    let own = match shared.apps(|apps| apps.owner(token)) {
        Ok(own) => own,
        Err(errcode) => return refusal(errcode, "invalid access_token"),
    };
    let given: Option<HashMap<String, String>> = serde_json::from_slice(&body).ok();
    let msgid = given.filter(|given| given.len() == 1).and_then(|mut given| given.remove("msgid"));
    let number = msgid.as_deref().and_then(|msgid| msgid.strip_prefix("standin-")?.parse::<u64>().ok());
    let Some(number) =
        number.filter(|number| (1..=shared.received.read(|received| received.calls)).contains(number))
    else {
        return violate(Wrong(40058, "a recall wants the msgid of a message, and nothing else"));
    };
    if let Some(Action::RefuseRecall(errcode)) = shared.scripts.take(own, Asked::Recall) {
        return refusal(errcode, "refused by script");
    }
    shared.received.update(|received| received.recalled.insert(number));
    Json(json!({"errcode": 0, "errmsg": "ok"})).into_response()
}

/// What every POST must be.
fn posted_json(method: &Method, headers: &HeaderMap) -> Result<(), Wrong> {
    if method != Method::POST {
        return Err(Wrong(43002, "require POST method"));
    }
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Wrong(47001, "Content-Type is not application/json"));
    }
    Ok(())
}

async fn send(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |errcode, words: &str| {
        shared.received.update(|received| received.answered(errcode));
        refusal(errcode, words)
    };
    let violate = |Wrong(errcode, words): Wrong| {
        shared.received.update(|received| received.violated(errcode, words));
        refuse(errcode, words)
    };
    if let Err(wrong) = posted_json(&method, &headers) {
        return violate(wrong);
    }
    let Some(token) = params.get("access_token") else {
        return violate(Wrong(41001, "access_token missing"));
    };
    let own = match shared.apps(|apps| apps.owner(token)) {
        Ok(own) => own,
        Err(errcode) => return refuse(errcode, "invalid access_token"),
    };
    let message = match message::parse(&body, own) {
        Ok(message) => message,
        Err(wrong) => return violate(wrong),
    };
    match shared.scripts.take(own, Asked::Message) {
        Some(Action::Refuse(errcode)) => refuse(errcode, "refused by script"),
        Some(Action::Gateway(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, "<html>gateway</html>").into_response()
        }
        Some(Action::ExpireTokens) => {
            shared.apps(super::apps::Apps::expire);
            refuse(42001, "access_token expired")
        }
        Some(Action::StallAfterAccepting(silence)) => {
            let answer = shared.deliver(own, message, false);
            tokio::time::sleep(silence).await;
            Json(answer).into_response()
        }
        Some(Action::DropSilently) => Json(shared.deliver(own, message, true)).into_response(),
        Some(Action::RefuseToken(_) | Action::RefuseRecall(_)) | None => {
            Json(shared.deliver(own, message, false)).into_response()
        }
    }
}

impl Shared {
    /// Delivers to those who are members; the answer names the others, in lower case as the real one does.
    fn deliver(&self, agent_id: u64, message: Parsed, dropped: bool) -> Value {
        let (mut good, mut invalid, mut unlicensed) = (Vec::new(), Vec::new(), Vec::new());
        self.apps(|apps| {
            for user in &message.users {
                let id = user.to_ascii_lowercase();
                if apps.invalid.contains(&id) {
                    invalid.push(id);
                } else if apps.unlicensed.contains(&id) {
                    unlicensed.push(id);
                } else {
                    good.push(user.clone());
                }
            }
        });
        let refused = (invalid.len() + unlicensed.len()) as u64;
        if good.is_empty() && unlicensed.is_empty() {
            self.received.update(|received| received.answered(81013));
            return json!({"errcode": 81013, "errmsg": "user & party & tag all invalid, hint: [1], from ip: 127.0.0.1", "invaliduser": invalid.join("|")});
        }
        let number = self.received.update(|received| {
            received.answered(0);
            received.refused_people += refused;
            received.accept(agent_id, message, &good, dropped);
            received.calls
        });
        let mut answer = json!({"errcode": 0, "errmsg": "ok", "msgid": format!("standin-{number}")});
        for (name, users) in [("invaliduser", invalid), ("unlicenseduser", unlicensed)] {
            if !users.is_empty() {
                answer[name] = users.join("|").into();
            }
        }
        answer
    }
}
