//! Message templates: compiled when a plan is accepted, rendered per recipient by the worker.
//!
//! Strict: an unknown variable is an error, found at acceptance by comparing [`Compiled::variables`] with what each
//! recipient brings. Text is not escaped, HTML is. Fuel and an output limit bound what a hostile template can do, and [`examine`] refuses
//! what those two would see too late.

mod repeat;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

use super::Content;

/// Instructions one rendering may execute; a 10,000-character text with a few loops needs some thousands.
const FUEL: u64 = 50_000;
/// Characters one rendered field may have.
const MAX_RENDERED: usize = 100_000;

/// The reserved variable: the recipient's own page.
pub const LINK: &str = "link";
/// A link as long as they get, for trials.
const SAMPLE_LINK: &str = "https://messages.example.org/m/AbCdEfGhIjKlMnOpQrStUvWx";

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct TemplateProblem {
    /// The field: `subject`, `text`, `html` or `link`.
    pub field: &'static str,
    /// What is wrong and where (line and column).
    pub detail: String,
}

/// A message ready to be rendered for anybody.
#[derive(Debug)]
pub struct Compiled {
    /// Made for the first field that needs it: most messages need none, and it costs more than the rest of an acceptance.
    env: Option<Box<Environment<'static>>>,
    fields: Vec<&'static str>,
    /// Fields without any template syntax, rendered once and for all.
    fixed: BTreeMap<&'static str, String>,
    variables: BTreeSet<String>,
    /// Values for everybody.
    shared: Map<String, Value>,
}

/// A message for one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Subject or title.
    pub subject: String,
    /// Plain text.
    pub text: Option<String>,
    /// HTML.
    pub html: Option<String>,
    /// URL.
    pub link: Option<String>,
}

/// Compiles `content` with its signature; `title` is the subject where it has none.
///
/// # Errors
/// All [`TemplateProblem`]s at once, each with line and column.
pub fn compile(content: &Content, title: &str) -> Result<Compiled, Vec<TemplateProblem>> {
    let content = &*content.with_extras();
    let mut compiled = Compiled {
        env: None,
        fields: Vec::new(),
        fixed: BTreeMap::new(),
        variables: BTreeSet::new(),
        shared: content.variables.clone().unwrap_or_default(),
    };
    let mut problems = Vec::new();
    for (field, source) in sources(content, title) {
        let Some(source) = source else { continue };
        if let Err(problem) = compiled.add(field, source) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(compiled) } else { Err(problems) }
}

/// Finds what could build more text than anybody needs in one step, in a message that compiles. For what somebody just wrote: what was
/// accepted is rendered as it is.
///
/// # Errors
/// A [`TemplateProblem`] for each field that could, with its line.
pub fn examine(content: &Content, title: &str) -> Result<(), Vec<TemplateProblem>> {
    let mut problems = Vec::new();
    for (field, source) in sources(content, title) {
        let Some(line) = source.and_then(repeat::line_of_repetition) else { continue };
        let detail = format!(
            "* is for numbers, and might repeat a text here: write {{{{ price|float * count|int }}}} at line {line}"
        );
        problems.push(TemplateProblem { field, detail });
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn sources<'a>(content: &'a Content, title: &'a str) -> [(&'static str, Option<&'a str>); 4] {
    [
        ("subject", Some(content.subject.as_deref().unwrap_or(title))),
        ("text", content.text.as_deref()),
        ("html", content.html.as_deref()),
        ("link", content.link.as_deref()),
    ]
}

/// What is rendered so far, up to a limit.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment() -> Box<Environment<'static>> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(20);
    env.set_auto_escape_callback(|name| if name == "html" { AutoEscape::Html } else { AutoEscape::None });
    Box::new(env)
}

impl Compiled {
    fn add(&mut self, field: &'static str, source: &str) -> Result<(), TemplateProblem> {
        self.fields.push(field);
        if !source.contains("{{") && !source.contains("{%") && !source.contains("{#") {
            self.fixed.insert(field, source.to_owned());
            return Ok(());
        }
        let env = self.env.get_or_insert_with(environment);
        env.add_template_owned(field, source.to_owned()).map_err(|error| problem(field, source, &error))?;
        let template = env.get_template(field).map_err(|error| problem(field, source, &error))?;
        self.variables.extend(template.undeclared_variables(false));
        Ok(())
    }

