//! Where texts come from: for every verb that reads some.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use valuenet::data::texts;
use valuenet::error::{Error, Result};

/// Where texts come from.
#[derive(clap::Args)]
pub struct TextArgs {
    /// A file with one text a line; `-` for stdin.
    #[arg(default_value = "-")]
    pub file: PathBuf,

    /// The file is CSV with a header, and the texts are in this column.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
}

type TextIterator<'a> = Box<dyn Iterator<Item = Result<String>> + 'a>;

/// The texts, one by one.
pub fn read_texts(from: &TextArgs) -> Result<TextIterator<'_>> {
    let file = &from.file;
    let reader = open(file)?;
    Ok(match &from.column {
        Some(name) => Box::new(texts::column(file, reader, name)?),
        None => Box::new(texts::lines(file, reader)),
    })
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
