//! An approver's page as HTML.

use std::fmt::Write as _;

use herald_shared::db::approval::{Case, Reach};
use herald_shared::domain::approval::Person;
use herald_shared::domain::template::{self, Rendered};

use super::super::answer::Offered;
use super::super::html::{document, escape};
use super::super::language::Words;
use super::super::plain;
use super::words::{AskWords, Line};

/// Whose link would stand in the message: nobody's, it is only shown.
const NO_LINK: &str = "…";

pub(super) struct Shown<'a> {
    pub(super) words: &'static Words,
    pub(super) ask: &'static AskWords,
    pub(super) approver: &'a Person,
    pub(super) case: &'a Case,
    pub(super) message: &'a Rendered,
    pub(super) reach: &'a [Reach],
    pub(super) line: Line,
    pub(super) is_open: bool,
    pub(super) comment: &'a str,
    pub(super) note: Option<&'static str>,
}

/// The message as the first recipient gets it; should it not render, as it was written.
pub(super) fn sample(case: &Case) -> Rendered {
    let (name, variables) = &case.sample;
    let compiled = template::compile(&case.content, &case.title).ok();
    compiled
        .and_then(|compiled| compiled.render(name.as_deref(), variables.as_ref(), Some(NO_LINK)).ok())
        .unwrap_or_else(|| bare(case))
}

/// The message as it was written, without anybody's variables.
pub(super) fn bare(case: &Case) -> Rendered {
    let content = case.content.clone();
    Rendered {
        subject: content.subject.unwrap_or_else(|| case.title.clone()),
        text: content.text,
        html: content.html,
        link: content.link,
    }
}

pub(super) fn page(shown: &Shown<'_>) -> String {
    let (ask, case, message) = (shown.ask, shown.case, shown.message);
    let mut body = format!("<h1>{}</h1>", ask.heading);
    for note in [shown.note, ask.line(shown.line)].into_iter().flatten() {
        add(&mut body, format_args!("<p class=\"note\" role=\"alert\">{note}</p>"));
    }
    if let Some((_, at)) = &case.said {
        let by = escape(case.decided_by.as_deref().unwrap_or_default());
        let at = at.strftime("%Y-%m-%d %H:%M UTC");
        let comment = escape(case.comment.as_deref().unwrap_or_default());
        add(&mut body, format_args!("<dl><dt>{by}, {at}</dt><dd>{comment}</dd></dl>"));
    }
    body += &facts(shown);
    body += &audience(shown);
    let text = match (&message.text, &message.html) {
        (Some(text), _) => text.clone(),
        (None, Some(html)) => plain::words_of(html),
        (None, None) => String::new(),
    };
    let remark = if case.terms.is_sensitive() { ask.not_shown } else { ask.shown_as };
    add(&mut body, format_args!("<h2>{}</h2><p>{remark}</p>", escape(&message.subject)));
    add(&mut body, format_args!("<div class=\"text\">{}</div>", escape(&text)));
    if let Some(link) = &message.link {
        add(&mut body, format_args!("<p class=\"text\">{}</p>", escape(link)));
    }
    if shown.is_open {
        body += &form(shown);
    }
    document(shown.words, ask.heading, &body)
}

fn add(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a string takes whatever is written");
}

fn facts(shown: &Shown<'_>) -> String {
    let (ask, case) = (shown.ask, shown.case);
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let label = |person: Option<&Person>| person.and_then(|person| person.label().map(str::to_owned));
    let offered = Offered::of(case.acknowledgement.as_ref());
    let mut options = offered.options;
    options.extend(offered.other.then(|| shown.words.other.to_owned()));
    let facts = [
        (ask.you, label(Some(shown.approver))),
        (ask.sender, label(case.terms.sender.as_ref())),
        (ask.number, Some(case.plan.number())),
        (ask.priority, Some(ask.priority_of(case.lane).to_owned())),
        (ask.send_at, Some(case.send_at.map_or_else(|| ask.at_once.to_owned(), time))),
        (ask.expires_at, Some(time(case.expires_at))),
        (ask.people, Some(case.recipients.to_string())),
        (ask.answers, Some(options.join(" · ")).filter(|options| !options.is_empty())),
    ];
    let mut list = "<dl>".to_owned();
    for (name, value) in facts {
        let Some(value) = value else { continue };
        add(&mut list, format_args!("<dt>{name}</dt><dd>{}</dd>", escape(&value)));
    }
    list + "</dl>"
}

/// Whom it reaches by channel, and for how much, tier by tier in the order of the channels.
fn audience(shown: &Shown<'_>) -> String {
    let ask = shown.ask;
    let mut table =
        format!("<table><tr><th>{}</th><th>{}</th><th>{}</th></tr>", ask.channel, ask.people, ask.cost);
    for reach in shown.reach {
        let cost = escape(reach.cost.as_deref().unwrap_or("-"));
        let (channel, people) = (ask.channel_of(reach.channel), reach.people);
        add(&mut table, format_args!("<tr><td>{channel}</td><td>{people}</td><td>{cost}</td></tr>"));
    }
    if shown.reach.len() > 1
        && let Some(total) = total(shown.reach)
    {
        add(&mut table, format_args!("<tr><td colspan=\"2\">{}</td><td>{total}</td></tr>", ask.total));
    }
    table + "</table>"
}

/// The sum of decimals, with as many places as the finest of them; `None`: one is too large to add.
fn total(reach: &[Reach]) -> Option<String> {
    let costs: Vec<&str> = reach.iter().filter_map(|reach| reach.cost.as_deref()).collect();
    let fraction = |cost: &str| cost.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let places = costs.iter().map(|cost| fraction(cost)).max()?;
    let scaled = |cost: &str| {
        let digits = cost.replace('.', "") + &"0".repeat(places - fraction(cost));
        digits.parse::<u128>().ok()
    };
    let sum = costs.into_iter().map(scaled).try_fold(0u128, |sum, cost| sum.checked_add(cost?))?;
    if places == 0 {
        return Some(sum.to_string());
    }
    let digits = format!("{sum:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    Some(format!("{whole}.{fraction}"))
}

fn form(shown: &Shown<'_>) -> String {
    let ask = shown.ask;
    format!(
        "<form method=\"post\"><h2><label for=\"comment\">{}</label></h2>\
         <textarea id=\"comment\" name=\"comment\" maxlength=\"1000\">{}</textarea>\
         <button name=\"decision\" value=\"approve\">{}</button><button class=\"no\" name=\"decision\" value=\"reject\">{}</button></form>",
        ask.comment,
        escape(shown.comment),
        ask.approve,
        ask.reject
    )
}

#[cfg(test)]
mod tests {
    use herald_shared::domain::Channel;

    use super::*;

    #[test]
    fn costs_add_up_as_decimals() {
        let reach = |cost: Option<&str>| Reach {
            channel: Channel::Sms,
            people: 1,
            price: None,
            cost: cost.map(str::to_owned),
        };
        let sum = |costs: &[Option<&str>]| total(&costs.iter().map(|cost| reach(*cost)).collect::<Vec<_>>());
        assert_eq!(sum(&[Some("0.05"), Some("0.125"), None]).as_deref(), Some("0.175"));
        assert_eq!(sum(&[Some("10"), Some("2")]).as_deref(), Some("12"));
        assert_eq!(sum(&[Some("0.00"), Some("0.00")]).as_deref(), Some("0.00"));
        assert_eq!(sum(&[None, None]), None);
    }
}
