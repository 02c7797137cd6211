//! The keywords of each value, where they come from, and where they stand in a text.
//!
//! The lists are TOML files, one a value, with the arrays `original`, `associated` and `embedding`; `configs/keywords` has
//! those that are built in.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::words::{Stems, lower, words};
use crate::error::{Error, Result};
use crate::seed::name_index;
use crate::value::Value;

/// Where a list has a keyword from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Schwartz's own words for the value.
    Original,
    /// A synonym, or a word for the opposite.
    Associated,
    /// A near word in an embedding space.
    Embedding,
}

impl Source {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// All, the closest to the value first.
    pub const ALL: [Source; Source::COUNT] = [Source::Original, Source::Associated, Source::Embedding];

    /// The name of its array.
    pub fn name(self) -> &'static str {
        match self {
            Source::Original => "original",
            Source::Associated => "associated",
            Source::Embedding => "embedding",
        }
    }

    /// Its place in [`Source::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A word, or several that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyword {
    /// The value that it tells of.
    pub value: Value,
    /// As the list writes it.
    pub text: String,
    /// Where the list has it from.
    pub source: Source,
    /// Its stems, by their numbers.
    stems: Vec<u64>,
}

/// The keywords of all values.
pub struct Keywords {
    all: Vec<Keyword>,
    /// The keywords that begin with a stem: more words come first, and shorter forms of the same.
    beginning: HashMap<u64, Vec<usize>>,
    stems: Stems,
}

/// A file of keywords.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lists {
    original: Vec<String>,
    associated: Vec<String>,
    embedding: Vec<String>,
}

const HELP: &str = "a list has the arrays original, associated and embedding, each of words in quotes";

macro_rules! built_in {
    ($($value:ident $file:literal),* $(,)?) => {
        [$((Value::$value, include_str!(concat!("../../../configs/keywords/", $file)))),*]
    };
}

const BUILT_IN: [(Value, &str); Value::COUNT] = built_in![
    Security "security.toml",
    Power "power.toml",
    Achievement "achievement.toml",
    Hedonism "hedonism.toml",
    Stimulation "stimulation.toml",
    SelfDirection "self-direction.toml",
    Universalism "universalism.toml",
    Benevolence "benevolence.toml",
    Conformity "conformity.toml",
    Tradition "tradition.toml",
];

/// The file of a value's keywords in a folder of such.
fn file_name(value: Value) -> String {
    format!("{}.toml", value.name().to_lowercase())
}

impl Keywords {
    /// The lists that the program brings along.
    ///
    /// # Errors
    /// If one of them is wrong, which a test rules out.
    pub fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN.into_iter().map(|(value, text)| (value, file_name(value), text.to_string())))
    }

    /// The lists in a folder: `security.toml` and so on, all ten.
    ///
    /// # Errors
    /// If one is missing, cannot be read, or is wrong.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |value: Value| {
            let path = folder.join(file_name(value));
            let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::data(&path, "there is no such list of keywords").help(
                    "a folder of keywords has ten files, as configs/keywords; their arrays may be empty",
                ),
                _ => Error::io(&path, "read", error),
            })?;
            Ok((value, path, text))
        };
        Self::parse(Value::ALL.into_iter().map(read).collect::<Result<Vec<_>>>()?)
    }

    fn parse(files: impl IntoIterator<Item = (Value, impl AsRef<Path>, String)>) -> Result<Self> {
        let stems = Stems::default();
        let mut all: Vec<Keyword> = Vec::new();
        for (value, path, text) in files {
            let lists: Lists = toml::from_str(&text).map_err(|error| {
                let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
                let line = before.matches('\n').count() as u64 + 1;
                let what = error.message().lines().next().unwrap_or_default().to_string();
                Error::config_line(&path, line, what).help(HELP)
            })?;
            let arrays = [lists.original, lists.associated, lists.embedding];
            for (source, words) in Source::ALL.into_iter().zip(arrays) {
                for text in words {
                    let stems = numbers(&stems, &lower(&text));
                    if stems.is_empty() {
                        let what = format!("the keyword \"{text}\" has no word in it");
                        return Err(Error::key(
                            format!("{}: {}", path.as_ref().display(), source.name()),
                            what,
                        )
                        .help(HELP));
                    }
                    all.push(Keyword { value, text, source, stems });
                }
            }
        }
        let mut beginning: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, keyword) in all.iter().enumerate() {
            beginning.entry(keyword.stems[0]).or_default().push(index);
        }
        for keywords in beginning.values_mut() {
            keywords.sort_by_key(|index| (Reverse(all[*index].stems.len()), all[*index].text.len()));
        }
        Ok(Self { all, beginning, stems })
    }

    /// A keyword by its index.
    pub fn get(&self, index: usize) -> &Keyword {
        &self.all[index]
    }

    /// All keywords, by value and source in their order.
    pub fn all(&self) -> &[Keyword] {
        &self.all
    }

    /// The numbers of the stems of a [`lower`] text, word by word.
    pub(super) fn numbers(&self, lower: &str) -> Vec<u64> {
        numbers(&self.stems, lower)
    }

    /// The indices of the keywords in a text, each once, in the order in which they stand there.
    pub fn find(&self, text: &str) -> Vec<usize> {
        self.find_in(&self.numbers(&lower(text)))
    }

    pub(super) fn find_in(&self, stems: &[u64]) -> Vec<usize> {
        let mut found = Vec::new();
        for (at, stem) in stems.iter().enumerate() {
            for &index in self.beginning.get(stem).map_or(&[][..], Vec::as_slice) {
                if stems[at..].starts_with(&self.all[index].stems) && !found.contains(&index) {
                    found.push(index);
                }
            }
        }
        found
    }

    /// Of the keywords found in a text, one for each value in the order of [`Value::ALL`]: of the closest source, and of those
    /// the first.
    pub fn best(&self, found: &[usize]) -> Vec<usize> {
        let of = |value: Value| found.iter().copied().filter(move |index| self.all[*index].value == value);
        Value::ALL
            .into_iter()
            .filter_map(|value| of(value).min_by_key(|index| self.all[*index].source))
            .collect()
    }
}

/// Each stem as a number by which stems are compared.
fn numbers(stems: &Stems, lower: &str) -> Vec<u64> {
    words(lower).map(|word| name_index(&stems.of(word))).collect()
}
