//! Which lists of keywords there are, and what stands in them: TOML files, one a value, with the
//! arrays `original`, `associated` and `embedding`. Built in are the paper's, its Figure 2 as
//! printed (`configs/keywords`), and larger ones of ours (`configs/keywords-extended`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::words::{lower, words};
use crate::error::{Error, Result};
use crate::value::Value;

/// Which lists are searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// The paper's Figure 2.
    #[default]
    Paper,
    /// Ours, which are larger.
    Extended,
    /// Both; a keyword of both is the paper's.
    PaperAndExtended,
    /// Those in a folder: `security.toml` and so on, all ten.
    Folder(PathBuf),
}

impl From<&OsStr> for Choice {
    /// The names of the lists that are built in win; anything else is a folder, and so is
    /// `./paper`.
    fn from(text: &OsStr) -> Self {
        match text.to_str() {
            Some("paper") => Choice::Paper,
            Some("extended") => Choice::Extended,
            Some("paper+extended") => Choice::PaperAndExtended,
            _ => Choice::Folder(text.into()),
        }
    }
}

/// The list that a keyword stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The paper's.
    Paper,
    /// Ours.
    Extended,
    /// A folder's.
    Folder,
}

impl List {
    /// What rows call it.
    pub fn name(self) -> &'static str {
        match self {
            List::Paper => "paper",
            List::Extended => "extended",
            List::Folder => "folder",
        }
    }
}

/// Where a list has a keyword from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeywordSource {
    /// Schwartz's own words for the value.
    Original,
    /// Words that go with those: found with datamuse in the paper, synonyms and opposites in ours.
    Associated,
    /// Near words in an embedding space: GloVe's in the paper, all-MiniLM-L6-v2's in ours.
    Embedding,
}

impl KeywordSource {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// All, the closest to the value first.
    pub const ALL: [KeywordSource; KeywordSource::COUNT] =
        [KeywordSource::Original, KeywordSource::Associated, KeywordSource::Embedding];

    /// The name of its array.
    pub fn name(self) -> &'static str {
        match self {
            KeywordSource::Original => "original",
            KeywordSource::Associated => "associated",
            KeywordSource::Embedding => "embedding",
        }
    }

    /// Its place in [`KeywordSource::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A keyword as a list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The value that it tells of.
    pub value: Value,
    /// The list.
    pub list: List,
    /// Where the list has it from.
    pub source: KeywordSource,
    /// A word, or several that stand together.
    pub text: String,
}

/// The arrays of a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Arrays {
    original: Vec<String>,
    associated: Vec<String>,
    embedding: Vec<String>,
}

const HELP: &str =
    "a list has the arrays original, associated and embedding, each of words in quotes";

macro_rules! built_in {
    ($folder:literal) => {
        built_in![$folder:
            Security "security.toml",
            Power "power.toml",
            Achievement "achievement.toml",
            Hedonism "hedonism.toml",
            Stimulation "stimulation.toml",
            SelfDirection "self-direction.toml",
            Universalism "universalism.toml",
            Benevolence "benevolence.toml",
            Conformity "conformity.toml",
            Tradition "tradition.toml"
        ]
    };
    ($folder:literal: $($value:ident $file:literal),*) => {
        [$((Value::$value, include_str!(concat!("../../../configs/", $folder, "/", $file)))),*]
    };
}

const PAPER: [(Value, &str); Value::COUNT] = built_in!["keywords"];
const EXTENDED: [(Value, &str); Value::COUNT] = built_in!["keywords-extended"];

/// A file of keywords as it was read.
struct File {
    value: Value,
    path: PathBuf,
    text: String,
    list: List,
}

/// The file of a value's keywords in a folder of such.
fn file_name(value: Value) -> String {
    format!("{}.toml", value.name().to_lowercase())
}

/// All keywords of the lists that were chosen, by list, value and source in their order; what is
/// printed twice is here twice.
///
/// # Errors
/// If a file of a folder is missing, cannot be read, or is wrong.
pub fn listed(choice: &Choice) -> Result<Vec<Listed>> {
    let built_in = |lists: [(Value, &str); Value::COUNT], list: List| {
        let file = move |(value, text): (Value, &str)| File {
            value,
            path: file_name(value).into(),
            text: text.into(),
            list,
        };
        lists.map(file).into_iter()
    };
    let files: Vec<File> = match choice {
        Choice::Paper => built_in(PAPER, List::Paper).collect(),
        Choice::Extended => built_in(EXTENDED, List::Extended).collect(),
        Choice::PaperAndExtended => {
            built_in(PAPER, List::Paper).chain(built_in(EXTENDED, List::Extended)).collect()
        }
        Choice::Folder(folder) => {
            Value::ALL.into_iter().map(|value| read(folder, value)).collect::<Result<_>>()?
        }
    };
    let mut all = Vec::new();
    for file in &files {
        all.extend(parse(file)?);
    }
    Ok(all)
}

fn parse(file: &File) -> Result<Vec<Listed>> {
    let File { value, path, text, list } = file;
    let arrays: Arrays = toml::from_str(text).map_err(|error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        let line = before.matches('\n').count() as u64 + 1;
        let what = error.message().lines().next().unwrap_or_default().to_string();
        Error::config_line(path, line, what).help(HELP)
    })?;
    let mut all = Vec::new();
    for (source, texts) in
        KeywordSource::ALL.into_iter().zip([arrays.original, arrays.associated, arrays.embedding])
    {
        for text in texts {
            if words(&lower(&text)).next().is_none() {
                let key = format!("{}: {}", path.display(), source.name());
                return Err(
                    Error::key(key, format!("the keyword \"{text}\" has no word in it")).help(HELP)
                );
            }
            all.push(Listed { value: *value, list: *list, source, text });
        }
    }
    Ok(all)
}

/// The file of a value's keywords in a folder.
fn read(folder: &Path, value: Value) -> Result<File> {
    let path = folder.join(file_name(value));
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::data(&path, "there is no such list of keywords").help(
            "built in are paper, extended and paper+extended; a folder has ten files, as configs/keywords, and their \
             arrays may be empty",
        ),
        _ => Error::io(&path, "read", error),
    })?;
    Ok(File { value, path, text, list: List::Folder })
}
