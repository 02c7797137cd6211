//! Which files make a model. The hub's callers say so, for the hub knows no models.

use std::collections::BTreeSet;
use std::path::Path;

/// The files of a model, by their names.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The kinds of files that a model needs, each by what can stand for it, the best first: a
    /// file, or several that belong together.
    pub needed: &'static [&'static [&'static [&'static str]]],
    /// Files that are taken along where they are.
    pub welcome: &'static [&'static str],
    /// The needed files that name others beside them, which are needed too.
    pub indexes: &'static [&'static str],
    /// The files that an index of this name and with this text names, or what is wrong with it.
    pub parts: fn(&str, &[u8]) -> Result<BTreeSet<String>, String>,
}

impl Layout {
    /// The needed files, the best of those that are there, or what is lacking, in words.
    pub(super) fn choose(
        &self,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<Vec<&'static str>, String> {
        let best_of = |choices: &&'static [&'static [&'static str]]| {
            let best = choices.iter().find(|files| files.iter().all(|name| is_there(name)));
            best.copied().ok_or_else(|| {
                choices.iter().map(|files| files.join(" with ")).collect::<Vec<_>>().join(" or ")
            })
        };
        Ok(self.needed.iter().map(best_of).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The index among these files, if there is one.
    pub(super) fn index_among(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.indexes.contains(name))
    }

    /// The files that an index in a folder names, if it can be read.
    pub(super) fn parts_in(&self, folder: &Path, index: &str) -> Option<BTreeSet<String>> {
        let text = std::fs::read(folder.join(index)).ok()?;
        (self.parts)(index, &text).ok()
    }
}
