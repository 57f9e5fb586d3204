//! WeCom (企业微信) app messages: one call for up to 1000 members.
//!
//! `message` names the people and makes the request, `token` (shared by the fleet) goes into its query, `answer` says what
//! came of it. A request refused for its token was not read: it is made again with a fresh one, once, in the same call.

mod answer;
mod message;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_shared::db::tokens::TokenSlot;
use herald_shared::domain::template::Compiled;
use herald_shared::domain::{Channel, Class, Failure, Reason, Verdict};
use reqwest::{Client, RequestBuilder};
use url::Url;

use self::answer::{Answer, Meaning, failure, meaning};
use self::message::People;
pub use self::message::is_user_id;
use self::settings::Settings;
use crate::http::{self, Resolver};
use crate::token::{Fetched, LEASE, NoToken, NotFetched, Shared, Token};
use crate::{Account, Call, Deps, Driver, FieldProblem, Gate, NetPolicy, Proves, Provider, Recalled, Spec};

/// The deadline covers a token and a request, twice. Limits per member: PROVIDERS 2, the vendor's document 90454.
static SPEC: Spec = Spec {
    provider: "wecom-app",
    channel: Channel::Wecom,
    batch: 1000,
    personal: 1,
    concurrency: 8,
    deadline: Duration::from_secs(65),
    proves: Proves::Sent,
    one_provider: true,
    per_recipient: &[(Duration::from_secs(60), 30), (Duration::from_secs(3600), 1000)],
    recall: Some(Duration::from_secs(24 * 3600)),
};

/// For a token request: shorter than the lease it is made under.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(5);
const _: () = assert!(TOKEN_TIMEOUT.as_secs() < LEASE.as_secs());
/// After a network failure or a busy answer nobody asks for a token again before this.
const TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// After refused credentials: WeCom bans an address that goes on asking with a wrong secret for an hour.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// The provider `wecom-app`.
pub(crate) struct Wecom;

impl Provider for Wecom {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, account: &Account, net: &NetPolicy) -> Vec<FieldProblem> {
        Settings::read(account, net).err().unwrap_or_default()
    }

    fn check_message(&self, content: &Compiled) -> Result<(), String> {
        message::check(content)
    }

    fn open(&self, account: Account, deps: &Deps) -> Result<Arc<dyn Driver>, FieldProblem> {
        let settings = Settings::read(&account, &deps.net).map_err(|mut all| all.swap_remove(0))?;
        let net = deps.net.clone();
        let resolver =
            if settings.base.scheme() == "https" { Resolver::public(net) } else { Resolver::allowed(net) };
        let calls = account.concurrency.unwrap_or(SPEC.concurrency);
        let client = http::client(settings.tls_client.clone(), resolver, settings.timeout, calls)?;
        let slot = TokenSlot { account: account.id, version: account.version };
        Ok(Arc::new(WecomDriver { client, token: Shared::new(deps.tokens.clone(), slot), settings }))
    }
}

struct WecomDriver {
    settings: Settings,
    client: Client,
    token: Shared,
}

#[async_trait]
impl Driver for WecomDriver {
    /// Asks for a token of its own (WeCom gives the same one again while it is valid) and for the app's description.
    async fn verify(&self) -> Result<(), FieldProblem> {
        let asked = self.ask(self.token_request()).await.map_err(|failure| blame(&failure))?;
        let token = match (asked.errcode, &asked.access_token) {
            (0, Some(token)) => token,
            (code, _) => return Err(blame(&answer::failure_of(code, asked.words()))),
        };
        let mut url = self.settings.url("cgi-bin/agent/get");
        url.query_pairs_mut()
            .append_pair("access_token", token)
            .append_pair("agentid", &self.settings.agent_id.to_string());
        let request = self.client.get(url).timeout(TOKEN_TIMEOUT);
        let app = self.ask(request).await.map_err(|failure| blame(&failure))?;
        match app.errcode {
            0 => Ok(()),
            code => Err(FieldProblem::new("/settings/agent_id", format!("{code} {}", app.words()))),
        }
    }

    async fn send(&self, call: &Call, gate: &dyn Gate) -> Verdict {
        let people = People::of(call);
        if people.by_id.is_empty() {
            let first = answer::unsendable(&people).into_iter().next();
            return Verdict::Failed(first.map_or_else(no_recipient, |exception| exception.failure));
        }
        let body = match message::serialise(call, &people, self.settings.agent_id) {
            Ok(body) => body,
            Err(words) => {
                return Verdict::Failed(failure(
                    Class::PermanentRequest,
                    "content",
                    &words,
                    Reason::Rejected,
                ));
            }
        };
        let mut useless = 0;
        // The second round is for a token that the provider no longer takes.
        for last in [false, true] {
            let token = match self.token.get(useless, || self.fetch()).await {
                Ok(token) => token,
                Err(none) => return Verdict::Failed(tokenless(none)),
            };
            if !gate.enter().await {
                return Verdict::NotStarted;
            }
            let answer = match self.post("cgi-bin/message/send", &token, body.clone()).await {
                Ok(answer) => answer,
                Err(failure) => return Verdict::Failed(failure),
            };
            if last || meaning(answer.errcode) != Meaning::Token {
                return answer.verdict(&people);
            }
            useless = token.serial;
        }
        unreachable!("the last round returns")
    }

