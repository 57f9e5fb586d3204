//! A small writer of line charts as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;
/// Lines across.
const STEPS: usize = 5;
const COLOURS: [&str; 8] =
    ["#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#7f7f7f"];

/// One named line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart of lines over seconds.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What the values are.
    pub(super) unit: String,
    pub(super) lines: Vec<Line>,
    /// A level to compare with, drawn across.
    pub(super) level: Option<(String, f64)>,
}

impl Chart {
    /// The picture, or `None` when there is nothing to draw.
    pub(super) fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = points().map(|(x, _)| *x).reduce(f64::max)?;
        let level = self.level.as_ref().map_or(0.0, |(_, level)| *level);
        let scale = Scale { x: across.max(1e-9), y: nice(points().map(|(_, y)| *y).fold(level, f64::max)) };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}, {}</text>\n",
            escaped(&self.title),
            escaped(&self.unit)
        );
        self.grid(&mut svg, &scale);
        self.curves(&mut svg, &scale);
        svg.push_str("</svg>\n");
        Some(svg)
    }

    fn grid(&self, svg: &mut String, scale: &Scale) {
        for step in 0..=STEPS {
            let share = step as f64 / STEPS as f64;
            let (x, y) = (scale.at_x(scale.x * share), scale.at_y(scale.y * share));
            let (second, value) = (short(scale.x * share), short(scale.y * share));
            let (end, below) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
            put(svg, format_args!("<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#ddd\"/>\n"));
            put(
                svg,
                format_args!(
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>\n",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
            put(
                svg,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>\n",
                    below + 18.0
                ),
            );
        }
        if let Some((name, level)) = &self.level {
            let (y, end) = (scale.at_y(*level), WIDTH - RIGHT);
            put(
                svg,
                format_args!("<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#333\" stroke-dasharray=\"6 4\"/>\n"),
            );
            put(
                svg,
                format_args!("<text x=\"{}\" y=\"{:.1}\">{}</text>\n", end + 6.0, y + 4.0, escaped(name)),
            );
        }
    }

    fn curves(&self, svg: &mut String, scale: &Scale) {
        for (number, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let points: Vec<String> = line
                .points
                .iter()
                .map(|(x, y)| format!("{:.1},{:.1}", scale.at_x(*x), scale.at_y(*y)))
                .collect();
            put(
                svg,
                format_args!(
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>\n",
                    points.join(" ")
                ),
            );
            let (x, y) = (WIDTH - RIGHT + 6.0, HEIGHT - BOTTOM - 16.0 * number as f64);
            put(
                svg,
                format_args!("<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{}</text>\n", escaped(&line.name)),
            );
        }
    }
}

struct Scale {
    x: f64,
    y: f64,
}

impl Scale {
    fn at_x(&self, x: f64) -> f64 {
        LEFT + x / self.x * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y / self.y * (HEIGHT - TOP - BOTTOM)
    }
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written: std::fmt::Result = svg.write_fmt(what);
}

/// The next of 1, 2, 5, 10, ... so that the steps have short names.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-6).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(power * 10.0)
}

fn short(value: f64) -> String {
    let text = match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 10.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    };
    text.replace(".0", "")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let line = Line { name: "a <b>".to_owned(), points };
        Chart {
            title: "t".to_owned(),
            unit: "MB".to_owned(),
            lines: vec![line],
            level: Some(("floor".to_owned(), 150.0)),
        }
    }

    #[test]
    fn points_lie_within_the_frame_at_their_place() {
        let svg = chart(vec![(0.0, 0.0), (10.0, 200.0)]).svg().unwrap();
        assert!(svg.contains("points=\"70.0,260.0 610.0,34.0\""), "{svg}");
        assert!(svg.contains("a &lt;b&gt;") && svg.contains(">floor<") && svg.contains(">10 s<"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_no_picture() {
        assert!(chart(Vec::new()).svg().is_none());
    }

    #[test]
    fn scales_end_at_round_values() {
        assert_eq!([nice(0.7), nice(99.0), nice(120.0), nice(292_032.0)], [1.0, 100.0, 200.0, 500_000.0]);
        assert_eq!([short(0.5), short(20.0), short(150_000.0), short(2e6)], ["0.5", "20", "150k", "2M"]);
    }
}
