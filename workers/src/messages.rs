//! Compiled messages of the plans in work: a plan of many jobs compiles its templates once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use herald_channels::Message;
use herald_shared::db::claim::Claimed;
use herald_shared::domain::template;
use herald_shared::links::Links;

/// Wordings of plans kept; at some 30 kB each.
const KEPT: usize = 256;

/// The cache. Content never changes after acceptance, so an entry is never stale.
#[derive(Default)]
pub(crate) struct Messages(Mutex<HashMap<Key, Arc<Message>>>);

/// Plan, wording, and whether it leads to the page: what has files does in other channels than mail.
type Key = (i64, i32, bool);

impl Messages {
    /// What a claimed job says, or why its templates cannot be used.
    pub(crate) fn get(
        &self,
        claimed: &mut Claimed,
        links: Option<Arc<Links>>,
    ) -> Result<Arc<Message>, String> {
        let mut kept = self.0.lock().expect("nothing panics while it is held");
        let content = &claimed.message.content;
        let leads = links.is_some() && content.leads_to_page(claimed.message.asks, [claimed.slot.channel()]);
        let key = (claimed.plan.id, claimed.message.wording, leads);
        if let Some(message) = kept.get(&key) {
            return Ok(message.clone());
        }
        let plan = &mut claimed.message;
        let asks = plan.asks && links.is_some();
        if plan.protected {
            plan.content = plan.content.gate();
        }
        let with_link = leads.then(|| plan.content.with_link());
        let content = template::compile(with_link.as_ref().unwrap_or(&plan.content), &plan.title)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let message = Arc::new(Message {
            plan: claimed.plan,
            tenant_id: claimed.tenant_id,
            title: std::mem::take(&mut plan.title),
            content,
            lane: claimed.lane,
            metadata: plan.metadata.take(),
            acknowledgement: plan.acknowledgement.take(),
            attachments: std::mem::take(&mut plan.content.attachments),
            asks,
            protected: plan.protected,
            steps: plan.steps.clone(),
            links,
        });
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, message.clone());
        Ok(message)
    }
}