    /// Top-level variable names it uses, `name` included.
    #[must_use]
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// Values for everybody, by variable.
    #[must_use]
    pub fn shared(&self) -> &Map<String, Value> {
        &self.shared
    }

    /// Whether it says the reserved variable `link`: then everybody gets something of their own.
    #[must_use]
    pub fn says_link(&self) -> bool {
        self.variables.contains(LINK)
    }

    /// Whether it has a plain text.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.fields.contains(&"text")
    }

    /// Whether everybody gets the same.
    #[must_use]
    pub fn is_general(&self) -> bool {
        self.variables.is_empty() && self.fixed.len() == self.fields.len()
    }

    /// Renders it as a trial: `link` stands for any recipient's.
    ///
    /// # Errors
    /// As [`render`](Compiled::render).
    pub fn trial(
        &self,
        name: Option<&str>,
        variables: Option<&Map<String, Value>>,
    ) -> Result<Rendered, TemplateProblem> {
        self.render(name, variables, Some(SAMPLE_LINK))
    }

    /// Renders it for one recipient. `name` is always available, empty when the recipient has none; `link` is the recipient's page.
    /// Variables of these names win over them (`link` only in plans that were accepted before it was reserved), and a recipient's over
    /// those for everybody.
    ///
    /// # Errors
    /// A [`TemplateProblem`]: permanent for this recipient (a variable of the wrong shape, too long a result).
    pub fn render(
        &self,
        name: Option<&str>,
        variables: Option<&Map<String, Value>>,
        link: Option<&str>,
    ) -> Result<Rendered, TemplateProblem> {
        let mut context: BTreeMap<&str, minijinja::Value> = BTreeMap::new();
        if !self.is_general() {
            for (key, value) in &self.shared {
                context.insert(key, minijinja::Value::from(minijinja::value::Serde(value)));
            }
            if let Some(name) = name {
                context.insert("name", name.into());
            }
            context.entry("name").or_insert_with(|| "".into());
            if let Some(link) = link {
                // Nothing in it needs escaping (`links::PublicUrl`); escaped slashes would hide it from those who look for links.
                context.insert(LINK, minijinja::Value::from_safe_string(link.to_owned()));
            }
            for (key, value) in variables.into_iter().flatten() {
                context.insert(key, minijinja::Value::from(minijinja::value::Serde(value)));
            }
        }
        Ok(Rendered {
            subject: self.field("subject", &context)?.unwrap_or_default(),
            text: self.field("text", &context)?,
            html: self.field("html", &context)?,
            link: self.field("link", &context)?,
        })
    }

    fn field(
        &self,
        field: &'static str,
        context: &BTreeMap<&str, minijinja::Value>,
    ) -> Result<Option<String>, TemplateProblem> {
        if let Some(fixed) = self.fixed.get(field) {
            return Ok(Some(fixed.clone()));
        }
        let template = self.env.as_ref().and_then(|env| env.get_template(field).ok());
        let Some(template) = template else { return Ok(None) };
        let mut text = Limited(Vec::new());
        match template.render_captured_to(context, &mut text) {
            Ok(_) => Ok(Some(String::from_utf8_lossy(&text.0).into_owned())),
            Err(error) if error.kind() == ErrorKind::WriteFailure => {
                let detail =
                    format!("the rendered {field} has more than {MAX_RENDERED} bytes: shorten the template");
                Err(TemplateProblem { field, detail })
            }
            Err(error) => Err(problem(field, template.source(), &error)),
        }
    }
}

