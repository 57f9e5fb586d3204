//! Messages that Herald itself sends: plans of the same tenant, made here, that go the way of all others, through the fleet.
//!
//! What approvers and senders are told comes from table `notice` (`db::notices`): its rows are made in the commit that gives the reason,
//! and deleted in the one that writes the message, by whichever API process is first.

mod words;

use std::time::Duration;

use deadpool_postgres::Transaction;
use herald_shared::amqp::Waker;
use herald_shared::db::accept::{self, IdBlock, NewPlan, NewRecipient};
use herald_shared::db::notices::{Kind, Notice};
use herald_shared::db::{self, notices};
use herald_shared::domain::account_choice::by_weight;
use herald_shared::domain::approval::Seat;
use herald_shared::domain::pointer::Wake;
use herald_shared::domain::terms::Internal;
use herald_shared::domain::{Channel, Content, Lane, OnUnknown, Slot, Terms, Tier};
use herald_shared::links::{Holder, Links};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::error::Result;
use crate::pages;

/// How often is looked for what other processes left.
const LOOK: Duration = Duration::from_secs(1);
/// How long what tells of something is worth sending.
const TOLD: SignedDuration = SignedDuration::from_hours(72);

/// What writing messages needs.
pub struct Notices {
    ids: IdBlock,
    waker: Waker,
    due: Notify,
}

impl Notices {
    /// Hands the jobs of messages over to `waker`.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Notices { ids: IdBlock::plans(), waker, due: Notify::new() }
    }

    /// Says that something is to be told, so that nobody waits for the next look.
    pub(crate) fn due(&self) {
        self.due.notify_one();
    }

    /// Hands over the jobs of messages whose transaction has been committed.
    pub(crate) fn wake(&self, wakes: Vec<Wake>) {
        self.waker.try_wake(wakes);
    }
}

/// A message of Herald's own.
pub(crate) struct Message {
    /// What it is for.
    pub(crate) kind: Internal,
    /// One line without template syntax.
    pub(crate) title: &'static str,
    /// What it says; whatever others wrote stands in variables, never in the template.
    pub(crate) content: Content,
    /// To whom.
    pub(crate) people: Vec<NewRecipient>,
    /// By which channels, as far as the tenant has accounts.
    pub(crate) channels: Vec<Channel>,
    /// How urgent it is.
    pub(crate) lane: Lane,
    /// When it is worth nothing any more.
    pub(crate) expires_at: Timestamp,
}

/// Writes a message into the caller's transaction; `None`: the tenant has no account for any of its channels. After the commit, hand
/// the wakes to [`Notices::wake`].
pub(crate) async fn write(
    app: &App,
    db: &Transaction<'_>,
    tenant_id: i64,
    message: Message,
) -> Result<Option<Vec<Wake>>, db::Error> {
    let choices = db::accounts::choices(db, tenant_id).await?;
    let account = |channel: &Channel| {
        let own = choices.iter().filter(|(of, _, _)| of == channel);
        let (_, account, _) = by_weight(own, |(_, _, part)| *part, fastrand::f64)?;
        Some((*channel, *account))
    };
    let (channels, accounts): (Vec<Channel>, Vec<i64>) = message.channels.iter().filter_map(account).unzip();
    if channels.is_empty() {
        return Ok(None);
    }
    let now = Timestamp::now();
    let plan = NewPlan {
        id: app.notices.ids.next(db).await?,
        created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
        tenant_id,
        held: false,
        lane: message.lane,
        on_unknown: if message.kind == Internal::Code { OnUnknown::Hold } else { OnUnknown::Resend },
        slots: channels.iter().map(|channel| Slot::new(1, *channel)).collect(),
        accounts,
        send_at: None,
        expires_at: message.expires_at,
        title: message.title.to_owned(),
        reference: None,
        content: message.content,
        tiers: vec![Tier { channels, ..Tier::default() }],
        acknowledgement: None,
        metadata: None,
        terms: Terms {
            internal: Some(message.kind),
            sensitive: message.kind == Internal::Code,
            ..Terms::default()
        },
        // Where its tenant has quiet hours, the claim keeps them.
        quiet: false,
        traceparent: None,
        duplicates: 0,
        recipients: message.people,
        idempotency: None,
    };
    Ok(Some(accept::within(db, plan).await?))
}

/// Writes what is to be told until `stop`.
pub(crate) async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        match tokio::time::timeout(app.deadline, once(&app)).await {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => {}
            Ok(Err(problem)) => tracing::warn!(problem = problem.detail, "cannot write what is to be told"),
            Err(_) => tracing::warn!("the database does not answer: what is to be told waits"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.notices.due.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Writes one message; `false`: there is none.
async fn once(app: &App) -> Result<bool> {
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    let Some(notice) = notices::take(&transaction).await? else { return Ok(false) };
    let links = pages::links(app).await?;
    let wakes = match message(&notice, links.as_ref()) {
        None => Some(Vec::new()),
        Some(message) => write(app, &transaction, notice.tenant_id, message).await?,
    };
    match wakes {
        Some(wakes) => {
            notices::done(&transaction, &notice).await?;
            transaction.commit().await.map_err(db::Error::from)?;
            app.notices.wake(wakes);
        }
        None => {
            let plan = notice.plan.number();
            tracing::warn!(plan, "nobody can be told of a plan: there is no account to send by");
            notices::later(&transaction, &notice).await?;
            transaction.commit().await.map_err(db::Error::from)?;
        }
    }
    Ok(true)
}

/// What a notice says; `None`: there is no reason for it any more.
fn message(notice: &Notice, links: Option<&Links>) -> Option<Message> {
    match notice.kind {
        Kind::Ask(step) if notice.current => ask(notice, step, links?),
        Kind::Ask(_) => None,
        Kind::Tell => tell(notice),
    }
}

fn ask(notice: &Notice, step: i16, links: &Links) -> Option<Message> {
    let at = usize::try_from(step).ok()?.checked_sub(1)?;
    let asked = notice.terms.approval.as_ref()?.steps.get(at)?;
    let person = |(approver, person): (i16, &herald_shared::domain::approval::Person)| {
        let seat = Seat { round: notice.round, step, approver };
        let holder = Holder { plan_id: notice.plan.id, no: seat.pack(), channel: None };
        NewRecipient {
            name: person.name.clone(),
            addresses: person.addresses(),
            variables: Some(words::variables(notice, Some(links.approve(holder)))),
            ..NewRecipient::default()
        }
    };
    Some(Message {
        kind: Internal::Approval,
        title: "Approval request",
        content: words::ask(notice),
        people: (1..).zip(&asked.approvers).map(person).collect(),
        channels: asked.channels.clone(),
        lane: lane(notice),
        expires_at: notice.expires_at,
    })
}

fn tell(notice: &Notice) -> Option<Message> {
    let sender = notice.terms.sender.as_ref()?;
    let person = NewRecipient {
        name: sender.name.clone(),
        addresses: sender.addresses(),
        variables: Some(words::variables(notice, None)),
        ..NewRecipient::default()
    };
    Some(Message {
        kind: Internal::Result,
        title: "Result of approval",
        content: words::tell(notice),
        people: vec![person],
        channels: vec![Channel::Email],
        lane: lane(notice),
        expires_at: Timestamp::now().checked_add(TOLD).ok()?,
    })
}

/// People wait for these; they do not queue behind a mailing.
fn lane(notice: &Notice) -> Lane {
    if notice.lane == Lane::Urgent { Lane::Urgent } else { Lane::Normal }
}
