//! Reading `/metrics` and checking its form, as `promtool check metrics` would.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Labels that exist; a tenant, an id, a URL or an address is never one of them.
const LABELS: [&str; 11] = [
    "channel", "class", "commit", "lane", "le", "method", "outcome", "priority", "provider", "route",
    "status",
];

/// One line: labels and value.
type Sample = (BTreeMap<String, String>, f64);

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Metrics {
    samples: HashMap<String, Vec<Sample>>,
    types: HashMap<String, String>,
    helps: HashSet<String>,
    problems: Vec<String>,
}

impl Metrics {
    /// Reads a page; what is wrong with it is in [`Metrics::problems`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut metrics = Metrics::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let known = match line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>()) {
                Some(words) => metrics.describe(&words),
                None => metrics.sample(line),
            };
            if known.is_none() {
                metrics.problems.push(format!("not understood: {line}"));
            }
        }
        metrics
    }

    fn describe(&mut self, words: &[&str]) -> Option<()> {
        let &[what, name, rest] = words else { return None };
        match what {
            "HELP" if !rest.trim().is_empty() => drop(self.helps.insert(name.to_owned())),
            "TYPE" => drop(self.types.insert(name.to_owned(), rest.to_owned())),
            _ => return None,
        }
        Some(())
    }

    fn sample(&mut self, line: &str) -> Option<()> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut read = BTreeMap::new();
        for pair in labels.strip_suffix('}')?.split("\",").filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once("=\"")?;
            read.insert(label.to_owned(), value.trim_end_matches('"').to_owned());
        }
        let samples = self.samples.entry(name.to_owned()).or_default();
        if samples.iter().any(|(labels, _)| *labels == read) {
            self.problems.push(format!("given twice: {series}"));
        }
        samples.push((read, value.parse().ok()?));
        Some(())
    }

    /// The sum of a metric's samples that have these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.samples.get(name).map(Vec::as_slice).unwrap_or_default();
        let fits = |sample: &&Sample| {
            labels.iter().all(|(name, value)| sample.0.get(*name).is_some_and(|own| own == value))
        };
        samples.iter().filter(fits).map(|(_, value)| value).sum()
    }

    /// Everything that is wrong with the page.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        for (name, samples) in &self.samples {
            let family = self.family(name);
            let mut complain = |what: &str| problems.push(format!("{name}: {what}"));
            if !self.helps.contains(family) {
                complain("has no help");
            }
            if !family.starts_with("herald_") && !family.starts_with("process_") {
                complain("has neither of our prefixes");
            }
            match self.types.get(family).map(String::as_str) {
                None => complain("has no type"),
                Some("counter") if !name.ends_with("_total") => complain("is a counter without _total"),
                Some("gauge") if name.ends_with("_total") => complain("is a gauge with _total"),
                Some("histogram") if name.ends_with("_bucket") => check_buckets(samples, &mut complain),
                Some(_) => {}
            }
            for label in samples.iter().flat_map(|(labels, _)| labels.keys()) {
                if !LABELS.contains(&label.as_str()) && label != "version" {
                    complain(&format!("has the label {label}, which is not on the list"));
                }
            }
        }
        problems
    }

    /// The name its help and type are under.
    fn family<'a>(&self, name: &'a str) -> &'a str {
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        stem.filter(|stem| self.types.get(*stem).is_some_and(|kind| kind == "histogram")).unwrap_or(name)
    }
}

/// Buckets of one series grow with `le` and end in `+Inf`.
fn check_buckets(samples: &[Sample], complain: &mut impl FnMut(&str)) {
    let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (labels, count) in samples {
        let le = labels.get("le").and_then(|le| le.replace("+Inf", "inf").parse().ok()).unwrap_or(f64::NAN);
        let others: Vec<String> =
            labels.iter().filter(|(name, _)| *name != "le").map(|(_, v)| v.clone()).collect();
        series.entry(others.join("|")).or_default().push((le, *count));
    }
    for buckets in series.values() {
        let grows = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        if !grows || buckets.last().is_none_or(|last| last.0 != f64::INFINITY) {
            complain("has buckets that do not grow to +Inf");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP herald_a_total Things.\n# TYPE herald_a_total counter\nherald_a_total{lane=\"bulk\"} 2\n\
        herald_a_total{lane=\"urgent\"} 3\n# HELP herald_s Time.\n# TYPE herald_s histogram\nherald_s_bucket{le=\"1\"} 1\n\
        herald_s_bucket{le=\"+Inf\"} 2\nherald_s_sum 3\nherald_s_count 2\n";

    #[test]
    fn a_good_page_has_no_problem_and_can_be_summed() {
        let metrics = Metrics::parse(GOOD);
        assert_eq!(metrics.problems(), Vec::<String>::new());
        assert_eq!(metrics.sum("herald_a_total", &[]), 5.0);
        assert_eq!(metrics.sum("herald_a_total", &[("lane", "bulk")]), 2.0);
    }

    #[test]
    fn what_is_wrong_is_found() {
        let bad = [
            GOOD.replace("# HELP herald_a_total Things.\n", ""),
            GOOD.replace("lane", "tenant"),
            GOOD.replace("bulk", "urgent"),
            GOOD.replace("\"+Inf\"} 2", "\"+Inf\"} 0"),
            GOOD.replace("_a_total", "_a"),
            format!("{GOOD}what is this\n"),
        ];
        for page in bad {
            assert!(!Metrics::parse(&page).problems().is_empty(), "{page}");
        }
    }
}
