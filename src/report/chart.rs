//! Small charts as inline SVG in a page: curves, and bars with intervals. They take their colours
//! from the page's style.

use maud::{Markup, html};

use super::table::{fixed, score};
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

/// What curves are drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Passes over the training data.
    Epochs,
    /// Steps of the optimiser.
    Steps,
}

/// Curves over a shared x axis, on one scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chart<'a> {
    pub(super) axis: Axis,
    pub(super) curves: &'a [Curve],
    /// Of how many points a running mean is drawn, over the curve itself; 1 for none.
    pub(super) window: usize,
    /// The height of the plot.
    pub(super) height: f64,
}

const WIDTH: f64 = 640.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;

/// Curves over epochs.
pub(super) fn curves(curves: &[Curve]) -> Markup {
    Chart { axis: Axis::Epochs, curves, window: 1, height: 186.0 }.draw()
}

impl Chart<'_> {
    /// The drawing; nothing if there is no point.
    pub(super) fn draw(&self) -> Markup {
        let points =
            || self.curves.iter().flat_map(|curve| &curve.points).filter(|it| it.1.is_finite());
        let x_end = points().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
        let Some([low, high]) = scale(points().map(|point| point.1)) else { return html! {} };
        let bottom = TOP + self.height;
        let x = |value: f64| LEFT + value / x_end * (WIDTH - LEFT - 12.0);
        let y = |value: f64| TOP + (high - value) / (high - low) * self.height;
        let place = |&(a, b): &(f64, f64)| [tenths(x(a)), tenths(y(b))];
        let line = |points: &[(f64, f64)]| {
            let places = points.iter().map(|point| place(point).join(","));
            places.collect::<Vec<_>>().join(" ")
        };
        let (name, last) = match self.axis {
            Axis::Epochs => ("epochs", format!("{x_end:.1} epochs")),
            Axis::Steps => ("steps", format!("{x_end:.0} steps")),
        };
        let ends = [(0.0, "start", "0".to_string()), (x_end, "end", last)];
        let decimals = decimals((high - low) / 4.0);
        let height = bottom + 34.0 + 20.0 * self.curves.len().div_ceil(3) as f64;
        let inside = html! {
            @for step in 0..=4 {
                @let value = low + (high - low) * f64::from(step) / 4.0;
                @let at = y(value);
                line.grid x1=(LEFT) x2=(WIDTH - 12.0) y1=(tenths(at)) y2=(tenths(at)) {}
                text x=(tenths(LEFT - 6.0)) y=(tenths(at + 4.0)) text-anchor="end" {
                    (fixed(value, decimals))
                }
            }
            @if low < 0.0 && high > 0.0 {
                @let at = tenths(y(0.0));
                line.nought x1=(LEFT) x2=(WIDTH - 12.0) y1=(at) y2=(at) {}
            }
            @for (place, anchor, text) in &ends {
                text x=(tenths(x(*place))) y=(bottom + 20.0) text-anchor=(anchor) { (text) }
            }
            @for (number, curve) in self.curves.iter().enumerate() {
                @let points: Vec<(f64, f64)> =
                    curve.points.iter().copied().filter(|point| point.1.is_finite()).collect();
                @let class = format!("c{}", number % 6);
                @if self.window > 1 {
                    polyline class={ "curve faint " (class) } points=(line(&points)) {}
                }
                @let drawn = running_mean(&points, self.window);
                polyline class={ "curve " (class) } points=(line(&drawn)) {}
                @if drawn.len() < 30 {
                    @for [x, y] in drawn.iter().map(place) {
                        circle class={ "dot " (class) } cx=(x) cy=(y) r="3" {}
                    }
                }
                @let x = LEFT + 200.0 * (number % 3) as f64;
                @let y = bottom + 40.0 + 20.0 * (number / 3) as f64;
                line class={ "curve " (class) } x1=(x) x2=(x + 18.0) y1=(y) y2=(y) {}
                text x=(x + 24.0) y=(y + 4.0) { (curve.name) }
            }
        };
        drawing(height, &format!("curves over {name}"), inside)
    }
}

/// The ends of a scale for some values, with some room; it does not leave 0 for the room's sake.
/// None without values.
fn scale(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let ends = |[low, high]: [f64; 2], value: f64| [low.min(value), high.max(value)];
    let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], ends);
    let room = ((high - low) * 0.08).max(1e-3 * high.abs().max(low.abs()).max(1.0));
    let below = if low < 0.0 { low - room } else { (low - room).max(0.0) };
    let above = if high > 0.0 { high + room } else { (high + room).min(0.0) };
    match low > high {
        true => None,
        // Only where all values are 0.
        false if below == above => Some([below, above + room]),
        false => Some([below, above]),
    }
}

/// So many decimals tell lines of a grid apart that are so far from each other.
fn decimals(distance: f64) -> usize {
    (1.0 - distance.log10().floor()).clamp(0.0, 5.0) as usize
}

/// The mean of the points around each, so many at most, and fewer at the ends.
fn running_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let half = window / 2;
    let at = |(place, &(x, _)): (usize, &(f64, f64))| {
        let around = &points[place.saturating_sub(half)..points.len().min(place + half + 1)];
        (x, around.iter().map(|point| point.1).sum::<f64>() / around.len() as f64)
    };
    points.iter().enumerate().map(at).collect()
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
