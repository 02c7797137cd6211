//! Small charts as inline SVG in a page: curves, and bars with intervals. They take their colours
//! from the page's style.

use std::fmt::Write;

use super::radar::escape;
use super::table::score;
use crate::eval::Interval;

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// Its points, (x, y), by ascending x.
    pub points: Vec<(f64, f64)>,
}

/// A bar with an interval, on a scale from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What stands before it.
    pub name: String,
    /// Its length.
    pub figure: f64,
    /// What is drawn across its end.
    pub interval: Option<Interval>,
    /// A mark to hold it against.
    pub baseline: Option<f64>,
}

const WIDTH: f64 = 640.0;
const LEFT: f64 = 46.0;

/// Curves over a shared x axis.
pub fn curves(x_name: &str, curves: &[Curve]) -> String {
    const HEIGHT: f64 = 230.0;
    const BOTTOM: f64 = 34.0;
    let points =
        || curves.iter().flat_map(|curve| &curve.points).filter(|point| point.1.is_finite());
    let x_end = points().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return String::new();
    }
    let room = ((high - low) * 0.08).max(1e-3);
    let (low, high) = ((low - room).max(0.0), high + room);
    let x = |value: f64| LEFT + value / x_end * (WIDTH - LEFT - 12.0);
    let y = |value: f64| 10.0 + (high - value) / (high - low) * (HEIGHT - BOTTOM - 10.0);
    let mut svg =
        begin(HEIGHT + 20.0 * curves.len().div_ceil(3) as f64, &format!("curves over {x_name}"));
    for step in 0..=4 {
        let value = low + (high - low) * f64::from(step) / 4.0;
        let (at, end) = (y(value), WIDTH - 12.0);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
        );
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            score(value)
        );
    }
    for (place, anchor, text) in
        [(0.0, "start", "0".to_string()), (x_end, "end", format!("{x_end:.1} {x_name}"))]
    {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>",
            x(place),
            HEIGHT - 14.0
        );
    }
    for (number, curve) in curves.iter().enumerate() {
        let line: Vec<String> = curve
            .points
            .iter()
            .filter(|point| point.1.is_finite())
            .map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b)))
            .collect();
        let class = number % 6;
        let _ = write!(svg, "<polyline class=\"curve c{class}\" points=\"{}\"/>", line.join(" "));
        if line.len() < 30 {
            for point in &line {
                if let Some((a, b)) = point.split_once(',') {
                    let _ = write!(
                        svg,
                        "<circle class=\"dot c{class}\" cx=\"{a}\" cy=\"{b}\" r=\"3\"/>"
                    );
                }
            }
        }
        let (legend_x, legend_y) =
            (LEFT + 200.0 * (number % 3) as f64, HEIGHT + 6.0 + 20.0 * (number / 3) as f64);
        let _ = write!(
            svg,
            "<line class=\"curve c{class}\" x1=\"{legend_x}\" x2=\"{}\" y1=\"{legend_y}\" y2=\"{legend_y}\"/>",
            legend_x + 18.0
        );
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\">{}</text>",
            legend_x + 24.0,
            legend_y + 4.0,
            escape(&curve.name)
        );
    }
    svg + "</svg></div>\n"
}

/// Bars from 0 to 1, one below the other.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 24.0;
    const NAMES: f64 = 132.0;
    let height = ROW * bars.len() as f64 + 26.0;
    let x = |value: f64| NAMES + value.clamp(0.0, 1.0) * (WIDTH - NAMES - 50.0);
    let mut svg = begin(height, title);
    for step in 0..=4 {
        let (value, bottom) = (f64::from(step) / 4.0, height - 20.0);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{bottom}\"/>",
            x(value)
        );
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>",
            x(value),
            height - 6.0
        );
    }
    for (number, bar) in bars.iter().enumerate() {
        let (top, middle) = (ROW * number as f64 + 4.0, ROW * number as f64 + 12.0);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            NAMES - 8.0,
            middle + 4.0,
            escape(&bar.name)
        );
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{NAMES}\" y=\"{top}\" width=\"{:.1}\" height=\"16\"/>",
            x(bar.figure) - NAMES
        );
        if let Some(baseline) = bar.baseline {
            let _ = write!(
                svg,
                "<line class=\"base\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\"/>",
                x(baseline),
                top - 2.0,
                top + 18.0
            );
        }
        let mut end = x(bar.figure);
        if let Some(interval) = bar.interval {
            let (from, to) = (x(interval.low), x(interval.high));
            end = end.max(to);
            let _ = write!(
                svg,
                "<path class=\"interval\" d=\"M{from:.1},{middle}H{to:.1}M{from:.1},{}v8M{to:.1},{}v8\"/>",
                middle - 4.0,
                middle - 4.0
            );
        }
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\">{}</text>",
            end + 6.0,
            middle + 4.0,
            score(bar.figure)
        );
    }
    svg + "</svg></div>\n"
}

fn begin(height: f64, title: &str) -> String {
    format!(
        "<div class=\"scroll\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title>",
        escape(title)
    )
}
