//! Policies: as their owners write them, and as plans take them.
//!
//! A policy is fields of a plan under a name. They are kept as given, and a plan that names the policy is read as if they stood in its
//! own body: what a tier may say in a plan it may say in a policy, and is checked against the accounts there are when it is used.

use herald_shared::db::policies::{Policy, shown_number};
use herald_shared::domain::{PolicyUse, Tier};

use super::library::{Asked, Library, Wanted};
use super::read::Refused;
use super::{saved, steps, terms};
use crate::json::{Document, Object};
use crate::problems::Problems;

/// Fields of a plan that a policy stands for. A further one has to be read in [`rules`], too.
const RULES: &[&str] = &["tiers", "repeat", "enough"];
/// Fields that say the same in another way.
const SHORT: &[&str] = &["channels", "mode"];

/// A policy that is good as far as can be said before it is used.
#[derive(Debug)]
pub struct NewPolicy {
    /// Its name; of a change: the one it has.
    pub name: String,
    /// Whether plans may name it at once.
    pub enabled: bool,
    /// The fields of a plan, as a JSON object.
    pub rules: String,
    /// Its tiers, as read.
    pub tiers: Vec<Tier>,
    /// Internal ids of the templates they name.
    pub templates: Vec<i64>,
    /// The version a change was made of, where the caller says so.
    pub version: Option<i32>,
}

/// Reads a policy; `before`: the name of the one that is changed, which stays.
///
/// # Errors
/// [`Refused`] with all problems, or with what has to be looked up first.
pub fn policy(
    document: &Document<'_>,
    before: Option<&str>,
    library: &Library,
) -> Result<NewPolicy, Refused> {
    let mut problems = Problems::default();
    let mut asked = library.ask();
    let read = document.root().object(&mut problems).and_then(|mut object| {
        let name = match before {
            None => saved::name(&mut object, &mut problems),
            Some(before) => {
                saved::stays(&mut object, "name", before, &mut problems);
                Some(before.to_owned())
            }
        };
        let enabled = before.map_or_else(|| object.take("enabled"), |_| None);
        let enabled = enabled.map_or(Some(true), |field| field.boolean(&mut problems));
        let version = before.and_then(|_| object.take("version")?.integer(1, i32::MAX, &mut problems));
        let (tiers, templates) = rules(&mut object, &mut asked, &mut problems);
        object.finish(&mut problems);
        let rules = as_given(document)?;
        Some(NewPolicy { name: name?, enabled: enabled?, rules, tiers, templates, version })
    });
    match read {
        _ if !asked.wanted.is_empty() => Err(Refused::wants(asked.wanted)),
        Some(policy) if problems.is_empty() => Ok(policy),
        _ => Err(Refused { problems, ..Refused::wants(Wanted::default()) }),
    }
}

/// Reads [`RULES`] by the code that reads them in a plan.
fn rules(object: &mut Object<'_>, asked: &mut Asked<'_>, problems: &mut Problems) -> (Vec<Tier>, Vec<i64>) {
    let steps = steps::read_bare(object, asked, problems);
    if let Some(field) = object.take("enough") {
        terms::enough(&field, problems);
    }
    let mut templates: Vec<i64> = steps.wordings.iter().map(|wording| wording.template.id).collect();
    templates.sort_unstable();
    templates.dedup();
    (steps.tiers, templates)
}

/// [`RULES`] of a body, as they are.
fn as_given(document: &Document<'_>) -> Option<String> {
    let mut rules: serde_json::Map<String, serde_json::Value> = serde_json::from_str(document.text()).ok()?;
    rules.retain(|name, value| RULES.contains(&name.as_str()) && !value.is_null());
    serde_json::to_string(&rules).ok()
}

/// Puts a policy's fields into the plan that names it; what the plan notes of it. `None`: it names none, or one that there is not or that has
/// to be looked up.
pub(super) fn apply<'a>(
    plan: &mut Object<'a>,
    asked: &mut Asked<'a>,
    problems: &mut Problems,
) -> Option<PolicyUse> {
    let field = plan.take("policy")?;
    let policy = asked.policy(&field, problems)?;
    if !policy.enabled {
        let detail = "is disabled: enable it with POST /v1/policies/{id}/enable, or name another";
        field.refuse(problems, detail);
    }
    // What the policy leaves open, the plan may say.
    let says = |name: &&&str| **name == "tiers" || policy.rules.contains_key(**name);
    for name in SHORT.iter().chain(RULES.iter().filter(says)) {
        if let Some(given) = plan.take(name) {
            given.refuse(problems, "is given beside policy, which says it: give one of the two");
        }
    }
    for (name, rule) in &policy.rules {
        plan.put(name, rule);
    }
    Some(note(policy))
}

fn note(policy: &Policy) -> PolicyUse {
    PolicyUse {
        id: policy.uid,
        number: shown_number(policy.number),
        name: policy.name.clone(),
        version: policy.version,
    }
}

/// Where a policy's fields are found wrong, they are the policy's.
pub(super) fn point_at_policy(problems: &mut Problems) {
    problems.below("/policy", RULES);
}
