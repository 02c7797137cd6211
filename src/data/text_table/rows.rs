//! Tables that are read row by row: lines, delimited text, JSON Lines.

use std::collections::VecDeque;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use serde_json::{Map, Value as Json};

use super::super::delimited::{Delimited, QUOTES, without_mark};
use super::super::record::Record;
use super::super::records::text;
use super::super::texts::{byte_lines, lines};
use super::super::{cells, jsonl};
use super::{Chosen, Keep, Kept, TextBatch, Wanted};
use crate::error::{Error, Kind, Result};

/// A row of a table.
struct Row {
    line: u64,
    /// None where it is null.
    text: Option<String>,
    /// A cell for each column that is kept.
    cells: Vec<Json>,
}

/// The rows of a table in their order, each or what is wrong with it.
pub(super) struct RowReader<'a> {
    path: PathBuf,
    /// Columns that cells must be of the kind of, if they must.
    pub typed: Option<Vec<FieldRef>>,
    /// After an error of the file itself there are no more.
    rows: Box<dyn Iterator<Item = Result<Result<Row>>> + 'a>,
    /// An error of the file that comes behind rows which are not handed on yet.
    failure: Option<Error>,
}

/// A column of texts.
pub(super) fn texts(name: &str) -> FieldRef {
    Arc::new(Field::new(name, DataType::Utf8, true))
}

impl<'a> RowReader<'a> {
    fn new(path: &Path, rows: impl Iterator<Item = Result<Result<Row>>> + 'a) -> Self {
        Self { path: path.into(), typed: None, rows: Box::new(rows), failure: None }
    }

    /// No rows.
    pub fn empty(path: &Path) -> Self {
        Self::new(path, std::iter::empty())
    }

    /// A text a line.
    pub fn lines(path: &Path, reader: Box<dyn BufRead + 'a>) -> Self {
        let row = |(line, text)| Row { line, text: Some(text), cells: Vec::new() };
        let texts = (1..).zip(lines(path, reader));
        Self::new(path, texts.map(move |(line, text)| of_row(text.map(|text| row((line, text))))))
    }

    /// Refuses a row with a cell of another kind than its column's.
    fn checked(&self, row: Row) -> Result<Row> {
        let fields = self.typed.iter().flatten();
        match fields.zip(&row.cells).try_for_each(|(field, cell)| cells::check(field, cell)) {
            Ok(()) => Ok(row),
            Err(what) => Err(Error::row(&self.path, row.line, what)
                .help("the first row says of what kind a column is; --to jsonl writes any")),
        }
    }

    /// The next rows, `most` at most.
    pub fn next(&mut self, most: usize) -> Result<Option<TextBatch>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let (mut texts, mut cells) = (Vec::new(), Vec::new());
        while texts.len() < most {
            match self.rows.next() {
                Some(Ok(row)) => match row.and_then(|row| self.checked(row)) {
                    Ok(row) => {
                        texts.push(Ok(row.text));
                        cells.push(row.cells);
                    }
                    Err(wrong) => {
                        texts.push(Err(wrong));
                        cells.push(Vec::new());
                    }
                },
                Some(Err(failure)) if texts.is_empty() => return Err(failure),
                Some(Err(failure)) => {
                    self.failure = Some(failure);
                    break;
                }
                None => break,
            }
        }
        Ok((!texts.is_empty()).then_some(TextBatch { texts, kept: Kept::Cells(cells) }))
    }

    /// Cells between delimiters, under a header.
    pub fn delimited(
        wanted: &Wanted,
        reader: Box<dyn BufRead + 'a>,
        delimiter: u8,
    ) -> Result<(Vec<FieldRef>, Self)> {
        let path = wanted.path;
        let mut records = Delimited::of(path, without_mark(path, reader)?, delimiter, 1);
        let names = records.header("the first line names the columns")?;
        let chosen = Chosen::of(wanted, &names)?;
        let kept = chosen.names(&names).iter().map(|name| texts(name)).collect();
        let owned = PathBuf::from(path);
        let row = move |Record { line, cells }: Record| {
            let bad = |what: String| Error::row(&owned, line, what);
            let cells = cells.map_err(|what| bad(what).help(QUOTES))?;
            let cell = |place: usize| text(&cells, place, &names[place]).map_err(bad);
            let kept = chosen.kept.iter().map(|&place| Ok(cell(place)?.into()));
            let kept = kept.collect::<Result<_>>()?;
            Ok(Row { line, text: Some(cell(chosen.text)?.into()), cells: kept })
        };
        Ok((kept, Self::new(path, records.map(move |record| Ok(row(record?))))))
    }

    /// A JSON object a line; the first that is one says which columns there are.
    pub fn json_lines(
        wanted: &Wanted,
        reader: Box<dyn BufRead + 'a>,
    ) -> Result<(Vec<FieldRef>, Self)> {
        let path = wanted.path;
        let owned = PathBuf::from(path);
        let mut objects = byte_lines(path, without_mark(path, reader)?).filter_map(move |line| {
            let (number, line) = match line {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let object = || jsonl::object(&line).map_err(|what| Error::row(&owned, number, what));
            (!line.trim_ascii().is_empty()).then(|| Ok((number, object()?)))
        });
        // What comes before the first is wrong.
        let mut before = VecDeque::new();
        let first = loop {
            match objects.next() {
                Some(Ok(first)) => break Some(first),
                Some(Err(error)) if error.kind() == Kind::Data => before.push_back(Err(error)),
                Some(Err(error)) => return Err(error),
                None => break None,
            }
        };
        let (mut column, mut kept) = (String::new(), Vec::new());
        if let Some((_, object)) = &first {
            let names: Vec<String> = object.keys().cloned().collect();
            let chosen = Chosen::of(wanted, &names)?;
            let field = |name: String| Arc::new(cells::field(&name, &object[&name]));
            kept = chosen.names(&names).into_iter().map(field).collect();
            column = names[chosen.text].clone();
        }
        let names: Vec<String> = kept.iter().map(|field: &FieldRef| field.name().clone()).collect();
        let (owned, is_all) = (PathBuf::from(path), *wanted.keep == Keep::All);
        let row = move |(line, mut object): (u64, Map<String, Json>)| -> Result<Row> {
            let bad = |what: String| Error::row(&owned, line, what);
            let text = match object.remove(&column) {
                None => return Err(bad(format!("there is no key \"{column}\""))),
                Some(Json::Null) => None,
                Some(Json::String(text)) => Some(text),
                Some(value @ (Json::Number(_) | Json::Bool(_))) => Some(value.to_string()),
                Some(_) => return Err(bad(format!("\"{column}\" is no text"))),
            };
            let cells = names.iter().map(|name| object.remove(name).unwrap_or_default()).collect();
            if let Some(name) = object.keys().next().filter(|_| is_all) {
                return Err(bad(format!("the first line has no key \"{name}\"")));
            }
            Ok(Row { line, text, cells })
        };
        let all = before.into_iter().chain(first.map(Ok)).chain(objects);
        Ok((kept, Self::new(path, all.map(move |object| of_row(object.and_then(&row))))))
    }
}

/// What is wrong with a line alone is of kind [`Kind::Data`]; everything else ends the reading.
fn of_row<T>(row: Result<T>) -> Result<Result<T>> {
    match row {
        Err(error) if error.kind() != Kind::Data => Err(error),
        other => Ok(other),
    }
}
