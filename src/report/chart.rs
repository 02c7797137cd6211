//! Small charts as inline SVG in a page: curves, and bars with intervals. They take their colours
//! from the page's style.

use maud::{Markup, html};

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
pub(super) fn curves(x_name: &str, curves: &[Curve]) -> Markup {
    const HEIGHT: f64 = 230.0;
    const BOTTOM: f64 = 34.0;
    let points =
        || curves.iter().flat_map(|curve| &curve.points).filter(|point| point.1.is_finite());
    let x_end = points().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return html! {};
    }
    let room = ((high - low) * 0.08).max(1e-3);
    let (low, high) = ((low - room).max(0.0), high + room);
    let x = |value: f64| LEFT + value / x_end * (WIDTH - LEFT - 12.0);
    let y = |value: f64| 10.0 + (high - value) / (high - low) * (HEIGHT - BOTTOM - 10.0);
    let ends = [(0.0, "start", "0".to_string()), (x_end, "end", format!("{x_end:.1} {x_name}"))];
    let height = HEIGHT + 20.0 * curves.len().div_ceil(3) as f64;
    drawing(
        height,
        &format!("curves over {x_name}"),
        html! {
            @for step in 0..=4 {
                @let value = low + (high - low) * f64::from(step) / 4.0;
                @let at = y(value);
                line.grid x1=(LEFT) x2=(WIDTH - 12.0) y1=(tenths(at)) y2=(tenths(at)) {}
                text x=(tenths(LEFT - 6.0)) y=(tenths(at + 4.0)) text-anchor="end" {
                    (score(value))
                }
            }
            @for (place, anchor, text) in &ends {
                text x=(tenths(x(*place))) y=(HEIGHT - 14.0) text-anchor=(anchor) { (text) }
            }
            @for (number, curve) in curves.iter().enumerate() {
                @let points: Vec<[String; 2]> = curve
                    .points
                    .iter()
                    .filter(|point| point.1.is_finite())
                    .map(|&(a, b)| [tenths(x(a)), tenths(y(b))])
                    .collect();
                @let line: Vec<String> = points.iter().map(|point| point.join(",")).collect();
                @let class = format!("c{}", number % 6);
                polyline class={ "curve " (class) } points=(line.join(" ")) {}
                @if points.len() < 30 {
                    @for [x, y] in &points {
                        circle class={ "dot " (class) } cx=(x) cy=(y) r="3" {}
                    }
                }
                @let x = LEFT + 200.0 * (number % 3) as f64;
                @let y = HEIGHT + 6.0 + 20.0 * (number / 3) as f64;
                line class={ "curve " (class) } x1=(x) x2=(x + 18.0) y1=(y) y2=(y) {}
                text x=(x + 24.0) y=(y + 4.0) { (curve.name) }
            }
        },
    )
}

/// Bars from 0 to 1, one below the other.
pub(super) fn bars(title: &str, bars: &[Bar]) -> Markup {
    const ROW: f64 = 24.0;
    const NAMES: f64 = 132.0;
    let height = ROW * bars.len() as f64 + 26.0;
    let x = |value: f64| NAMES + value.clamp(0.0, 1.0) * (WIDTH - NAMES - 50.0);
    drawing(
        height,
        title,
        html! {
            @for step in 0..=4 {
                @let value = f64::from(step) / 4.0;
                @let at = tenths(x(value));
                line.grid x1=(at) x2=(at) y1="0" y2=(height - 20.0) {}
                text x=(at) y=(height - 6.0) text-anchor="middle" { (value) }
            }
            @for (number, bar) in bars.iter().enumerate() {
                @let top = ROW * number as f64 + 4.0;
                @let middle = top + 8.0;
                @let end = x(bar.figure);
                text x=(NAMES - 8.0) y=(middle + 4.0) text-anchor="end" { (bar.name) }
                rect.bar x=(NAMES) y=(top) width=(tenths(end - NAMES)) height="16" {}
                @if let Some(baseline) = bar.baseline {
                    @let at = tenths(x(baseline));
                    line.base x1=(at) x2=(at) y1=(top - 2.0) y2=(top + 18.0) {}
                }
                @if let Some(Interval { low, high }) = bar.interval {
                    @let (from, to) = (tenths(x(low)), tenths(x(high)));
                    @let line = format!("M{from},{middle}H{to}");
                    @let ends = [from, to].map(|at| format!("M{at},{}v8", middle - 4.0));
                    path.interval d={ (line) (ends.concat()) } {}
                }
                @let end = bar.interval.map_or(end, |interval| end.max(x(interval.high)));
                text x=(tenths(end + 6.0)) y=(middle + 4.0) { (score(bar.figure)) }
            }
        },
    )
}

fn drawing(height: f64, title: &str, inside: Markup) -> Markup {
    html! {
        div.scroll {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" {
                title { (title) }
                (inside)
            }
        }
    }
}

/// A length as drawings have it.
pub(super) fn tenths(length: f64) -> String {
    format!("{length:.1}")
}
