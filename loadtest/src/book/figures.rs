//! The figures of a report, each beside its floor and its gate.

use serde_json::Value;

use super::Results;
use crate::report::{tenth, times, whole};

/// One line of the table.
pub(super) struct Figure {
    pub(super) what: &'static str,
    pub(super) value: String,
    pub(super) floor: String,
    pub(super) ratio: String,
    pub(super) gate: &'static str,
    /// `None`: there is no gate.
    pub(super) met: Option<bool>,
}

impl Figure {
    fn new(what: &'static str, value: String) -> Self {
        Self { what, value, floor: String::new(), ratio: String::new(), gate: "", met: None }
    }

    fn beside(self, floor: String, ratio: Option<f64>) -> Self {
        Self { floor, ratio: ratio.map(times).unwrap_or_default(), ..self }
    }

    fn gate(self, gate: &'static str, met: bool) -> Self {
        Self { gate, met: Some(met), ..self }
    }

    pub(super) fn cells(&self) -> [String; 5] {
        let met = self.met.map_or("", |met| if met { "met" } else { "NOT met" });
        [self.value.clone(), self.floor.clone(), self.ratio.clone(), self.gate.to_owned(), met.to_owned()]
    }
}

/// All that could be measured.
pub(super) fn all(results: &Results) -> Vec<Figure> {
    let of = |name: &str, pick: fn(&Value, &Results) -> Option<Vec<Figure>>| {
        results.get(name).and_then(|result| pick(result, results)).unwrap_or_default()
    };
    [
        of("accept", accept),
        of("single", single),
        of("bulk", bulk),
        of("recall", recall),
        of("latency", latency),
        of("mixed", mixed),
        of("limits", limits),
        of("soak", soak),
        of("hops", |hops, _| {
            let medians = &hops["median"];
            Some(vec![Figure::new(
                "floor: hops, p50 / p99 ms",
                pair(number(medians, "p50_ms")?, number(medians, "p99_ms")?),
            )])
        }),
        of("pointers", |pointers, _| {
            Some(vec![Figure::new("floor: pointers, messages/s", whole(number(pointers, "per_second")?))])
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn number(value: &Value, name: &str) -> Option<f64> {
    value[name].as_f64()
}

fn pair(one: f64, two: f64) -> String {
    format!("{} / {}", tenth(one), tenth(two))
}

fn accept(accept: &Value, _: &Results) -> Option<Vec<Figure>> {
    let ratio = number(accept, "median_ratio")?;
    let floor = format!("pgbench {}", whole(number(accept, "median_pgbench_per_second")?));
    let figure = Figure::new("accept, accepted/s", whole(number(accept, "median_accepted_per_second")?));
    Some(vec![figure.beside(floor, Some(ratio)).gate(">= 0.7x", ratio >= 0.7)])
}

fn single(single: &Value, results: &Results) -> Option<Vec<Figure>> {
    let rate = number(single, "median_recorded_per_second")?;
    let mut figures = Vec::new();
    if let Some(ratio) = number(single, "median_ratio") {
        let floor = format!("pgbench {}", whole(rate / ratio));
        let figure = Figure::new("singles, recorded/s", whole(rate)).beside(floor, Some(ratio));
        figures.push(figure.gate(">= 0.35x", ratio >= 0.35));
    }
    if let Some(peer) = results.get("peer").and_then(|peer| number(peer, "per_second")) {
        let figure = Figure::new("singles beside the peer, /s", whole(rate));
        let floor = format!("Celery {}", whole(peer));
        figures.push(figure.beside(floor, Some(rate / peer)).gate(">= 12x", rate / peer >= 12.0));
    }
    Some(figures)
}

fn bulk(bulk: &Value, _: &Results) -> Option<Vec<Figure>> {
    let mut figure = Figure::new("bulk, people/s", whole(number(bulk, "per_second")?));
    if let Some((floor, ratio)) = number(bulk, "rows_floor_per_second").zip(number(bulk, "ratio")) {
        figure = figure.beside(format!("rows {}", whole(floor)), Some(ratio)).gate(">= 0.7x", ratio >= 0.7);
    }
    let peak = number(bulk, "herald_peak_mb")?;
    let memory = Figure::new("bulk, highest memory, MB", whole(peak)).gate("< 150 MB", peak < 150.0);
    let upload = Figure::new("upload, people/s", whole(number(bulk, "uploaded_per_second")?));
    Some(vec![figure, memory, upload])
}

fn recall(recall: &Value, _: &Results) -> Option<Vec<Figure>> {
    let recalled = &recall["recalled"];
    let late = number(recalled, "late_calls")?;
    let settled = number(recalled, "settled_seconds");
    Some(vec![
        Figure::new("recall, calls more than 1 s after", whole(late)).gate("0", late == 0.0),
        Figure::new("recall, all have a result, s", settled.map_or_else(|| "never".to_owned(), tenth))
            .gate("<= 30 s", settled.is_some_and(|seconds| seconds <= 30.0)),
    ])
}

fn latency(latency: &Value, _: &Results) -> Option<Vec<Figure>> {
    let (floor, herald, ratio) = (&latency["floor"], &latency["herald"], &latency["ratio"]);
    let figure = |what, field, of, gate, most: f64| {
        let ratio = number(ratio, of)?;
        let floor = format!("hops {}", tenth(number(floor, field)?));
        Some(
            Figure::new(what, tenth(number(herald, field)?))
                .beside(floor, Some(ratio))
                .gate(gate, ratio <= most),
        )
    };
    Some(vec![
        figure("urgent at 50/s, p50 ms", "p50_ms", "p50", "<= 1.6x", 1.6)?,
        figure("urgent at 50/s, p99 ms", "p99_ms", "p99", "<= 2x", 2.0)?,
    ])
}

fn mixed(mixed: &Value, _: &Results) -> Option<Vec<Figure>> {
    let (idle, busy) = (&mixed["idle"], &mixed["busy"]);
    let figure = |what, field| {
        let (idle, busy) = (number(idle, field)?, number(busy, field)?);
        let beside =
            Figure::new(what, tenth(busy)).beside(format!("idle {}", tenth(idle)), Some(busy / idle));
        Some((beside, busy, busy / idle))
    };
    let (p95, _, ratio) = figure("urgent beside a big plan, p95 ms", "p95_ms")?;
    let (p99, ms, ratio_p99) = figure("urgent beside a big plan, p99 ms", "p99_ms")?;
    let start = number(mixed, "third_first_ms")?;
    Some(vec![
        p95.gate("<= 2.5x", ratio <= 2.5),
        p99.gate("<= 2.5x or 40 ms", ratio_p99 <= 2.5 || ms <= 40.0),
        Figure::new("third tenant's plan starts, ms", whole(start)).gate("<= 2000 ms", start <= 2000.0),
    ])
}

fn limits(limits: &Value, _: &Results) -> Option<Vec<Figure>> {
    let (limit, most) = (number(limits, "per_second")?, number(limits, "most_in_a_second")?);
    let frozen = number(limits, "frozen")?;
    let used = number(limits, "used")?;
    let used_figure = Figure::new("account's limit used, %", tenth(used * 100.0));
    Some(vec![
        Figure::new("most calls in a sliding second", whole(most))
            .beside(format!("limit {}", whole(limit)), None)
            .gate("<= limit", most <= limit + frozen),
        used_figure.gate(">= 90 %", used >= 0.9),
    ])
}

fn soak(soak: &Value, _: &Results) -> Option<Vec<Figure>> {
    let deepest =
        soak["queues"].as_array()?.iter().filter_map(|depth| number(depth, "max")).fold(0.0, f64::max);
    let worst = soak["parts"]
        .as_array()?
        .iter()
        .filter_map(|part| number(&part["urgent"], "p99_ms"))
        .fold(0.0, f64::max);
    Some(vec![
        Figure::new("soak, most messages in a queue", whole(deepest)),
        Figure::new("soak, urgent p99 of the worst part, ms", tenth(worst)),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_stand_beside_their_floors() {
        let results = Results::from([
            ("single", json!({"median_recorded_per_second": 3000.0, "median_ratio": 0.3})),
            ("peer", json!({"per_second": 200.0})),
        ]);
        let figures = all(&results);
        assert_eq!(figures[0].cells(), ["3,000", "pgbench 10,000", "0.30x", ">= 0.35x", "NOT met"]);
        assert_eq!(figures[1].cells(), ["3,000", "Celery 200", "15.00x", ">= 12x", "met"]);
        assert_eq!(figures.len(), 2, "what was not measured is left out");
    }
}
