//! Templates: reusable content in versions. Plans take what they need when they are accepted; the job protocol never comes here.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{Deleted, Error};
use crate::domain::{Content, TemplateKind};

/// A template at one of its versions.
#[derive(Debug, Clone)]
pub struct Template {
    /// Internal id; the order of lists.
    pub id: i64,
    /// Public id.
    pub uid: Uuid,
    /// Unique within the tenant, and for good.
    pub name: String,
    /// Which channels it may serve.
    pub kind: TemplateKind,
    /// The version this is.
    pub version: i32,
    /// The newest there is.
    pub latest: i32,
    /// Title of a plan that names none.
    pub title: String,
    /// What it says.
    pub content: Content,
    /// When the template was made.
    pub created_at: Timestamp,
    /// When this version was made.
    pub updated_at: Timestamp,
}

/// Which templates are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Called exactly so.
    pub name: Option<String>,
    /// With this in name or title, in any case.
    pub text: Option<String>,
    /// Of this kind.
    pub kind: Option<TemplateKind>,
}

/// Makes a template. A taken name violates constraint `template_name`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn insert(
    client: &impl GenericClient,
    tenant_id: i64,
    (uid, name, kind): (Uuid, &str, TemplateKind),
    (title, content): (&str, &Content),
) -> Result<Template, Error> {
    let statement = client.prepare_cached(include_str!("sql/templates/insert.sql")).await?;
    let (kind, content) = (kind.code(), Json(content));
    read(&client.query_one(&statement, &[&uid, &tenant_id, &name, &kind, &title, &content]).await?)
}

/// One template at a version, or at its newest; `None` when the tenant has no such.
///
/// # Errors
/// [`Error`] of the database.
pub async fn get(
    client: &impl GenericClient,
    tenant_id: i64,
    uid: Uuid,
    version: Option<i32>,
) -> Result<Option<Template>, Error> {
    let statement = client.prepare_cached(include_str!("sql/templates/get.sql")).await?;
    client.query_opt(&statement, &[&tenant_id, &uid, &version]).await?.as_ref().map(read).transpose()
}

/// A tenant's templates after internal id `after`, oldest first.
///
/// # Errors
/// [`Error`] of the database.
pub async fn list(
    client: &impl GenericClient,
    tenant_id: i64,
    filter: &Filter,
    (after, limit): (i64, i64),
) -> Result<Vec<Template>, Error> {
    let statement = client.prepare_cached(include_str!("sql/templates/list.sql")).await?;
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let kind = filter.kind.map(TemplateKind::code);
    let rows = client.query(&statement, &[&tenant_id, &after, &filter.name, &text, &kind, &limit]).await?;
    rows.iter().map(read).collect()
}

/// The newest versions of the templates called so, by name or public id; who is not there is left out.
///
/// # Errors
/// [`Error`] of the database.
pub async fn named(
    client: &impl GenericClient,
    tenant_id: i64,
    names: &[String],
) -> Result<Vec<Template>, Error> {
    let statement = client.prepare_cached(include_str!("sql/templates/named.sql")).await?;
    let uids: Vec<Uuid> = names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect();
    client.query(&statement, &[&tenant_id, &names, &uids]).await?.iter().map(read).collect()
}

/// Saves a new version of a template that was read at version `before`; `None` when it is at another by now.
///
/// # Errors
/// [`Error`] of the database.
pub async fn change(
    client: &impl GenericClient,
    tenant_id: i64,
    (uid, before): (Uuid, i32),
    (title, content): (&str, &Content),
) -> Result<Option<Template>, Error> {
    let statement = client.prepare_cached(include_str!("sql/templates/change.sql")).await?;
    let content = Json(content);
    let row = client.query_opt(&statement, &[&tenant_id, &uid, &before, &title, &content]).await?;
    row.as_ref().map(read).transpose()
}

/// Deletes a template unless it is used. One statement.
///
/// # Errors
/// [`Error`] of the database.
pub async fn delete(client: &impl GenericClient, tenant_id: i64, uid: Uuid) -> Result<Deleted, Error> {
    let statement = client.prepare_cached(include_str!("sql/templates/delete.sql")).await?;
    let row = client.query_one(&statement, &[&tenant_id, &uid]).await?;
    Ok(Deleted::read(&row))
}

fn read(row: &Row) -> Result<Template, Error> {
    Ok(Template {
        id: row.get("id"),
        uid: row.get("uid"),
        name: row.get("name"),
        kind: TemplateKind::from_code(row.get("kind"))?,
        version: row.get("version"),
        latest: row.get("latest"),
        title: row.get("title"),
        content: row.get::<_, Json<Content>>("content").0,
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}
