//! A dataset in another shape, without loss: texts to the letter, and columns that are no sample's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};

use super::exact::Exact;
use super::records::FileKind;
use super::splits::{Part, Split};
use super::table::Sample;
use super::write::refuse_unless_empty;
use super::{jsonl, parquet, touche};
use crate::disk;
use crate::error::{Error, Result};
use crate::value::Value;

/// A shape of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// CSV with `scenario,label`, the scenario as `[VALUE] text`.
    Tagged,
    /// CSV with `value,scenario,label`.
    Columns,
    /// A CSV file for each value, named after it, with an index and the plain text.
    PerValue,
    /// JSON Lines with `value`, `scenario` and `label`.
    Jsonl,
    /// Parquet with the same columns.
    Parquet,
}

impl Shape {
    /// The shape's name.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Tagged => "tagged",
            Shape::Columns => "columns",
            Shape::PerValue => "per-value",
            Shape::Jsonl => "jsonl",
            Shape::Parquet => "parquet",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Shape::Tagged | Shape::Columns | Shape::PerValue => "csv",
            Shape::Jsonl => "jsonl",
            Shape::Parquet => "parquet",
        }
    }
}

/// How the lines of CSV files end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`.
    Lf,
    /// `\r\n`, as in the published files.
    CrLf,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// The number of its rows.
    pub rows: usize,
}

/// Writes the dataset `from` to `to`, a file if its name ends in .csv, .jsonl, .ndjson or .parquet,
/// else a folder. Without a shape the file's name decides; folders are tagged.
///
/// # Errors
/// If a row is wrong, the shape does not fit, a folder is not empty, or something cannot be read or
/// written.
pub fn convert(
    from: &Path,
    to: &Path,
    shape: Option<Shape>,
    line_end: LineEnd,
) -> Result<Vec<Written>> {
    let parts = read(from)?;
    match file_kind(to) {
        Some(kind) => {
            let shape = shape_of_file(to, kind, shape)?;
            let [(_, exact)] = parts.as_slice() else {
                return Err(Error::usage(format!(
                    "{} has {} splits, and a file one",
                    from.display(),
                    parts.len()
                ))
                .help("name a folder with -o, or convert one of its files"));
            };
            refuse_misleading_name(to, shape, exact)?;
            disk::write_file(to, &encode(exact, shape, line_end)?)?;
            Ok(vec![Written { path: to.into(), rows: exact.samples.len() }])
        }
        None => to_folder(from, parts, to, shape.unwrap_or(Shape::Tagged), line_end),
    }
}

fn read(from: &Path) -> Result<Vec<(String, Exact)>> {
    let part = |(name, files): (String, Vec<PathBuf>)| {
        let mut all = Exact::default();
        for file in files {
            all.append(Exact::read(&file)?);
        }
        Ok((name, all))
    };
    if touche::is_folder(from) {
        return Ok(vec![part((String::new(), vec![from.into()]))?]);
    }
    Part::files(from)?.into_iter().map(part).collect()
}

/// The kind of a file that is to be written; none for a folder.
pub(super) fn file_kind(path: &Path) -> Option<FileKind> {
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    Some(FileKind::of(path)).filter(|kind| *kind != FileKind::Csv || is_csv)
}

fn shape_of_file(path: &Path, kind: FileKind, shape: Option<Shape>) -> Result<Shape> {
    match (kind, shape) {
        (FileKind::Csv, None | Some(Shape::Tagged)) => Ok(Shape::Tagged),
        (FileKind::Csv, Some(Shape::Columns)) => Ok(Shape::Columns),
        (FileKind::Jsonl, None | Some(Shape::Jsonl)) => Ok(Shape::Jsonl),
        (FileKind::Parquet, None | Some(Shape::Parquet)) => Ok(Shape::Parquet),
        (_, Some(shape)) => {
            let what = format!("{} is no name for the shape {}", path.display(), shape.name());
            Err(Error::usage(what).help("name a folder, or leave --to out"))
        }
    }
}

/// A file that is named after a value is read as that value's alone.
fn refuse_misleading_name(path: &Path, shape: Shape, exact: &Exact) -> Result<()> {
    let named: Option<Value> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
    match named {
        Some(value)
            if shape == Shape::Tagged
                && exact.samples.iter().any(|sample| sample.value != value) =>
        {
            let what = format!(
                "{} would be read as rows of {value} alone, and has others",
                path.display()
            );
            Err(Error::usage(what).help("choose another name"))
        }
        _ => Ok(()),
    }
}

