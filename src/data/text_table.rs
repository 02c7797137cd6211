//! Texts in tables, beside what else their rows say: row by row, in bounded memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::delimited::{Delimited, QUOTES, without_mark};
use super::parquet::OpenParquet;
use super::record::Record;
use super::records::text;
use super::texts::{byte_lines, lines};
use super::{gzip, jsonl};
use crate::error::{Error, Kind, Result};

/// How texts stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// A text a line.
    Lines,
    /// Comma-separated cells under a header, RFC 4180.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl TextKind {
    /// The kind that a file's name says, without `.gz`: lines, unless it is that of a table.
    pub fn of(path: &Path) -> Self {
        match gzip::extension(path).as_str() {
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "jsonl" | "ndjson" => Self::Jsonl,
            "parquet" => Self::Parquet,
            _ => Self::Lines,
        }
    }
}

/// Which columns are wanted beside that of the texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keep {
    /// None.
    #[default]
    Nothing,
    /// All others.
    All,
    /// Those with these names.
    These(Vec<String>),
}

/// A text, and what its row says beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRow {
    /// The text; none where it is null.
    pub text: Option<String>,
    /// A cell for each column that is kept.
    pub kept: Vec<Json>,
}

/// The rows of a table, in their order, each or what is wrong with it. After an error of the file itself
/// there are no more.
type Rows<'a> = Box<dyn Iterator<Item = Result<Result<TextRow>>> + 'a>;

/// The texts of a file.
pub struct TextTable<'a> {
    /// The names of the columns that are kept.
    pub kept: Vec<String>,
    /// The rows.
    pub rows: Rows<'a>,
}

impl std::fmt::Debug for TextTable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a table that keeps {:?}", self.kept)
    }
}

/// The column that texts are in unless another is named.
const COLUMN: &str = "text";

impl<'a> TextTable<'a> {
    /// Opens a file, or what `reader` reads in its place: `column` names that of the texts, `text` by
    /// itself. What is packed with gzip is unpacked; an empty file is a table without rows.
    ///
    /// # Errors
    /// If there is no such column, or one that is to be kept is missing; the columns are listed.
    pub fn read(
        path: &Path,
        reader: Option<Box<dyn BufRead + 'a>>,
        kind: TextKind,
        column: Option<&str>,
        keep: &Keep,
    ) -> Result<Self> {
        if kind == TextKind::Parquet {
            if reader.is_some() {
                return Err(Error::usage("Parquet is read from a file, and not from stdin"));
            }
            return Self::parquet(path, column, keep);
        }
        let reader = match reader {
            Some(reader) => reader,
            None => Box::new(BufReader::new(File::open(path).map_err(refused(path))?)),
        };
        let mut reader = gzip::unpacking(reader).map_err(refused(path))?;
        match kind {
            TextKind::Lines if column.is_some() || *keep != Keep::Nothing => {
                let what = "lines have no columns: --column and --keep are for tables";
                Err(Error::usage(what).help("--from csv|tsv|jsonl says that the file is one"))
            }
            TextKind::Lines => {
                let row = |text| TextRow { text: Some(text), kept: Vec::new() };
                let rows = lines(path, reader).map(move |text| of_row(text.map(row)));
                Ok(Self { kept: Vec::new(), rows: Box::new(rows) })
            }
            _ if reader.fill_buf().map_err(refused(path))?.is_empty() => {
                let kept = if let Keep::These(names) = keep { names.clone() } else { Vec::new() };
                Ok(Self { kept, rows: Box::new(std::iter::empty()) })
            }
            TextKind::Jsonl => Self::json_lines(path, reader, column, keep),
            TextKind::Tsv => Self::delimited(path, reader, b'\t', column, keep),
            TextKind::Csv | TextKind::Parquet => Self::delimited(path, reader, b',', column, keep),
        }
    }

    fn delimited(
        path: &Path,
        reader: Box<dyn BufRead + 'a>,
        delimiter: u8,
        column: Option<&str>,
        keep: &Keep,
    ) -> Result<Self> {
        let mut records = Delimited::of(path, without_mark(path, reader)?, delimiter, 1);
        let names = records.header("the first line names the columns")?;
        let chosen = Chosen::of(path, &names, column, keep)?;
        let kept = chosen.names(&names);
        let path = PathBuf::from(path);
        let row = move |Record { line, cells }: Record| {
            let bad = |what: String| Error::row(&path, line, what);
            let cells = cells.map_err(|what| bad(what).help(QUOTES))?;
            let cell = |place: usize| text(&cells, place, &names[place]).map_err(bad);
            let kept = chosen.kept.iter().map(|&place| Ok(cell(place)?.into()));
            Ok(TextRow {
                text: Some(cell(chosen.text)?.into()),
                kept: kept.collect::<Result<_>>()?,
            })
        };
        Ok(Self { kept, rows: Box::new(records.map(move |record| Ok(row(record?)))) })
    }

