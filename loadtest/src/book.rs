//! A report of everything: runs the measurements, then writes one table, Markdown and plots.

mod charts;
mod figures;
mod steps;
mod svg;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use steps::{SOAK, STEPS, Step};
use svg::Chart;

use crate::interrupt::interruptible;
use crate::report::Table;

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Where the results (JSON), the plots (SVG) and README.md go.
    #[arg(long, default_value = "docs/performance")]
    directory: PathBuf,
    /// The long forms: a million people, five pairs, ten minutes of soak. Some 40 minutes instead of some 5.
    #[arg(long)]
    full: bool,
    /// Only these measurements, by name, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Measure nothing: write the report anew from the results in the directory.
    #[arg(long)]
    rewrite: bool,
}

/// Makes a chart of a result.
type Draw = fn(&Value) -> Chart;

/// What each measurement wrote.
type Results = BTreeMap<&'static str, Value>;

/// Measures, writes and prints.
pub(crate) async fn run(args: ReportArgs, env: &Path) -> anyhow::Result<()> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let steps: Vec<&Step> = STEPS.iter().chain([&SOAK]).collect();
    let mut failed = Vec::new();
    if !args.rewrite {
        let chosen = |step: &&&Step| args.only.is_empty() || args.only.iter().any(|name| name == step.name);
        for step in steps.iter().filter(chosen) {
            if !interruptible(step.run(env, directory, args.full)).await? {
                failed.push(step.name);
            }
        }
    }
    let mut results = Results::new();
    for step in &steps {
        results.extend(step.result(directory)?.map(|result| (step.name, result)));
    }
    let table = table(&results);
    let text = markdown(&table, &plots(&results, directory)?, &results, args.full);
    std::fs::write(directory.join("README.md"), text).context("cannot write the report")?;
    println!("{table}");
    println!("report: {}", directory.join("README.md").display());
    anyhow::ensure!(failed.is_empty(), "these could not be measured: {}", failed.join(", "));
    Ok(())
}

fn table(results: &Results) -> Table {
    let mut table = Table::new(&["", "herald", "beside", "ratio", "gate", ""]);
    for figure in figures::all(results) {
        table.row(figure.what, figure.cells());
    }
    table
}

/// Writes the pictures; their names and titles.
fn plots(results: &Results, directory: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut charts: Vec<(String, Chart)> = Vec::new();
    for name in ["single", "bulk", "mixed", "soak"] {
        let Some(result) = results.get(name) else { continue };
        // Of singles, the first round.
        let run = if name == "single" { &result["rounds"][0] } else { result };
        charts.push((format!("{name}-cpu"), charts::cpu(name, &run["processes"])));
        charts.push((format!("{name}-memory"), charts::memory(name, &run["processes"])));
        charts.push((format!("{name}-queues"), charts::queues(name, &run["queues"])));
    }
    let more: [(&str, &str, Draw); 3] = [
        ("bulk", "bulk-throughput", charts::throughput),
        ("limits", "limits", charts::limits),
        ("soak", "soak-latency", charts::latency),
    ];
    for (step, name, draw) in more {
        charts.extend(results.get(step).map(|result| (name.to_owned(), draw(result))));
    }
    let mut written = Vec::new();
    for (name, chart) in charts {
        let Some(svg) = chart.svg() else { continue };
        let file = format!("{name}.svg");
        std::fs::write(directory.join(&file), svg).with_context(|| format!("cannot write {file}"))?;
        written.push((file, format!("{}, {}", chart.title, chart.unit)));
    }
    Ok(written)
}

fn markdown(table: &Table, plots: &[(String, String)], results: &Results, full: bool) -> String {
    let form = if full { "long" } else { "short" };
    let mut text = format!(
        "# Figures of one run\n\nWritten by `herald-loadtest report` at {} ({form} forms) on a machine with {} cores. Ratios hold between machines, absolute figures\n\
         do not. What each command measured lies beside this file as JSON where it was run.\n\n```text\n{table}```\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"),
        std::thread::available_parallelism().map_or(0, usize::from),
    );
    for name in ["accept", "single", "peer", "bulk"] {
        let Some(result) = results.get(name) else { continue };
        put(&mut text, &cpu_per_message(name, result));
    }
    for (file, title) in plots {
        put(&mut text, &format!("\n![{title}]({file})\n"));
    }
    text
}

/// CPU of each process for a message.
fn cpu_per_message(name: &str, result: &Value) -> String {
    let round = if result["rounds"].is_array() { &result["rounds"][0] } else { result };
    let messages = ["accepted", "count", "recipients"].iter().find_map(|field| round[field].as_f64());
    let Some(messages) = messages.filter(|messages| *messages > 0.0) else { return String::new() };
    let used: Vec<String> = round["processes"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter_map(|used| Some((used["name"].as_str()?, used["cpu_seconds"].as_f64()?)))
        .map(|(process, cpu)| format!("{process} {:.1}", cpu * 1e6 / messages))
        .collect();
    format!("\n{name}, CPU us a message: {}.\n", used.join(", "))
}

fn put(text: &mut String, more: &str) {
    // Writing to a String cannot fail.
    let _written: std::fmt::Result = text.write_str(more);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cpu_is_told_for_each_message() {
        let result = json!({"recipients": 1000, "processes": [{"name": "api", "cpu_seconds": 0.5}]});
        assert_eq!(cpu_per_message("bulk", &result), "\nbulk, CPU us a message: api 500.0.\n");
        assert_eq!(cpu_per_message("bulk", &json!({})), "");
    }
}
