//! What a body names instead of saying it: the tenant's templates, policies and files.
//!
//! Reading is pure. A body that names something is read until that is known, what it names is looked up, and it is read again; a body
//! that names nothing, which is nearly every one, never comes here.

use std::collections::{BTreeMap, BTreeSet};

use herald_shared::db;
use herald_shared::db::files::File;
use herald_shared::db::policies::Policy;
use herald_shared::db::templates::Template;
use herald_shared::domain::{Channel, TemplateUse};
use uuid::Uuid;

use crate::json::Field;
use crate::problems::Problems;

/// Characters of a name or id.
const MAX_NAME: usize = 100;
/// Names looked up for one body: a template for every channel of every tier.
const MAX_NAMES: usize = 101;

/// Names that were not looked up yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Templates, by name or id.
    pub templates: BTreeSet<String>,
    /// A policy, by name or id.
    pub policy: Option<String>,
    /// Files, by id.
    pub files: BTreeSet<Uuid>,
}

impl Wanted {
    /// Whether everything is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.policy.is_none() && self.files.is_empty()
    }
}

/// What was looked up, by the name it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Library {
    templates: BTreeMap<String, Option<Template>>,
    policies: BTreeMap<String, Option<Policy>>,
    files: BTreeMap<Uuid, Option<File>>,
}

impl Library {
    /// Looks up what a tenant's body names.
    ///
    /// # Errors
    /// [`db::Error`] of the database.
    pub async fn load(db: &db::Client, tenant_id: i64, wanted: &Wanted) -> Result<Self, db::Error> {
        let names: Vec<String> = wanted.templates.iter().take(MAX_NAMES).cloned().collect();
        let found = match names.is_empty() {
            true => Vec::new(),
            false => db::templates::named(db, tenant_id, &names).await?,
        };
        let mut policies = BTreeMap::new();
        if let Some(name) = &wanted.policy {
            policies.insert(name.clone(), db::policies::named(db, tenant_id, name).await?);
        }
        let by = |name: &str| {
            let called = |template: &&Template| {
                template.name == name || template.uid.to_string().eq_ignore_ascii_case(name)
            };
            found.iter().find(called).cloned()
        };
        let templates = names.iter().map(|name| (name.clone(), by(name))).collect();
        Ok(Library { templates, policies, files: files(db, tenant_id, &wanted.files).await? })
    }

    /// Adds what was looked up since.
    pub fn add(&mut self, more: Library) {
        self.templates.extend(more.templates);
        self.policies.extend(more.policies);
        self.files.extend(more.files);
    }

    /// Whether nothing was looked up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.policies.is_empty() && self.files.is_empty()
    }

    /// What is known so far, for one reading.
    pub(super) fn ask(&self) -> Asked<'_> {
        Asked { known: self, wanted: Wanted::default() }
    }
}

/// The files of these ids, where the tenant has them.
async fn files(
    db: &db::Client,
    tenant_id: i64,
    wanted: &BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, Option<File>>, db::Error> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<Uuid> = wanted.iter().copied().collect();
    let mut found: BTreeMap<Uuid, Option<File>> = ids.iter().map(|id| (*id, None)).collect();
    let known = db::files::named(db, tenant_id, &ids).await?;
    found.extend(known.into_iter().map(|file| (file.uid, Some(file))));
    Ok(found)
}

/// One reading's questions.
pub(super) struct Asked<'a> {
    known: &'a Library,
    /// What could not be answered yet.
    pub(super) wanted: Wanted,
}

impl<'a> Asked<'a> {
    /// The template a field names; `None`: it is refused, or has to be looked up.
    pub(super) fn template(&mut self, field: &Field<'_>, problems: &mut Problems) -> Option<&'a Template> {
        let name = field.line(MAX_NAME, problems)?;
        match self.known.templates.get(&name) {
            Some(Some(template)) => Some(template),
            Some(None) => {
                field.refuse(problems, "is the name or id of no template of yours: see GET /v1/templates");
                None
            }
            None => {
                self.wanted.templates.insert(name);
                None
            }
        }
    }
}

impl Asked<'_> {
    /// The id of the file a field names, and its bytes; `None`: it is refused, or has to be looked up.
    pub(super) fn file(&mut self, field: &Field<'_>, problems: &mut Problems) -> Option<(Uuid, usize)> {
        let unknown = "is the id of no file of yours: upload it with POST /v1/files, which answers its id";
        let Ok(id) = field.string(problems)?.parse::<Uuid>() else {
            field.refuse(problems, unknown);
            return None;
        };
        match self.known.files.get(&id) {
            Some(Some(file)) => Some((id, file.size)),
            Some(None) => {
                field.refuse(problems, unknown);
                None
            }
            None => {
                self.wanted.files.insert(id);
                None
            }
        }
    }
}

/// What a plan notes of the templates it takes: each once.
pub(super) fn used<'a>(templates: impl Iterator<Item = &'a Template>) -> Vec<TemplateUse> {
    let mut used: Vec<TemplateUse> = Vec::new();
    for template in templates {
        if used.iter().all(|known| known.id != template.uid) {
            let (id, name, version) = (template.uid, template.name.clone(), template.version);
            used.push(TemplateUse { id, name, version });
        }
    }
    used
}

impl<'a> Asked<'a> {
    /// The policy a field names; `None`: it is refused, or has to be looked up.
    pub(super) fn policy(&mut self, field: &Field<'_>, problems: &mut Problems) -> Option<&'a Policy> {
        let name = field.line(MAX_NAME, problems)?;
        match self.known.policies.get(&name) {
            Some(Some(policy)) => Some(policy),
            Some(None) => {
                field.refuse(problems, "is the name or id of no policy of yours: see GET /v1/policies");
                None
            }
            None => {
                self.wanted.policy = Some(name);
                None
            }
        }
    }
}

/// Refuses a template on channels that cannot show it.
pub(super) fn check_kind(
    template: &Template,
    channels: impl IntoIterator<Item = Channel>,
    pointer: &str,
    problems: &mut Problems,
) {
    let unable: BTreeSet<Channel> =
        channels.into_iter().filter(|channel| !template.kind.serves(*channel)).collect();
    if unable.is_empty() {
        return;
    }
    let words = |channels: Vec<Channel>| {
        channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join(", ")
    };
    let detail = format!(
        "is a {} template, which serves {}: it cannot go out by {}",
        template.kind,
        words(template.kind.channels().collect()),
        words(unable.into_iter().collect())
    );
    problems.add(pointer, detail);
}