    fn json_lines(
        path: &Path,
        reader: Box<dyn BufRead + 'a>,
        column: Option<&str>,
        keep: &Keep,
    ) -> Result<Self> {
        let owned = PathBuf::from(path);
        let mut objects = byte_lines(path, without_mark(path, reader)?).filter_map(move |line| {
            let (number, line) = match line {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let object = || jsonl::object(&line).map_err(|what| Error::row(&owned, number, what));
            (!line.trim_ascii().is_empty()).then(|| Ok((number, object()?)))
        });
        // The first object says which columns there are; what comes before it is wrong.
        let mut before = VecDeque::new();
        let first = loop {
            match objects.next() {
                Some(Ok(first)) => break Some(first),
                Some(Err(error)) if error.kind() == Kind::Data => before.push_back(Err(error)),
                Some(Err(error)) => return Err(error),
                None => break None,
            }
        };
        let names: Vec<String> =
            first.iter().flat_map(|(_, object)| object.keys().cloned()).collect();
        let (column, kept) = match first.is_some() {
            true => {
                let chosen = Chosen::of(path, &names, column, keep)?;
                (names[chosen.text].clone(), chosen.names(&names))
            }
            false => (String::new(), Vec::new()),
        };
        let (path, wanted, is_all) = (PathBuf::from(path), kept.clone(), *keep == Keep::All);
        let row = move |(number, mut object): (u64, Map<String, Json>)| -> Result<TextRow> {
            let bad = |what: String| Error::row(&path, number, what);
            let text = match object.remove(&column) {
                None => return Err(bad(format!("there is no key \"{column}\""))),
                Some(Json::Null) => None,
                Some(Json::String(text)) => Some(text),
                Some(value @ (Json::Number(_) | Json::Bool(_))) => Some(value.to_string()),
                Some(_) => return Err(bad(format!("\"{column}\" is no text"))),
            };
            let kept = wanted.iter().map(|name| object.remove(name).unwrap_or_default()).collect();
            if let Some(name) = object.keys().next().filter(|_| is_all) {
                return Err(bad(format!("the first line has no key \"{name}\"")));
            }
            Ok(TextRow { text, kept })
        };
        let all = before.into_iter().chain(first.map(Ok)).chain(objects);
        Ok(Self { kept, rows: Box::new(all.map(move |object| of_row(object.and_then(&row)))) })
    }

    fn parquet(path: &Path, column: Option<&str>, keep: &Keep) -> Result<Self> {
        let file = OpenParquet::open(path)?;
        let chosen = Chosen::of(path, &file.names, column, keep)?;
        let kept = chosen.names(&file.names);
        let rows = file.rows(&[vec![chosen.text], chosen.kept].concat())?;
        let row = |cells: Vec<Json>| {
            let mut cells = cells.into_iter();
            let text = match cells.next() {
                None | Some(Json::Null) => None,
                Some(Json::String(text)) => Some(text),
                Some(other) => Some(other.to_string()),
            };
            Ok(TextRow { text, kept: cells.collect() })
        };
        Ok(Self { kept, rows: Box::new(rows.map(move |cells| Ok(row(cells?)))) })
    }
}

/// The places of the columns that are wanted.
struct Chosen {
    text: usize,
    kept: Vec<usize>,
}

impl Chosen {
    fn of(path: &Path, names: &[String], column: Option<&str>, keep: &Keep) -> Result<Self> {
        let listed = || names.join(", ");
        let find = |wanted: &str| {
            let mut places =
                (0..names.len()).filter(|&place| names[place].eq_ignore_ascii_case(wanted));
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => {
                    let what = format!("two columns are named \"{wanted}\"");
                    Err(Error::row(path, 1, what).help("rename one of them"))
                }
                (None, _) => {
                    let what = format!("there is no column \"{wanted}\" (columns: {})", listed());
                    Err(Error::row(path, 1, what))
                }
            }
        };
        let text = find(column.unwrap_or(COLUMN)).map_err(|error| match column {
            Some(_) => error,
            None => error
                .help("--column names the texts' column; --from lines takes each line for a text"),
        })?;
        let kept = match keep {
            Keep::Nothing => Vec::new(),
            Keep::All => (0..names.len()).filter(|&place| place != text).collect(),
            Keep::These(wanted) => wanted.iter().map(|name| find(name)).collect::<Result<_>>()?,
        };
        match kept.contains(&text) {
            true => {
                let what = format!("\"{}\" is the texts' own column", names[text]);
                Err(Error::usage(what).help("it is written as `text`; leave it out of --keep"))
            }
            false => Ok(Self { text, kept }),
        }
    }

    /// The names of the columns that are kept, of all `names`.
    fn names(&self, names: &[String]) -> Vec<String> {
        self.kept.iter().map(|&place| names[place].clone()).collect()
    }
}

/// What is wrong with a line alone is of kind [`Kind::Data`]; everything else ends the reading.
fn of_row<T>(row: Result<T>) -> Result<Result<T>> {
    match row {
        Err(error) if error.kind() != Kind::Data => Err(error),
        other => Ok(other),
    }
}

fn refused(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |error| Error::io(path, "read", error)
}