    /// WeCom takes back what was sent within 24 h, from its own clients; what a member reads in WeChat (the plug-in) stays.
    async fn recall(&self, provider_ref: &str, gate: &dyn Gate) -> Recalled {
        let body = serde_json::json!({ "msgid": provider_ref }).to_string().into_bytes();
        let mut useless = 0;
        for last in [false, true] {
            let token = match self.token.get(useless, || self.fetch()).await {
                Ok(token) => token,
                Err(none) => return Recalled::NotNow(tokenless(none)),
            };
            if !gate.enter().await {
                return Recalled::NotStarted;
            }
            let answer = match self.post("cgi-bin/message/recall", &token, body.clone()).await {
                Ok(answer) => answer,
                Err(failure) => return Recalled::NotNow(failure),
            };
            if last || meaning(answer.errcode) != Meaning::Token {
                return answer.recalled();
            }
            useless = token.serial;
        }
        unreachable!("the last round returns")
    }
}

fn no_recipient() -> Failure {
    failure(Class::PermanentRequest, "call", "the call has no recipient", Reason::Rejected)
}

impl WecomDriver {
    fn token_request(&self) -> RequestBuilder {
        let mut url: Url = self.settings.url("cgi-bin/gettoken");
        url.query_pairs_mut()
            .append_pair("corpid", &self.settings.corp_id)
            .append_pair("corpsecret", &self.settings.corp_secret);
        self.client.get(url).timeout(self.settings.timeout.min(TOKEN_TIMEOUT))
    }

    /// Asks for a token; the caller holds the fleet's lease.
    async fn fetch(&self) -> Result<Fetched, NotFetched> {
        let answer = self
            .ask(self.token_request())
            .await
            .map_err(|failure| NotFetched { code: failure.code, pause: TOKEN_PAUSE })?;
        match (answer.errcode, answer.access_token) {
            (0, Some(text)) if !text.is_empty() => {
                Ok(Fetched { text, expires_in: Duration::from_secs(answer.expires_in.unwrap_or(7200)) })
            }
            (code, _) => {
                let pause = match meaning(code) {
                    Meaning::Class(Class::Transient, _) => TOKEN_PAUSE,
                    Meaning::Class(_, Some(wait)) => wait,
                    _ => REFUSED_PAUSE,
                };
                Err(NotFetched { code: code.to_string(), pause })
            }
        }
    }

    async fn post(&self, path: &str, token: &Token, body: Vec<u8>) -> Result<Answer, Failure> {
        let mut url = self.settings.url(path);
        url.query_pairs_mut().append_pair("access_token", &token.text);
        self.ask(self.client.post(url).header("content-type", "application/json").body(body)).await
    }

    /// One request and its answer. No text of an error holds the URL, which carries secrets.
    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let mut response = request.send().await.map_err(|error| answer::of_error(&error))?;
        let status = response.status().as_u16();
        let (body, _) = http::body(&mut response).await;
        serde_json::from_slice(&body).map_err(|_| answer::of_status(status))
    }
}

/// What having no token means for a call: nothing was sent.
fn tokenless(none: NoToken) -> Failure {
    let (code, words) = match none {
        NoToken::Refused(code) => (code, "the provider gave no access token".to_owned()),
        NoToken::Late(words) => ("token".to_owned(), words),
    };
    match code.parse::<i64>() {
        Ok(errcode) => answer::failure_of(errcode, &words),
        Err(_) if code == answer::TARGET_REFUSED => failure(
            Class::Account,
            &code,
            "the base URL leads to an address that is not called",
            Reason::TargetRefused,
        ),
        Err(_) => failure(Class::Transient, &code, &words, Reason::Timeout),
    }
}

/// The field that most likely causes a failed verification.
fn blame(failure: &Failure) -> FieldProblem {
    let pointer = match failure.code.as_str() {
        "40001" => "/secret/corp_secret",
        "40013" => "/settings/corp_id",
        "connect" | "no answer" | answer::TARGET_REFUSED => "/settings/base_url",
        code if code.starts_with("HTTP ") => "/settings/base_url",
        _ => "/settings",
    };
    FieldProblem::new(pointer, format!("{} {}", failure.code, failure.detail))
}
