//! The figures of Tables 5 and 6, and how far rows differ in the first of them.

use std::path::{Path, PathBuf};

use super::rows::Tables;
use super::run::no_test_split;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::eval::Bootstrap;
use crate::eval::compare::Difference;
use crate::recipe::{dialogue, emotion};
use crate::run::SavedRun;

/// What a judged run has of the table's columns.
pub(super) fn figures(tables: Tables, run: &Path) -> Result<Vec<f64>> {
    let saved = SavedRun::open(run)?;
    if tables == Tables::Emotions {
        let found = emotion::read_report(&saved, Split::Test.name())?.evaluation;
        let all = [found.accuracy, found.macro_f1, found.top_3, found.top_5, found.loss];
        return Ok(all.iter().map(|figure| figure.value).collect());
    }
    let report = dialogue::saved_report(&saved, Split::Test)?.ok_or_else(no_test_split)?;
    let found = report.sets.first().and_then(|set| set.perplexity);
    let found = found.ok_or_else(|| Error::file(run, "the run was not judged by perplexity"))?;
    let all = [found.per_token, found.per_word, found.bits_per_byte];
    Ok(all.iter().map(|figure| figure.value).collect())
}

/// By how much the first figure of the second runs differs from that of the first ones, which are
/// under the same seeds.
pub(super) fn difference(tables: Tables, a: &[PathBuf], b: &[PathBuf]) -> Result<Difference> {
    let bootstrap = Bootstrap { replicates: 2000, seed: 1 };
    if tables == Tables::Emotions {
        return Ok(emotion::compare_seeds(a, b, Split::Test, bootstrap)?.accuracy);
    }
    let found = dialogue::compare_seeds(a, b, Split::Test, bootstrap)?.perplexity;
    found.ok_or_else(|| Error::failure("the runs were not judged by perplexity"))
}
