//! `approval` of a plan and the steps of a tenant's rules: who must agree before something goes out.

use herald_shared::domain::Channel;
use herald_shared::domain::approval::{Approval, ApprovalStep, Lack, MAX_APPROVERS, MAX_STEPS};

use super::choices::Chosen;
use super::person;
use crate::json::{Field, Object};
use crate::problems::Problems;

/// Reads `approval`: the word `required`, for the tenant's approvers, or an object with steps of its own.
pub(super) fn read(field: &Field<'_>, problems: &mut Problems) -> Option<Approval> {
    if field.is_string() {
        if field.string(problems)? != "required" {
            field.refuse(problems, "is the word required, or an object with steps");
        }
        return Some(Approval::default());
    }
    let mut object = field.object(problems)?;
    let steps = steps(&mut object, true, problems);
    object.finish(problems);
    Some(Approval { steps })
}

/// Takes `steps` out of an object.
pub(crate) fn steps(object: &mut Object<'_>, required: bool, problems: &mut Problems) -> Vec<ApprovalStep> {
    let field = match required {
        true => object.require("steps", problems),
        false => object.take("steps"),
    };
    let Some(field) = field else { return Vec::new() };
    let items = field.list(MAX_STEPS, problems).unwrap_or_default();
    if items.is_empty() {
        field.refuse(problems, "must have one to three steps");
    }
    items.iter().filter_map(|item| step(item, problems)).collect()
}

fn step(field: &Field<'_>, problems: &mut Problems) -> Option<ApprovalStep> {
    let mut object = field.object(problems)?;
    let channels = match object.take("channels") {
        Some(field) => channels(&field, problems),
        None => vec![Channel::Email],
    };
    let mut approvers = Vec::new();
    if let Some(field) = object.require("approvers", problems) {
        let items = field.list(MAX_APPROVERS, problems).unwrap_or_default();
        if items.is_empty() {
            field.refuse(problems, "must name at least one approver");
        }
        for item in items {
            let Some(person) = person::contact(&item, problems) else { continue };
            let addresses = person.addresses();
            if !channels.iter().any(|channel| addresses.contains_key(channel.address_kind())) {
                item.refuse(problems, "has no address for a channel of the step");
            }
            approvers.push(person);
        }
    }
    object.finish(problems);
    Some(ApprovalStep { approvers, channels })
}

/// Channels, each once.
pub(crate) fn channels(field: &Field<'_>, problems: &mut Problems) -> Vec<Channel> {
    let known: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
    let items = field.list(known.len(), problems).unwrap_or_default();
    if items.is_empty() {
        field.refuse(problems, "must name at least one channel");
    }
    let mut channels: Vec<Channel> = Vec::new();
    for item in items {
        let Some(channel) = item.word(&known, problems) else { continue };
        if channels.contains(&channel) {
            item.refuse(problems, "is named twice");
        }
        channels.push(channel);
    }
    channels
}

/// Says what a plan lacks that needs approval: pages, accounts to ask by. `true`: an account.
pub(super) fn check(
    approval: &Approval,
    (chosen, published): (&Chosen, bool),
    problems: &mut Problems,
) -> bool {
    if !published {
        let detail = "approvers decide on a page, and pages have no address here: the operator must set HERALD_PUBLIC_URL";
        problems.add("/approval", detail);
    }
    let mut lacks = false;
    for (i, step) in approval.steps.iter().enumerate() {
        if !step.channels.iter().any(|channel| chosen.account(*channel).is_some()) {
            lacks = true;
            let detail = format!(
                "step {} asks its approvers by channels for which there is no enabled account: make one with POST /v1/accounts",
                i + 1
            );
            problems.add("/approval", detail);
        }
    }
    lacks
}

/// What to do about a lack of approvers.
pub(crate) fn say(lack: Lack) -> String {
    match lack {
        Lack::Approvers => {
            "there are no approvers: give steps here, or set the tenant's with PUT /v1/settings/approval"
                .to_owned()
        }
        Lack::Others(step) => {
            format!(
                "nobody but the sender could decide step {step}, and nobody approves their own message: name another approver"
            )
        }
    }
}
