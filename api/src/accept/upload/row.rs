//! One row becomes one recipient, by the very rules that recipients of `POST /v1/plans` are read with.

use herald_channels::NetPolicy;
use herald_shared::db::accept::NewRecipient;
use herald_shared::domain::Channel;
use serde_json::{Map, Value};

use super::super::person;
use crate::json::Document;
use crate::problems::{Place, Problems};

/// Columns that are fields of a recipient.
const FIELDS: [&str; 6] = ["key", "name", "email", "phone", "locale", "time_zone"];
/// The field of a webhook's target.
const URL: &str = "url";

/// A problem: the column it is in, if it is in one, and what it is.
pub(super) type Trouble = (Option<String>, String);

enum Column {
    /// A field of the recipient.
    Field(String),
    /// One of `ids`.
    Id(String),
    /// Everything else is a variable.
    Variable(String),
}

impl Column {
    fn of(name: &str) -> Column {
        let ids = [
            Channel::Wecom,
            Channel::Dingtalk,
            Channel::Feishu,
            Channel::Welink,
            Channel::Wechat,
            Channel::Inbox,
        ];
        if FIELDS.contains(&name) || name == URL {
            Column::Field(name.to_owned())
        } else if ids.iter().any(|channel| channel.address_kind() == name) {
            Column::Id(name.to_owned())
        } else {
            Column::Variable(name.to_owned())
        }
    }

    fn name(&self) -> &str {
        match self {
            Column::Field(name) | Column::Id(name) | Column::Variable(name) => name,
        }
    }
}

/// The first record of a CSV file.
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
            if columns.iter().any(|column| column.name() == name) {
                return Err(format!("The first line names the column {name} twice."));
            }
            columns.push(Column::of(name));
        }
        let names_somebody = |column: &Column| match column {
            Column::Field(name) => !["name", "locale", "time_zone"].contains(&name.as_str()),
            Column::Id(_) => true,
            Column::Variable(_) => false,
        };
        if columns.iter().any(names_somebody) {
            return Ok(Header(columns));
        }
        Err("The first line must name the columns, one of them key, email, phone, url, wecom, dingtalk, feishu, welink, wechat \
             or inbox; cells are separated by commas."
            .to_owned())
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
                .map_err(|_| (Some(column.name().to_owned()), "is not UTF-8 text".to_owned()))?;
            let (map, name) = match column {
                Column::Field(name) => (&mut fields, name),
                Column::Id(name) => (&mut ids, name),
                Column::Variable(name) => (&mut variables, name),
            };
            map.insert(name.clone(), Value::String(text.to_owned()));
        }
        for (name, map) in [("ids", ids), ("variables", variables)] {
            if !map.is_empty() {
                fields.insert(name.to_owned(), Value::Object(map));
            }
        }
        Ok(serde_json::to_vec(&fields).expect("strings can be written as JSON"))
    }
}

/// Reads one recipient. `columns`: problems are told by column name, not by path.
pub(super) fn person(text: &[u8], net: &NetPolicy, columns: bool) -> Result<NewRecipient, Vec<Trouble>> {
    let document = Document::parse(text).map_err(|detail| vec![(None, detail.replace("the body", "it"))])?;
    let mut problems = Problems::default();
    match person::read(&document.root(), net, &mut problems) {
        Some(person) if problems.is_empty() => Ok(person),
        _ => Err(problems
            .into_list()
            .into_iter()
            .map(|problem| (place(&problem.place, columns), problem.detail))
            .collect()),
    }
}

fn place(place: &Place, columns: bool) -> Option<String> {
    let Place::Pointer(pointer) = place else { return None };
    let path = pointer.strip_prefix('/')?;
    let path = if columns {
        path.strip_prefix("ids/").or_else(|| path.strip_prefix("variables/")).unwrap_or(path)
    } else {
        path
    };
    Some(path.replace("~1", "/").replace("~0", "~"))
}
