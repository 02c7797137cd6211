//! Where texts come from: for every verb that reads some.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use valuenet::data::{Keep, TextKind, TextTable};
use valuenet::error::{Error, Result};

/// Where texts come from.
#[derive(clap::Args)]
pub struct TextArgs {
    /// A file of texts: one a line, or in a table; `-` for stdin.
    #[arg(default_value = "-")]
    pub file: PathBuf,

    /// How the texts stand in the file [default: what its name ends in, and lines otherwise].
    #[arg(long, value_enum, value_name = "KIND")]
    pub from: Option<From>,

    /// The column of a table that the texts are in [default: text].
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum From {
    /// A text a line.
    Lines,
    /// Comma-separated, under a header.
    Csv,
    /// Tab-separated, under a header.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// A stream of Arrow's batches, as Spark, Ray and others send them.
    Arrow,
}

impl std::convert::From<From> for TextKind {
    fn from(from: From) -> Self {
        match from {
            From::Lines => TextKind::Lines,
            From::Csv => TextKind::Csv,
            From::Tsv => TextKind::Tsv,
            From::Jsonl => TextKind::Jsonl,
            From::Parquet => TextKind::Parquet,
            From::Arrow => TextKind::Arrow,
        }
    }
}

type TextIterator = Box<dyn Iterator<Item = Result<String>>>;

/// The texts, one by one; what is null is blank.
pub fn read_texts(from: &TextArgs) -> Result<TextIterator> {
    let texts = read_table(from, &Keep::Nothing, None)?.texts();
    Ok(Box::new(texts.map(|text| Ok(text?.unwrap_or_default()))))
}

/// The texts, and what is kept beside them; `usual` is the texts' column if none is named, `text` by itself.
pub fn read_table(from: &TextArgs, keep: &Keep, usual: Option<&str>) -> Result<TextTable<'static>> {
    let named = from.from.map(TextKind::from);
    let is_table = from.column.is_some() && TextKind::of(&from.file) == TextKind::Lines;
    let kind = named.unwrap_or(if is_table { TextKind::Csv } else { TextKind::of(&from.file) });
    let reader =
        (kind != TextKind::Parquet || from.file.as_os_str() == "-").then(|| open(&from.file));
    let column = from.column.as_deref().or(usual);
    TextTable::read(&from.file, reader.transpose()?, kind, column, keep)
}

/// A file to read from, or stdin for `-`.
pub fn open(file: &Path) -> Result<Box<dyn BufRead>> {
    Ok(match file.as_os_str() == "-" {
        true => Box::new(BufReader::new(std::io::stdin())),
        false => Box::new(BufReader::new(
            File::open(file).map_err(|error| Error::io(file, "read", error))?,
        )),
    })
}
