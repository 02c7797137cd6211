//! Texts in tables, beside what else their rows say: batch by batch, in bounded memory.

mod columns;
mod rows;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::FieldRef;
use serde_json::Value as Json;

use super::packed;
use crate::error::{Error, Result};
use columns::ColumnReader;
use rows::RowReader;

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
    /// A stream of Arrow's batches.
    Arrow,
}

impl TextKind {
    /// The kind that a file's name says, without `.gz` or `.zst`: lines, unless it is that of a table.
    pub fn of(path: &Path) -> Self {
        match packed::extension(path).as_str() {
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "jsonl" | "ndjson" => Self::Jsonl,
            "parquet" => Self::Parquet,
            "arrow" | "arrows" => Self::Arrow,
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

/// Some rows of a table.
#[derive(Debug)]
pub struct TextBatch {
    /// The text of each row, none where it is null; or what is wrong with the row.
    pub texts: Vec<Result<Option<String>>>,
    /// What else the rows say.
    pub kept: Kept,
}

/// What is kept of rows beside their texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// A cell for each column, row by row; none of a row that is wrong.
    Cells(Vec<Vec<Json>>),
    /// Columns as they were.
    Columns(RecordBatch),
}

impl TextBatch {
    /// Leaves out the rows behind the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.texts.truncate(rows);
        match &mut self.kept {
            Kept::Cells(cells) => cells.truncate(rows),
            Kept::Columns(batch) => *batch = batch.slice(0, rows.min(batch.num_rows())),
        }
    }
}

/// The texts of a file.
pub struct TextTable<'a> {
    /// The columns that are kept.
    pub kept: Vec<FieldRef>,
    source: Source<'a>,
}

enum Source<'a> {
    Rows(RowReader<'a>),
    Columns(ColumnReader<'a>),
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
    /// itself. What is packed with gzip or Zstandard is unpacked; an empty file is a table without rows.
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
        let wanted = Wanted { path, column, keep };
        if kind == TextKind::Parquet {
            if reader.is_some() {
                return Err(Error::usage("Parquet is read from a file, and not from stdin")
                    .help("--from arrow reads a stream of columns"));
            }
            let (kept, columns) = ColumnReader::parquet(&wanted)?;
            return Ok(Self { kept, source: Source::Columns(columns) });
        }
        let refused = |error| Error::io(path, "read", error);
        let reader = match reader {
            Some(reader) => reader,
            None => Box::new(BufReader::new(File::open(path).map_err(refused)?)),
        };
        let mut reader = packed::unpacking(reader).map_err(refused)?;
        let is_table = kind != TextKind::Lines;
        if !is_table && (column.is_some() || *keep != Keep::Nothing) {
            let what = "lines have no columns: --column and --keep are for tables";
            return Err(Error::usage(what).help("--from csv|tsv|jsonl says that the file is one"));
        }
        if is_table && reader.fill_buf().map_err(refused)?.is_empty() {
            let names = if let Keep::These(names) = keep { names.as_slice() } else { &[] };
            return Ok(Self {
                kept: names.iter().map(|name| rows::texts(name)).collect(),
                source: Source::Rows(RowReader::empty(path)),
            });
        }
        if kind == TextKind::Arrow {
            let (kept, columns) = ColumnReader::arrow(&wanted, reader)?;
            return Ok(Self { kept, source: Source::Columns(columns) });
        }
        let (kept, rows) = match kind {
            TextKind::Jsonl => RowReader::json_lines(&wanted, reader)?,
            TextKind::Tsv => RowReader::delimited(&wanted, reader, b'\t')?,
            TextKind::Csv => RowReader::delimited(&wanted, reader, b',')?,
            _ => (Vec::new(), RowReader::lines(path, reader)),
        };
        Ok(Self { kept, source: Source::Rows(rows) })
    }

    /// The same with cells that must be of the kind of their columns, as columns of Arrow and Parquet are; a row with
    /// another is wrong.
    pub fn typed(mut self) -> Self {
        if let Source::Rows(rows) = &mut self.source {
            rows.typed = Some(self.kept.clone());
        }
        self
    }

    /// The next rows, `most` at most; none behind the last. A stream of Arrow gives the rows of one of its
    /// batches, or the first of them.
    ///
    /// # Errors
    /// If there is no more to be read, for another reason than that it is over. What is wrong with a row
    /// alone is said in its place.
    pub fn next(&mut self, most: usize) -> Result<Option<TextBatch>> {
        match &mut self.source {
            Source::Rows(rows) => rows.next(most),
            Source::Columns(columns) => columns.next(most),
        }
    }

    /// The texts alone, none where one is null. Behind an error there may be more.
    pub fn texts(mut self) -> impl Iterator<Item = Result<Option<String>>> + use<'a> {
        // Somebody may type rows, and wait for each.
        let most = if matches!(self.source, Source::Rows(_)) { 1 } else { usize::MAX };
        let mut batch = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some(text) = batch.next() {
                    return Some(text);
                }
                match self.next(most).transpose()? {
                    Ok(next) => batch = next.texts.into_iter(),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// How many rows are best taken together: as many as the sender of a stream of batches put into one,
    /// or `usual`.
    pub fn batch(&self, usual: usize) -> usize {
        match &self.source {
            Source::Columns(columns) if columns.is_stream() => usize::MAX,
            _ => usual,
        }
    }
}

/// What is wanted of a table.
struct Wanted<'a> {
    path: &'a Path,
    column: Option<&'a str>,
    keep: &'a Keep,
}

/// The places of the columns that are wanted.
struct Chosen {
    /// That of the texts.
    pub text: usize,
    /// Those that are kept beside it.
    pub kept: Vec<usize>,
}

impl Chosen {
    pub fn of(wanted: &Wanted, names: &[String]) -> Result<Self> {
        let &Wanted { path, column, keep } = wanted;
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
    pub fn names(&self, names: &[String]) -> Vec<String> {
        self.kept.iter().map(|&place| names[place].clone()).collect()
    }
}