fn problem(field: &'static str, source: &str, error: &minijinja::Error) -> TemplateProblem {
    let place = match (error.line(), error.range()) {
        (Some(line), Some(range)) => {
            let before = source.get(..range.start).unwrap_or("");
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            format!(" at line {line}, column {column}")
        }
        (Some(line), None) => format!(" at line {line}"),
        _ => String::new(),
    };
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    TemplateProblem { field, detail: format!("{what}{place}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Content {
        Content { text: Some(source.into()), ..Content::default() }
    }

    #[test]
    fn variables_may_have_chinese_names() {
        let compiled = compile(&text("你好 {{ name }}，房间 {{ 房间 }}"), "t").unwrap();
        assert_eq!(compiled.variables().iter().collect::<Vec<_>>(), ["name", "房间"]);
        let vars = serde_json::json!({"房间": "301"});
        let rendered = compiled.render(Some("李雷"), vars.as_object(), None).unwrap();
        assert_eq!(rendered.text.unwrap(), "你好 李雷，房间 301");
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let content = Content { html: Some("<b>{{ name }}</b>".into()), ..text("{{ name }}") };
        let rendered = compile(&content, "t").unwrap().render(Some("<i>"), None, None).unwrap();
        assert_eq!(rendered.html.unwrap(), "<b>&lt;i&gt;</b>");
        assert_eq!(rendered.text.unwrap(), "<i>");
    }

    #[test]
    fn the_link_is_reserved_and_not_escaped() {
        let content =
            Content { html: Some("<a href=\"{{ link }}\">{{ name }}</a>".into()), ..text("{{ link }}") };
        let compiled = compile(&content, "t").unwrap();
        assert!(compiled.says_link() && !compiled.is_general());
        assert!(compiled.render(None, None, None).is_err(), "nobody is sent a text with a hole");
        let rendered = compiled.render(Some("/"), None, Some("https://m.test/m/x")).unwrap();
        assert_eq!(rendered.text.unwrap(), "https://m.test/m/x");
        assert_eq!(rendered.html.unwrap(), "<a href=\"https://m.test/m/x\">&#x2f;</a>");
        assert!(compiled.trial(None, None).is_ok());
    }

    #[test]
    fn a_wrong_template_says_where() {
        let problems = compile(&text("line one\nhello {{ name"), "t").unwrap_err();
        assert_eq!(problems[0].field, "text");
        assert!(problems[0].detail.contains("line 2"), "{}", problems[0].detail);
    }

    #[test]
    fn a_missing_variable_and_an_endless_loop_are_errors() {
        assert!(compile(&text("{{ room }}"), "t").unwrap().render(None, None, None).is_err());
        let endless = text("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
        assert!(compile(&endless, "t").unwrap().render(None, None, None).is_err());
    }

    #[test]
    fn a_recipient_s_variables_win_over_those_for_everybody() {
        let shared = serde_json::json!({"room": "301", "name": "everybody"});
        let content = Content { variables: shared.as_object().cloned(), ..text("{{ name }} {{ room }}") };
        let compiled = compile(&content, "t").unwrap();
        let own = serde_json::json!({"room": "302"});
        for (name, variables, expected) in [
            (None, None, "everybody 301"),
            (Some("Li"), None, "Li 301"),
            (Some("Li"), own.as_object(), "Li 302"),
        ] {
            assert_eq!(compiled.render(name, variables, None).unwrap().text.unwrap(), expected);
        }
    }

    #[test]
    fn a_text_is_not_repeated_at_will() {
        let problems = examine(&text("one\n{{ 'x' * 99999999 }}"), "t").unwrap_err();
        assert!(problems[0].field == "text" && problems[0].detail.contains("line 2"), "{problems:?}");
        assert_eq!(examine(&text("{{ name }}"), "{{ price * 2 }}"), Ok(()));
    }

    #[test]
    fn output_stops_at_its_limit() {
        let vars = serde_json::json!({"v": "x".repeat(16_000)});
        let long = compile(&text("{% for i in range(9000) %}{{ v }}{% endfor %}"), "t").unwrap();
        let problem = long.render(None, vars.as_object(), None).unwrap_err();
        assert!(problem.detail.contains("shorten the template"), "{problem}");
    }

    #[test]
    fn what_has_no_syntax_is_general() {
        assert!(compile(&text("a { b } c"), "t").unwrap().is_general());
        assert!(!compile(&text("{{ 1 }}"), "t").unwrap().is_general());
    }
}
