//! What a driver is asked to send.

use std::sync::Arc;

use async_trait::async_trait;
use herald_shared::domain::ids::{PlanRef, delivery_uuid};
use herald_shared::domain::template::{Compiled, Rendered, TemplateProblem};
use herald_shared::domain::{Lane, Slot, Steps};
use herald_shared::links::{Holder, Links};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The last check before a provider is called.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Marks the call as begun; `false` means it may no longer be made.
    async fn enter(&self) -> bool;
}

/// One provider call: a message and the people it goes to.
#[derive(Clone)]
pub struct Call {
    /// What is said; shared by the calls of a plan.
    pub message: Arc<Message>,
    /// Step and channel.
    pub slot: Slot,
    /// Attempt number of its deliveries, from 1.
    pub attempt: i16,
    /// 1 to `Spec::batch` recipients.
    pub to: Vec<Target>,
}

impl Call {
    /// The public id of the delivery to `target`; the same on every attempt.
    #[must_use]
    pub fn delivery(&self, target: &Target) -> Uuid {
        delivery_uuid(self.message.plan, self.slot.code(), target.no)
    }

    /// The links of `target`, and whom they stand for.
    #[must_use]
    pub fn links(&self, target: &Target) -> Option<(&Links, Holder)> {
        let holder =
            Holder { plan_id: self.message.plan.id, no: target.no, channel: Some(self.slot.channel()) };
        self.message.links.as_deref().map(|links| (links, holder))
    }

    /// The message as `target` gets it.
    ///
    /// # Errors
    /// Why it cannot be rendered: permanent for this recipient.
    pub fn render(&self, target: &Target) -> Result<Rendered, TemplateProblem> {
        let content = &self.message.content;
        let page =
            self.links(target).filter(|_| content.says_link()).map(|(links, holder)| links.page(holder));
        content.render(target.name.as_deref(), target.variables.as_ref(), page.as_deref())
    }
}

/// What a plan says.
pub struct Message {
    /// The plan.
    pub plan: PlanRef,
    /// Its owner.
    pub tenant_id: i64,
    /// The plan's title as given.
    pub title: String,
    /// Its content, ready to render.
    pub content: Compiled,
    /// Its priority.
    pub lane: Lane,
    /// Which tier and round its steps are.
    pub steps: Steps,
    /// The caller's own strings.
    pub metadata: Option<Value>,
    /// What recipients may answer with, as accepted.
    pub acknowledgement: Option<Value>,
    /// Public ids of its files, in order; mails carry them.
    pub attachments: Vec<Uuid>,
    /// It wants to know who has read it.
    pub asks: bool,
    /// What it says is shown on pages only: nothing of the person but the link goes out.
    pub protected: bool,
    /// Where recipients' links come from; `None`: this installation has no public address.
    pub links: Option<Arc<Links>>,
}

/// One recipient of a call.
#[derive(Clone)]
pub struct Target {
    /// Position in the plan, from 1.
    pub no: i32,
    /// The caller's name for the person.
    pub key: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Address of the channel's kind.
    pub address: String,
    /// The person's template variables.
    pub variables: Option<Map<String, Value>>,
}