fn to_folder(
    from: &Path,
    parts: Vec<(String, Exact)>,
    to: &Path,
    shape: Shape,
    line_end: LineEnd,
) -> Result<Vec<Written>> {
    refuse_unless_empty(to)?;
    let named: Vec<(String, Exact)> = match (shape, parts.as_slice()) {
        (Shape::PerValue, [(_, exact)]) => of_values(exact),
        (Shape::PerValue, _) => {
            let what = format!(
                "{} has splits, and a folder with a file for each value has none",
                from.display()
            );
            return Err(Error::usage(what).help("convert its files one by one"));
        }
        (_, parts) if parts.iter().all(|(name, _)| name.parse::<Split>().is_ok()) => parts.to_vec(),
        _ => {
            let what = format!("{} has no splits that could make a folder", from.display());
            return Err(Error::usage(what).help(
                "name a file such as all.csv, all.jsonl or all.parquet, or add --to per-value",
            ));
        }
    };
    let file = |name: &str| format!("{name}.{}", shape.extension());
    disk::write_folder(to, |folder| {
        named.iter().try_for_each(|(name, exact)| {
            disk::write_file(&folder.join(file(name)), &encode(exact, shape, line_end)?)
        })
    })?;
    let written = |(name, exact): &(String, Exact)| Written {
        path: to.join(file(name)),
        rows: exact.samples.len(),
    };
    Ok(named.iter().map(written).collect())
}

/// The rows of each value that has any.
fn of_values(exact: &Exact) -> Vec<(String, Exact)> {
    let of_value = |value: Value| {
        let mut places: Vec<usize> = (0..exact.samples.len()).collect();
        places.retain(|&place| exact.samples[place].value == value);
        (!places.is_empty()).then(|| (value.name().to_string(), exact.rows(&places)))
    };
    Value::ALL.into_iter().filter_map(of_value).collect()
}

fn texts(cells: &[String]) -> Vec<&str> {
    cells.iter().map(String::as_str).collect()
}

/// The bytes of a file.
fn encode(exact: &Exact, shape: Shape, line_end: LineEnd) -> Result<Vec<u8>> {
    let Exact { samples, others } = exact;
    let tagged: Vec<String> = samples.iter().map(|sample| cell(sample, shape)).collect();
    let labels: Vec<String> =
        samples.iter().map(|sample| sample.label.number().to_string()).collect();
    let numbers: Vec<String> = (0..samples.len()).map(|number| number.to_string()).collect();
    let values = || samples.iter().map(|sample| sample.value.name()).collect::<Vec<_>>();
    let others = others.iter().map(|other| (other.name.as_str(), texts(&other.cells)));
    let (scenario, label) = (("scenario", texts(&tagged)), ("label", texts(&labels)));
    let columns: Vec<(&str, Vec<&str>)> = match shape {
        Shape::Tagged => [scenario, label].into_iter().chain(others).collect(),
        Shape::PerValue => {
            std::iter::once(("", texts(&numbers))).chain(others).chain([scenario, label]).collect()
        }
        _ => [("value", values()), scenario, label].into_iter().chain(others).collect(),
    };
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let row = |place: usize| columns.iter().map(|(_, cells)| cells[place]).collect::<Vec<_>>();
    let rows = (0..samples.len()).map(row);
    match shape {
        Shape::Tagged | Shape::Columns | Shape::PerValue => to_csv(&names, rows, line_end),
        Shape::Jsonl => Ok(jsonl::to_text(&names, rows)?.into_bytes()),
        Shape::Parquet => {
            let columns = columns.iter().map(|(name, cells)| -> (&str, ArrayRef) {
                let numbers = samples.iter().map(|sample| i32::from(sample.label.number()));
                match *name {
                    "label" => (name, Arc::new(Int32Array::from_iter_values(numbers))),
                    name => (name, Arc::new(StringArray::from(cells.clone()))),
                }
            });
            let batch = RecordBatch::try_from_iter(columns);
            parquet::to_bytes(&batch.map_err(Error::failure_because("cannot write Parquet"))?)
        }
    }
}

/// The scenario's cell. Where the text stands alone it is tagged nevertheless if it begins like a
/// tag, which a reader would take off.
fn cell(sample: &Sample, shape: Shape) -> String {
    let Sample { value, scenario, .. } = sample;
    let begins_like_a_tag = || {
        let name = scenario.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        name.is_some_and(|(name, _)| name.parse::<Value>().is_ok())
    };
    match shape == Shape::Tagged || begins_like_a_tag() {
        true => format!("{} {scenario}", value.token()),
        false => scenario.clone(),
    }
}

fn to_csv<'a>(
    names: &[&str],
    rows: impl Iterator<Item = Vec<&'a str>>,
    line_end: LineEnd,
) -> Result<Vec<u8>> {
    let terminator = match line_end {
        LineEnd::Lf => csv::Terminator::Any(b'\n'),
        LineEnd::CrLf => csv::Terminator::CRLF,
    };
    let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
    writer.write_record(names).map_err(Error::failure_because("cannot write CSV"))?;
    for row in rows {
        writer.write_record(row).map_err(Error::failure_because("cannot write CSV"))?;
    }
    writer.into_inner().map_err(|error| Error::failure(error.to_string()))
}
