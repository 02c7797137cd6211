//! The files of dialogues that a run reads.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::emotions::Emotions;
use crate::config::Config;
use crate::data::conversation::{self, Conversation, candidates};
use crate::error::{Error, Result};
use crate::run::DataFile;
use crate::seed::{Purpose, Stream};

/// The dialogues of a file.
#[derive(Debug, Clone)]
pub(in crate::recipe) struct DialogueFile {
    /// The file.
    pub(super) path: PathBuf,
    /// Its dialogues.
    pub(super) dialogues: Vec<Conversation>,
}

impl DialogueFile {
    /// Reads the first so many dialogues of a file, or all.
    pub(super) fn read(path: &Path, limit: Option<usize>) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
        let mut dialogues = conversation::read(path, file)?;
        dialogues.truncate(limit.unwrap_or(usize::MAX));
        Ok(Self { path: path.into(), dialogues })
    }

    /// What a run remembers of it.
    fn source(&self, role: &str) -> Result<DataFile> {
        DataFile::of(role, &self.path, self.dialogues.len())
    }

    /// Whether every reply has others to be told from.
    ///
    /// # Errors
    /// If one has none.
    pub(super) fn check_candidates(&self) -> Result<()> {
        let lacks = |dialogue: &&Conversation| {
            dialogue.examples().any(|example| example.reply().candidates.is_empty())
        };
        let Some(found) = self.dialogues.iter().find(lacks) else { return Ok(()) };
        let path = self.path.display();
        let what = "a reply of this dialogue has no candidates, which Hits@1 is counted by";
        Err(found.place.error(&self.path, what).help(format!(
            "`valuenet dialogue candidates {path} -o FILE.jsonl` draws some; \
             `--measure perplexity,f1` does without"
        )))
    }
}

/// What a dialogue model learns from and is judged by.
#[derive(Debug)]
pub(super) struct DialogueFiles {
    pub(super) train: Vec<DialogueFile>,
    pub(super) eval: Vec<DialogueFile>,
    /// The files of the test split, each with its name.
    pub(super) test: Vec<(String, DialogueFile)>,
    /// Where all came from.
    pub(super) sources: Vec<DataFile>,
}

/// What the name of a test file's role begins with.
pub(super) const TEST_ROLE: &str = "test.";

impl DialogueFiles {
    /// Reads the files that a configuration names, of each so many dialogues if not all.
    pub(super) fn read(config: &Config, limit: Option<usize>) -> Result<Self> {
        let data = &config.data;
        let emotions = Emotions::of(&config.dialogue)?;
        let read = |path: &PathBuf| {
            let mut file = DialogueFile::read(&data.dir.join(path), limit)?;
            emotions.tell(&mut file)?;
            Ok(file)
        };
        let train: Vec<DialogueFile> = data.train.iter().map(read).collect::<Result<_>>()?;
        let eval: Vec<DialogueFile> = data.eval.iter().map(read).collect::<Result<_>>()?;
        let test = data.test.iter().map(|(name, path)| Ok((name.clone(), read(path)?)));
        let test: Vec<(String, DialogueFile)> = test.collect::<Result<_>>()?;
        if train.is_empty() {
            return Err(Error::key(
                "data.train",
                "the files of dialogues to learn from are missing",
            )
            .help("for example train = [\"train.jsonl\"], in the folder that data.dir names"));
        }
        let mut sources = Vec::new();
        for (role, files) in [("train", &train), ("eval", &eval)] {
            sources.extend(files.iter().map(|it| it.source(role)).collect::<Result<Vec<_>>>()?);
        }
        let of_test = test.iter().map(|(name, it)| it.source(&format!("{TEST_ROLE}{name}")));
        sources.extend(of_test.collect::<Result<Vec<_>>>()?);
        sources.extend(emotions.source);
        let (train, eval) = parted(train, eval, data.eval_dialogues)?;
        Ok(Self { train, eval, test, sources })
    }
}

/// The dialogues to learn from, and those kept apart to compare checkpoints by: those of the `eval`
/// files, or so many of the `train` files, which do not depend on the training's seed.
pub(super) fn parted(
    mut train: Vec<DialogueFile>,
    eval: Vec<DialogueFile>,
    count: usize,
) -> Result<(Vec<DialogueFile>, Vec<DialogueFile>)> {
    if !eval.is_empty() {
        return Ok((train, eval));
    }
    let all: usize = train.iter().map(|file| file.dialogues.len()).sum();
    if count == 0 || count >= all {
        let what =
            format!("{count} of {all} dialogues cannot be kept apart to compare checkpoints by");
        return Err(Error::key("data.eval_dialogues", what)
            .help("name files in data.eval, or keep fewer dialogues apart than there are"));
    }
    let mut order: Vec<usize> = (0..all).collect();
    Stream::new(1, Purpose::Partition, 1).shuffle(&mut order);
    let mut is_kept = vec![false; all];
    order.iter().take(count).for_each(|&number| is_kept[number] = true);
    let mut is_kept = is_kept.into_iter();
    let mut eval = Vec::new();
    for file in &mut train {
        let parts = file.dialogues.drain(..).partition(|_| is_kept.next().unwrap_or(false));
        let (kept, left): (Vec<Conversation>, Vec<Conversation>) = parts;
        file.dialogues = left;
        eval.push(DialogueFile { path: file.path.clone(), dialogues: kept });
    }
    Ok((train, eval))
}

/// One file of several, whose replies that have no candidates get some, always the same.
pub(super) fn with_candidates(files: Vec<DialogueFile>) -> Result<DialogueFile> {
    let path = files.first().map(|file| file.path.clone()).unwrap_or_default();
    let mut dialogues: Vec<Conversation> =
        files.into_iter().flat_map(|file| file.dialogues).collect();
    candidates::draw(&mut dialogues, candidates::OTHERS, 1)?;
    Ok(DialogueFile { path, dialogues })
}
