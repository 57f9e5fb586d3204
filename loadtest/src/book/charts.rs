//! Charts from what the commands wrote as JSON.

use serde_json::Value;

use super::svg::{Chart, Line};

fn line(name: &str, points: Vec<(f64, f64)>) -> Line {
    Line { name: name.to_owned(), points }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Memory of each of Herald's processes over time, with its limit.
pub(super) fn memory(title: &str, processes: &Value) -> Chart {
    let lines = list(processes)
        .iter()
        .filter(|used| !matches!(used["name"].as_str(), Some("postgres" | "rabbitmq" | "loadtest")))
        .map(|used| line(name(used), samples(used, |sample| sample["mb"].as_f64())))
        .collect();
    Chart {
        title: format!("{title}: memory"),
        unit: "MB".to_owned(),
        lines,
        level: Some(("limit".to_owned(), crate::processes::MAX_MB)),
    }
}

/// CPU of every process over time, in cores: the slope between samples a second or more apart.
pub(super) fn cpu(title: &str, processes: &Value) -> Chart {
    let lines = list(processes)
        .iter()
        .map(|used| line(name(used), slopes(&samples(used, |sample| sample["cpu_seconds"].as_f64()))))
        .collect();
    Chart { title: format!("{title}: CPU"), unit: "cores".to_owned(), lines, level: None }
}

/// People sent to a second, with the floor.
pub(super) fn throughput(bulk: &Value) -> Chart {
    let sent: Vec<(f64, f64)> = list(&bulk["sent_over_time"])
        .iter()
        .filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()?)))
        .collect();
    Chart {
        title: "bulk: throughput".to_owned(),
        unit: "people a second".to_owned(),
        lines: vec![line("herald", slopes(&sent))],
        level: bulk["rows_floor_per_second"].as_f64().map(|floor| ("rows floor".to_owned(), floor)),
    }
}

/// What waited in the broker.
pub(super) fn queues(title: &str, queues: &Value) -> Chart {
    let lines = list(queues)
        .iter()
        .filter(|depth| depth["max"].as_u64() > Some(0))
        .map(|depth| {
            let points = list(&depth["samples"])
                .iter()
                .filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()?)))
                .collect();
            line(depth["queue"].as_str().unwrap_or_default(), points)
        })
        .collect();
    Chart { title: format!("{title}: broker queues"), unit: "messages ready".to_owned(), lines, level: None }
}

/// Latency of urgent singles, part by part.
pub(super) fn latency(soak: &Value) -> Chart {
    let parts = list(&soak["parts"]);
    let lines = ["p50_ms", "p95_ms", "p99_ms"]
        .iter()
        .map(|field| {
            let point = |part: &Value| Some((part["seconds"].as_f64()?, part["urgent"][field].as_f64()?));
            line(field, parts.iter().filter_map(point).collect())
        })
        .collect();
    Chart {
        title: "soak: urgent singles, due to arrival".to_owned(),
        unit: "ms".to_owned(),
        lines,
        level: None,
    }
}

/// Calls in each second, with the account's limit.
pub(super) fn limits(limits: &Value) -> Chart {
    let points = list(&limits["calls_by_second"])
        .iter()
        .enumerate()
        .filter_map(|(second, calls)| Some((second as f64, calls.as_f64()?)))
        .collect();
    Chart {
        title: "limits: calls at the provider".to_owned(),
        unit: "a second".to_owned(),
        lines: vec![line("calls", points)],
        level: limits["per_second"].as_f64().map(|limit| ("limit".to_owned(), limit)),
    }
}

fn name(used: &Value) -> &str {
    used["name"].as_str().unwrap_or_default()
}

fn samples(used: &Value, pick: fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    list(&used["samples"])
        .iter()
        .filter_map(|sample| Some((sample["seconds"].as_f64()?, pick(sample)?)))
        .collect()
}

/// Growth a second between points at least a second apart.
fn slopes(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut slopes = Vec::new();
    let Some(mut last) = points.first().copied() else { return slopes };
    for point in points {
        let time = point.0 - last.0;
        if time >= 1.0 {
            slopes.push((point.0, (point.1 - last.1) / time));
            last = *point;
        }
    }
    slopes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slopes_are_a_second_apart() {
        assert_eq!(slopes(&[(0.0, 0.0), (0.5, 50.0), (1.0, 80.0), (3.0, 100.0)]), [(1.0, 80.0), (3.0, 10.0)]);
    }

    #[test]
    fn the_servers_have_no_limit_of_memory_to_show() {
        let samples = json!([{"seconds": 1.0, "cpu_seconds": 0.5, "mb": 40.0}]);
        let processes =
            json!([{"name": "api", "samples": samples}, {"name": "postgres", "samples": samples}]);
        let chart = memory("x", &processes);
        assert_eq!((chart.lines.len(), chart.lines[0].points[0]), (1, (1.0, 40.0)));
        assert_eq!(cpu("x", &processes).lines.len(), 2);
    }
}
