//! Value vectors as a radar (the paper's Figure 5): ten axes in the order of the motivational
//! circle, a ring at zero, and what goes against a value inside it.

use maud::{Markup, PreEscaped, html};

use super::chart::tenths;
use crate::value::{Group, Profile, Value};

/// How many vectors a radar can show and still be read.
pub const MOST: usize = 8;

/// A line on the radar.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// The vector.
    pub profile: Profile,
    /// The ends of its interval, drawn as a band.
    pub band: Option<[Profile; 2]>,
}

const WIDTH: f64 = 700.0;
/// The height without the legend.
const HEIGHT: f64 = 550.0;
const RADIUS: f64 = 210.0;
/// Where -1 is.
const CENTRE: (f64, f64) = (WIDTH / 2.0, 268.0);
const LEGEND_LINE: f64 = 22.0;
/// The longest name in the legend, in letters.
const LONGEST: usize = 72;

/// Colours that are told apart by most eyes (Okabe and Ito), and in both colour schemes.
const COLOURS: [&str; MOST] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b"];

const STYLE: &str = "\
.paper{fill:#fff}.ink{fill:#222}.grid{stroke:#ccc;fill:none}\
.zero{stroke:#555;fill:none;stroke-width:1.5}.small{fill:#777;font-size:10px}\
@media(prefers-color-scheme:dark){.paper{fill:#16181c}.ink{fill:#e6e6e6}.grid{stroke:#444}\
.zero{stroke:#aaa}.small{fill:#999}}";

/// The radar as an SVG file.
pub fn svg(lines: &[Line]) -> String {
    drawing(lines, Some("http://www.w3.org/2000/svg")).into_string() + "\n"
}

/// The radar as a part of an HTML page.
pub(super) fn figure(lines: &[Line]) -> Markup {
    drawing(lines, None)
}

/// The radar; a file of its own names the namespace, a page has it already.
fn drawing(lines: &[Line], namespace: Option<&str>) -> Markup {
    let height = HEIGHT + LEGEND_LINE * lines.len() as f64 + 16.0;
    html! {
        svg xmlns=[namespace] viewBox={ "0 0 " (WIDTH) " " (height) } role="img"
            font-family="sans-serif" font-size="13" {
            title { "Value vectors" }
            style { (PreEscaped(STYLE)) }
            rect.paper width=(WIDTH) height=(height) {}
            @for utility in [-1.0, -0.5, 0.0, 0.5, 1.0] { (ring(utility)) }
            @for value in Value::ALL { (axis(value)) }
            @for (line, colour) in lines.iter().zip(COLOURS) { (area(line, colour)) }
            @for (number, (line, colour)) in lines.iter().zip(COLOURS).enumerate() {
                @let y = HEIGHT + LEGEND_LINE * number as f64;
                rect x="24" y=(tenths(y - 6.0)) width="14" height="4" fill=(colour) {}
                text.ink x="46" y=(tenths(y)) { (shortened(&line.name, LONGEST)) }
            }
        }
    }
}

/// The ring of a utility, and its number.
fn ring(utility: f32) -> Markup {
    let class = if utility == 0.0 { "zero" } else { "grid" };
    let (x, y) = place(0, f64::from(utility));
    html! {
        polygon class=(class) points=(polygon(&[utility; Value::COUNT])) {}
        text.small x=(tenths(x + 4.0)) y=(tenths(y - 3.0)) { (signed(f64::from(utility))) }
    }
}

/// The axis of a value, and its name.
fn axis(value: Value) -> Markup {
    let ((x, y), (tx, ty)) = (place(value.index(), 1.0), place(value.index(), 1.22));
    let (x, y) = (tenths(x), tenths(y));
    let anchor = match tx - CENTRE.0 {
        apart if apart > 20.0 => "start",
        apart if apart < -20.0 => "end",
        _ => "middle",
    };
    html! {
        line.grid x1=(CENTRE.0) y1=(CENTRE.1) x2=(x) y2=(y) {}
        circle cx=(x) cy=(y) r="4" fill=(colour_of(value)) {}
        text.ink text-anchor=(anchor) x=(tenths(tx)) y=(tenths(ty + 4.0)) { (value.name()) }
    }
}

/// A vector, and the band of its interval below it.
fn area(line: &Line, colour: &str) -> Markup {
    let outline = |profile: &Profile| format!("M{}Z", polygon(profile).replace(' ', "L"));
    html! {
        @if let Some([low, high]) = &line.band {
            path d={ (outline(high)) " " (outline(low)) }
                fill=(colour) fill-opacity=".22" fill-rule="evenodd" {}
        }
        polygon points=(polygon(&line.profile)) fill=(colour) fill-opacity=".08" stroke=(colour)
            stroke-width="2" stroke-linejoin="round" {}
    }
}

/// Where a utility of a value stands.
fn place(axis: usize, utility: f64) -> (f64, f64) {
    let angle = std::f64::consts::TAU * axis as f64 / Value::COUNT as f64;
    let radius = RADIUS * (utility.max(-1.0) + 1.0) / 2.0;
    (CENTRE.0 + radius * angle.sin(), CENTRE.1 - radius * angle.cos())
}

fn polygon(profile: &Profile) -> String {
    let point = |(axis, utility): (usize, &f32)| {
        let (x, y) = place(axis, f64::from(*utility).clamp(-1.0, 1.0));
        format!("{x:.1},{y:.1}")
    };
    profile.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
}

fn signed(number: f64) -> String {
    if number > 0.0 { format!("+{number}") } else { number.to_string() }
}

fn colour_of(value: Value) -> &'static str {
    match Group::of(value) {
        Group::OpennessToChange => "#e69f00",
        Group::SelfEnhancement => "#d55e00",
        Group::Conservation => "#0072b2",
        Group::SelfTranscendence => "#009e73",
    }
}

/// The text, cut to so many letters.
pub fn shortened(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.into(),
    }
}
