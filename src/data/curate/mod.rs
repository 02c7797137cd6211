//! Value-related scenarios in large files, found by keywords, as those of the paper's Figure 2.
//!
//! Files are read in blocks, the scenarios of several blocks are searched side by side, and what
//! was found is met with what was kept before in the order of the input: the result is the same for
//! any number of threads and any size of block.

mod blocks;
pub mod keywords;
pub mod lists;
pub mod near;
mod rows;
pub mod words;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use self::blocks::{Block, Blocks};
use self::keywords::Keywords;
use self::lists::KeywordSource;
use self::near::{Seen, Sketch, Sketcher, Standing};
use self::rows::Layout;
pub use self::rows::RecordFormat;
use self::words::{lower, words};
use crate::error::{Error, Result};
use crate::value::Value;

/// A size of blocks that gives each thread enough to do: some two thousand scenarios.
pub const BLOCK: usize = 128 << 10; // bytes

/// A scenario in which keywords were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The line that it begins on, counted from 1.
    pub line: u64,
    /// The text, without a `[VALUE]` tag.
    pub scenario: String,
    /// The indices of its keywords, in the order of the text.
    pub keywords: Vec<usize>,
}

/// The rows of a value in files that say which value each row was found under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// All of them.
    pub rows: u64,
    /// Those that are found under that value, by the closest source of a keyword.
    pub found: [u64; KeywordSource::COUNT],
}

/// What a curation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Scenarios that were read, without blank ones.
    pub scenarios: u64,
    /// Those with a keyword, each once.
    pub found: u64,
    /// Of those found, those dropped for having the words of an earlier one.
    pub same: u64,
    /// Of those found, those dropped for being near an earlier one.
    pub near: u64,
    /// The scenarios kept under each value, by the closest source of a keyword.
    pub kept: [[u64; KeywordSource::COUNT]; Value::COUNT],
    /// What became of the rows that know their value, duplicates among them.
    pub own: [Own; Value::COUNT],
}

impl Summary {
    /// The scenarios kept, each once.
    pub fn kept_scenarios(&self) -> u64 {
        self.found - self.same - self.near
    }
}

/// How a curation goes about it.
#[derive(Debug, Clone)]
pub struct CurationSettings {
    /// How files hold scenarios; what their names tell if there is none.
    pub shape: Option<RecordFormat>,
    /// The column or key with the scenarios; one of the usual names if there is none.
    pub column: Option<String>,
    /// How like an earlier scenario is too like, above 0 and up to 1; nothing is dropped if there
    /// is none.
    pub similarity: Option<f64>,
    /// The size of a block in bytes.
    pub block: usize,
}

/// A curation of one file or several.
pub struct Curation<'a> {
    keywords: &'a Keywords,
    settings: CurationSettings,
    sketcher: Option<Sketcher>,
    seen: Option<Seen>,
    summary: Summary,
}

/// What a block holds.
#[derive(Default)]
struct Searched {
    rows: u64,
    own: [Own; Value::COUNT],
    found: Vec<(Found, Option<Sketch>)>,
}

impl<'a> Curation<'a> {
    /// A curation that has read nothing.
    pub fn new(keywords: &'a Keywords, settings: CurationSettings) -> Self {
        let (sketcher, seen) =
            (settings.similarity.map(Sketcher::new), settings.similarity.map(Seen::new));
        Self { keywords, settings, sketcher, seen, summary: Summary::default() }
    }

    /// What has been done so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Reads a file, and hands what is kept of it to `write`, some at a time and in order, with the
    /// number of scenarios read since the time before.
    ///
    /// # Errors
    /// If reading or writing fails, or a record holds no scenario; what was handed on before stays.
    pub fn file(
        &mut self,
        path: &Path,
        reader: impl Read,
        write: &mut dyn FnMut(&[Found], u64) -> Result<()>,
    ) -> Result<()> {
        let column = self.settings.column.as_deref();
        let shape = self.settings.shape.unwrap_or_else(|| RecordFormat::of(path, column));
        let mut blocks = Blocks::new(path, reader, self.settings.block, shape.delimiter());
        let mut first = match blocks.next() {
            Some(block) => block?,
            None => return Err(Error::data(path, "the file is empty").help("it has no scenarios")),
        };
        let layout = Layout::of(path, shape, column, &mut first)?;
        let mut waiting = vec![first];
        loop {
            let mut failure = None;
            while waiting.len() < 2 * rayon::current_num_threads() && failure.is_none() {
                match blocks.next() {
                    Some(Ok(block)) => waiting.push(block),
                    Some(Err(error)) => failure = Some(error),
                    None => break,
                }
            }
            if waiting.is_empty() {
                return failure.map_or(Ok(()), Err);
            }
            let search = |block: &Block| self.search(path, &layout, block);
            let searched: Vec<Result<Searched>> = waiting.par_iter().map(search).collect();
            waiting.clear();
            for searched in searched {
                let searched = searched?;
                let rows = searched.rows;
                write(&self.keep(searched), rows)?;
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
    }

    fn search(&self, path: &Path, layout: &Layout, block: &Block) -> Result<Searched> {
        let (mut searched, mut known) = (Searched::default(), HashMap::new());
        for row in layout.rows(path, block)? {
            let lower = lower(&row.text);
            let words: Vec<&str> = words(&lower).collect();
            let stems = self.keywords.numbers(&words, &mut known);
            let keywords = self.keywords.find_in(&words, &stems);
            searched.rows += 1;
            if let Some(value) = row.own {
                let of_value = keywords
                    .iter()
                    .map(|index| self.keywords.get(*index))
                    .filter(|one| one.value == value);
                let own = &mut searched.own[value.index()];
                own.rows += 1;
                if let Some(source) = of_value.map(|keyword| keyword.source).min() {
                    own.found[source.index()] += 1;
                }
            }
            if !keywords.is_empty() {
                let sketch = self.sketcher.map(|sketcher| sketcher.sketch(&words, &stems));
                searched
                    .found
                    .push((Found { line: row.line, scenario: row.text, keywords }, sketch));
            }
        }
        Ok(searched)
    }

    /// Counts what was found, and drops what is like something kept.
    fn keep(&mut self, searched: Searched) -> Vec<Found> {
        let summary = &mut self.summary;
        summary.scenarios += searched.rows;
        summary.found += searched.found.len() as u64;
        for (sum, own) in summary.own.iter_mut().zip(searched.own) {
            sum.rows += own.rows;
            sum.found.iter_mut().zip(own.found).for_each(|(sum, count)| *sum += count);
        }
        let mut kept = Vec::with_capacity(searched.found.len());
        for (found, sketch) in searched.found {
            let standing = match (&mut self.seen, sketch) {
                (Some(seen), Some(sketch)) => seen.meet(&sketch),
                _ => Standing::New,
            };
            match standing {
                Standing::Same => summary.same += 1,
                Standing::Near => summary.near += 1,
                Standing::New => {
                    for index in self.keywords.best(&found.keywords) {
                        let keyword = self.keywords.get(index);
                        summary.kept[keyword.value.index()][keyword.source.index()] += 1;
                    }
                    kept.push(found);
                }
            }
        }
        kept
    }
}
