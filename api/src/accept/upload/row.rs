//! One row becomes one recipient, by the very rules that recipients of `POST /v1/plans` are read with.

use herald_channels::NetPolicy;
use herald_shared::db::accept::NewRecipient;
use serde_json::{Map, Value};

use super::super::person;
use super::columns::{Column, Role};
use crate::json::Document;
use crate::problems::{Place, Problems};

/// A problem: the column it is in, if it is in one, and what it is.
pub(super) type Trouble = (Option<String>, String);

/// The first row of a file.
pub(super) struct Header(Vec<Column>);

impl Header {
    /// Reads the columns' names.
    pub(super) fn read(cells: &[&[u8]]) -> Result<Header, String> {
        let mut columns: Vec<Column> = Vec::with_capacity(cells.len());
        for (index, cell) in cells.iter().enumerate() {
            let name = std::str::from_utf8(cell)
                .map_err(|_| "The first line is not UTF-8 text: save the file as CSV in UTF-8.".to_owned())?;
            let name = name.trim();
            if name.is_empty() || name.contains('\0') {
                return Err(format!(
                    "Column {} has no name: the first line must name every column.",
                    index + 1
                ));
            }
            let column = Column::of(name);
            if let Some(same) = columns.iter().find(|known| known.name() == column.name()) {
                return Err(match same.label == column.label {
                    true => format!("The first line names the column {name} twice."),
                    false => format!("The columns {} and {name} are the same: keep one of them.", same.label),
                });
            }
            columns.push(column);
        }
        if columns.iter().any(Column::names_somebody) {
            return Ok(Header(columns));
        }
        Err("The first line must name the columns, one of them key, email, phone, url, wecom, dingtalk, feishu, welink, wechat \
             or inbox (or 工号, 邮箱, 手机, 企业微信 …); cells are separated by commas."
            .to_owned())
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What the file calls a column.
    pub(super) fn label(&self, index: usize) -> Option<String> {
        self.0.get(index).map(|column| column.label.clone())
    }

    /// A record as the JSON of a recipient. An empty cell is not given.
    pub(super) fn json(&self, cells: &[&[u8]]) -> Result<Vec<u8>, Trouble> {
        if cells.len() != self.0.len() {
            let detail = format!("has {} cells; the first line names {} columns", cells.len(), self.0.len());
            return Err((None, detail));
        }
        let (mut fields, mut ids, mut variables) = (Map::new(), Map::new(), Map::new());
        for (column, cell) in self.0.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let text = std::str::from_utf8(cell)
                .map_err(|_| (Some(column.label.clone()), "is not UTF-8 text".to_owned()))?;
            let map = match column.role {
                Role::Field(_) => &mut fields,
                Role::Id(_) => &mut ids,
                Role::Variable => &mut variables,
            };
            map.insert(column.name().to_owned(), Value::String(column.value(text)));
        }
        for (name, map) in [("ids", ids), ("variables", variables)] {
            if !map.is_empty() {
                fields.insert(name.to_owned(), Value::Object(map));
            }
        }
        Ok(serde_json::to_vec(&fields).expect("strings can be written as JSON"))
    }

    /// A field's place in a recipient as the column the file calls it by.
    fn column(&self, path: &str) -> String {
        let name = path.strip_prefix("ids/").or_else(|| path.strip_prefix("variables/")).unwrap_or(path);
        let name = name.replace("~1", "/").replace("~0", "~");
        self.0.iter().find(|column| column.name() == name).map_or(name, |column| column.label.clone())
    }
}

/// Reads one recipient. With a header problems are told by column, else by path.
pub(super) fn person(
    text: &[u8],
    net: &NetPolicy,
    header: Option<&Header>,
) -> Result<NewRecipient, Vec<Trouble>> {
    let document = Document::parse(text).map_err(|detail| vec![(None, detail.replace("the body", "it"))])?;
    let mut problems = Problems::default();
    match person::read(&document.root(), net, &mut problems) {
        Some(person) if problems.is_empty() => Ok(person),
        _ => Err(problems
            .into_list()
            .into_iter()
            .map(|problem| (place(&problem.place, header), problem.detail))
            .collect()),
    }
}

fn place(place: &Place, header: Option<&Header>) -> Option<String> {
    let Place::Pointer(pointer) = place else { return None };
    let path = pointer.strip_prefix('/')?;
    Some(match header {
        Some(header) => header.column(path),
        None => path.replace("~1", "/").replace("~0", "~"),
    })
}
