//! An audience that streams in: rows become people one by one, in memory that does not grow with the rows but for some bytes
//! each by which repetitions are recognised.

mod columns;
mod csv;
mod lines;
mod row;
mod seen;

use std::sync::Arc;

use herald_channels::NetPolicy;
use herald_shared::db::accept::NewRecipient;
use herald_shared::db::drafts::Held;
use herald_shared::domain::{Channel, FirstTiers, Reason, Slot};
use serde::Serialize;

use self::csv::Csv;
use self::lines::Lines;
use self::row::Header;
use self::seen::Known;
pub(super) use self::seen::Seen;
use super::audience::{self, Needs};
use super::content::{self, Message};
use crate::sheets::{Cell, Row};

pub use self::columns::titles;

/// People one plan may have.
const MAX_PEOPLE: usize = 1_000_000;
/// Bytes of one row.
const MAX_ROW: usize = 64 * 1024;
/// Problems that are listed; all are counted.
const MAX_LISTED: usize = 100;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/csv`, with a header.
    Csv,
    /// `application/x-ndjson`: one recipient of `POST /v1/plans` a line.
    Ndjson,
    /// XLSX or XLS: rows come by `Intake::row`.
    Workbook,
}

/// Something wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// The line of the file the row begins on, from 1.
    pub line: u64,
    /// The column (CSV) or field, where it is one.
    pub column: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// What became of the rows so far.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows read, the header not counted.
    pub rows: u64,
    /// People taken.
    pub added: i32,
    /// Rows that repeat an earlier one.
    pub duplicates: i32,
    /// Rows with something wrong, left out.
    pub refused: u64,
    /// The first problems.
    pub problems: Vec<RowProblem>,
}

/// The rows of one upload on their way into a draft.
pub struct Intake {
    input: Input,
    judge: Judge,
}

enum Input {
    Csv(Csv),
    Ndjson(Lines),
    Workbook,
}

/// Decides about rows.
struct Judge {
    message: Message,
    slots: Vec<Slot>,
    first_tiers: FirstTiers,
    net: Arc<NetPolicy>,
    header: Option<Header>,
    needs: Needs,
    seen: Seen,
    people: usize,
    rendered: bool,
    ready: Vec<NewRecipient>,
    report: Report,
}

impl Intake {
    /// An intake for a draft.
    ///
    /// # Errors
    /// When the draft's content does not compile in this build.
    pub fn new(format: Format, draft: &Held, net: Arc<NetPolicy>) -> Result<Self, String> {
        let message = content::stored(draft.title.clone(), draft.content.clone(), draft.asks)?;
        let input = match format {
            Format::Csv => Input::Csv(Csv::default()),
            Format::Ndjson => Input::Ndjson(Lines::default()),
            Format::Workbook => Input::Workbook,
        };
        let judge = Judge {
            needs: Needs::of(&message),
            message,
            slots: draft.slots.clone(),
            first_tiers: draft.first_tiers,
            net,
            header: None,
            seen: Seen::default(),
            people: usize::try_from(draft.recipients).unwrap_or(0),
            rendered: false,
            ready: Vec::new(),
            report: Report::default(),
        };
        Ok(Intake { input, judge })
    }

    /// Somebody who is in the draft already.
    pub fn know(&mut self, person: &NewRecipient) {
        self.judge.seen.person(person);
        self.judge.repetitions(person);
    }

    /// What a person lacks, or has and must not, for this message: where below them, and what.
    pub fn lacks(&mut self, person: &NewRecipient) -> Vec<(&'static str, String)> {
        let judge = &mut self.judge;
        judge.needs.problems(&judge.message, person)
    }

    /// Takes somebody who was read already; `false`: they are there, with other data.
    ///
    /// # Errors
    /// What fails for everybody, or that the plan is full.
    pub fn join(&mut self, person: NewRecipient) -> Result<bool, String> {
        let person = self.judge.with_inbox(person);
        if !self.judge.rendered {
            self.judge.render(1, &person)?;
        }
        match self.judge.seen.person(&person) {
            Known::New => self.judge.add(person).map(|()| true),
            Known::Same => {
                self.judge.report.duplicates += 1;
                Ok(true)
            }
            Known::Differs => Ok(false),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// What is wrong with the file as a whole: nothing of it can be taken.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        let judge = &mut self.judge;
        match &mut self.input {
            Input::Csv(csv) => csv.push(bytes, &mut |line, cells| judge.cells(line, cells)),
            Input::Ndjson(lines) => lines.push(bytes, &mut |line, text| judge.json(line, text)),
            Input::Workbook => Ok(()),
        }
    }

    /// Takes a row of a workbook.
    ///
    /// # Errors
    /// As [`Intake::push`].
    pub(crate) fn row(&mut self, row: &Row) -> Result<(), String> {
        self.judge.sheet(row)
    }

    /// Takes the end of the file.
    ///
    /// # Errors
    /// As [`Intake::push`].
    pub fn end(&mut self) -> Result<(), String> {
        let judge = &mut self.judge;
        match &mut self.input {
            Input::Csv(csv) => csv.end(&mut |line, cells| judge.cells(line, cells))?,
            Input::Ndjson(lines) => lines.end(&mut |line, text| judge.json(line, text))?,
            Input::Workbook => {}
        }
        match (&self.input, &self.judge.header) {
            (Input::Csv(_) | Input::Workbook, None) => {
                Err("The file is empty: its first line must name the columns.".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// How many people wait to be written.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.judge.ready.len()
    }

    /// At most `count` of them.
    pub fn take(&mut self, count: usize) -> Vec<NewRecipient> {
        let ready = &mut self.judge.ready;
        let rest = ready.split_off(count.min(ready.len()));
        std::mem::replace(ready, rest)
    }

    /// What became of the rows.
    #[must_use]
    pub fn report(self) -> Report {
        self.judge.report
    }
}

impl Judge {
    /// One CSV record.
    fn cells(&mut self, line: u64, cells: &[&[u8]]) -> Result<(), String> {
        let Some(header) = &self.header else {
            self.header = Some(Header::read(cells)?);
            return Ok(());
        };
        match header.json(cells) {
            Ok(text) => self.row(line, &text),
            Err((column, detail)) => {
                self.report.rows += 1;
                self.refuse(line, vec![(column, detail)]);
                Ok(())
            }
        }
    }

    /// One row of a workbook: what it lacks at its end is empty.
    fn sheet(&mut self, row: &Row) -> Result<(), String> {
        let wrong = row.cells.iter().enumerate().find_map(|(column, cell)| match cell {
            Cell::Wrong(detail) => Some((column, detail)),
            Cell::Text(_) => None,
        });
        let mut cells: Vec<&[u8]> = row.cells.iter().map(Cell::text).collect();
        match (wrong, &self.header) {
            (Some((column, detail)), None) => Err(format!("The title of column {} {detail}.", column + 1)),
            (Some((column, detail)), Some(header)) => {
                let trouble = (header.label(column), detail.clone());
                self.report.rows += 1;
                self.refuse(row.line, vec![trouble]);
                Ok(())
            }
            (None, header) => {
                let width = header.as_ref().map_or(0, Header::len);
                cells.resize(width.max(cells.len()), b"");
                self.cells(row.line, &cells)
            }
        }
    }

    /// One line of NDJSON.
    fn json(&mut self, line: u64, text: &[u8]) -> Result<(), String> {
        self.row(line, text)
    }

    fn row(&mut self, line: u64, text: &[u8]) -> Result<(), String> {
        self.report.rows += 1;
        let person = match row::person(text, &self.net, self.header.as_ref()) {
            Ok(person) => self.with_inbox(person),
            Err(problems) => {
                self.refuse(line, problems);
                return Ok(());
            }
        };
        let lacks = self.needs.problems(&self.message, &person);
        if !lacks.is_empty() {
            self.refuse(line, lacks.into_iter().map(|(_, detail)| (None, detail)).collect());
            return Ok(());
        }
        if !self.rendered {
            self.render(line, &person)?;
        }
        match self.seen.person(&person) {
            Known::New => self.add(person),
            Known::Same => {
                self.report.duplicates += 1;
                Ok(())
            }
            Known::Differs => {
                let detail = "is the same person as an earlier row, with other data: keep one of them";
                self.refuse(line, vec![(None, detail.to_owned())]);
                Ok(())
            }
        }
    }

    /// What fails for everybody is told at the first.
    fn render(&mut self, line: u64, person: &NewRecipient) -> Result<(), String> {
        self.rendered = true;
        let (name, variables) = (person.name.as_deref(), person.variables.as_ref());
        let problem = self.message.all().find_map(|compiled| compiled.trial(name, variables).err());
        problem.map_or(Ok(()), |problem| {
            let (field, detail) = (problem.field, problem.detail);
            Err(format!("The plan's {field} cannot be rendered for line {line}: {detail}"))
        })
    }

    /// Everybody with a key has an inbox under it, unless they named another.
    fn with_inbox(&self, mut person: NewRecipient) -> NewRecipient {
        if self.slots.iter().any(|slot| slot.channel() == Channel::Inbox) {
            audience::give_inbox(&mut person);
        }
        person
    }

    fn add(&mut self, mut person: NewRecipient) -> Result<(), String> {
        if self.people == MAX_PEOPLE {
            return Err(format!("A plan may have {MAX_PEOPLE} people: send the rest as another plan."));
        }
        for kind in self.repetitions(&person) {
            person.skips.insert(kind.to_owned(), Reason::Duplicate.as_str().to_owned());
        }
        self.people += 1;
        self.report.added += 1;
        self.ready.push(person);
        Ok(())
    }

    /// Address kinds on which a person would get what somebody else gets there already.
    fn repetitions(&mut self, person: &NewRecipient) -> Vec<&'static str> {
        let (seen, message) = (&mut self.seen, &self.message);
        audience::repetitions(person, &self.slots, self.first_tiers, |kind| {
            seen.is_repeated(kind, person, message)
        })
    }

    fn refuse(&mut self, line: u64, problems: Vec<(Option<String>, String)>) {
        self.report.refused += 1;
        for (column, detail) in problems {
            if self.report.problems.len() < MAX_LISTED {
                self.report.problems.push(RowProblem { line, column, detail });
            }
        }
    }
}
