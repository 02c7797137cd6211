//! Vectors in files of so many rows each, so that what is done stays done.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use valuenet::disk::{NewFile, clear_leavings, is_leaving, read_json, write_file, write_json};
use valuenet::error::{Error, Result};

use super::format::Shape;
use super::scorer::Scorer;

/// How many rows a part has unless it is said.
const ROWS: u64 = 100_000;

/// What a job was asked to do; every process that works at it must be asked the same.
const ASKED: &str = "_job.json";

/// A file that is there when all parts are.
const DONE: &str = "_SUCCESS";

/// Whether and how the output is written in parts.
#[derive(clap::Args)]
pub struct PartArgs {
    /// Write files of this many rows each into the folder --output; each appears when it is whole, and
    /// the file _SUCCESS when all are there [default, if --output ends in a slash: 100000].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..), requires = "output")]
    part_rows: Option<u64>,

    /// Go on with a job in parts that was begun: what is there is not done again.
    #[arg(long, requires = "output")]
    resume: bool,

    /// Do only the I-th of every N parts; other processes, with the same --output, do the others.
    #[arg(long, value_name = "I/N", value_parser = shard, requires = "output")]
    shard: Option<Shard>,
}

#[derive(Clone, Copy)]
struct Shard {
    /// From 0.
    index: u64,
    of: u64,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').map(|(index, of)| (index.parse::<u64>(), of.parse::<u64>()));
    match parts {
        Some((Ok(index), Ok(of))) if (1..=of).contains(&index) => {
            Ok(Shard { index: index - 1, of })
        }
        _ => Err("a shard is written as 1/8, the first of eight, to 8/8, the last".into()),
    }
}

impl PartArgs {
    /// Whether parts are asked for.
    pub fn are_wanted(&self, output: Option<&Path>) -> bool {
        let ends_in_slash = output.is_some_and(|path| path.to_string_lossy().ends_with('/'));
        ends_in_slash || self.part_rows.is_some() || self.resume || self.shard.is_some()
    }
}

/// A job: vectors in parts.
pub struct Job {
    folder: PathBuf,
    extension: &'static str,
    rows: usize,
    shard: Option<Shard>,
}

impl Job {
    /// Begins a job in a folder, or goes on with it.
    ///
    /// # Errors
    /// If another job is there, or this one and nobody asked to go on with it.
    pub fn open(
        args: &PartArgs,
        folder: &Path,
        extension: &'static str,
        mut asked: Json,
    ) -> Result<Self> {
        let rows = args.part_rows.unwrap_or(ROWS);
        asked["part_rows"] = rows.into();
        asked["shards"] = args.shard.map_or(1, |shard| shard.of).into();
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
        let place = folder.join(ASKED);
        // Each shard may be the first.
        match place.exists() {
            true if !args.resume && args.shard.is_none() => {
                return Err(Error::usage(format!("{} holds a job already", folder.display()))
                    .help("--resume goes on with it; or name another folder"));
            }
            true => same(&place, &read_json(&place)?, &asked)?,
            false => {
                let entries =
                    std::fs::read_dir(folder).map_err(|error| Error::io(folder, "read", error))?;
                // One that was killed as it began counts for nothing.
                let mut others = entries.flatten().filter(|entry| !is_leaving(&entry.path()));
                if others.next().is_some() && args.shard.is_none() {
                    let what = format!("{} is not empty, and holds no job", folder.display());
                    return Err(Error::usage(what).help("name a new folder"));
                }
                write_json(&place, &asked)?;
            }
        }
        if args.shard.is_none() {
            clear_leavings(folder)?;
        }
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        Ok(Self { folder: folder.into(), extension, rows, shard: args.shard })
    }

    fn place(&self, number: u64) -> PathBuf {
        self.folder.join(format!("part-{number:05}.{}", self.extension))
    }

    /// Writes what is missing; whether all parts are there now.
    ///
    /// # Errors
    /// If reading, scoring or writing fails; the parts that are whole stay.
    pub fn run(&self, scorer: &mut Scorer, shape: &Shape) -> Result<bool> {
        let mut number = 0;
        loop {
            let place = self.place(number);
            let is_ours = self.shard.is_none_or(|shard| number % shard.of == shard.index);
            let rows = match is_ours && !place.exists() {
                true => self.write(&place, scorer, number == 0, shape)?,
                false => scorer.skip(self.rows)?,
            };
            if rows < self.rows {
                number += u64::from(rows > 0 || number == 0);
                break;
            }
            number += 1;
        }
        let is_whole = (0..number).all(|number| self.place(number).exists());
        if is_whole {
            clear_leavings(&self.folder)?;
            write_file(&self.folder.join(DONE), b"")?;
        }
        Ok(is_whole)
    }

    /// Writes a part; how many rows it has. There is none without rows but the first.
    fn write(
        &self,
        place: &Path,
        scorer: &mut Scorer,
        is_first: bool,
        shape: &Shape,
    ) -> Result<usize> {
        let mut next = scorer.next(self.rows)?;
        if next.is_none() && !is_first {
            return Ok(0);
        }
        let mut file = NewFile::create(place)?;
        let mut writer = shape.begin(&mut file)?;
        let mut rows = 0;
        while let Some((batch, scored)) = next {
            rows += scored.len();
            writer.write(&scored, &batch)?;
            next = if rows < self.rows { scorer.next(self.rows - rows)? } else { None };
        }
        writer.finish()?;
        file.keep()?;
        Ok(rows)
    }
}

/// Refuses to go on with a job that was asked for something else.
fn same(place: &Path, was: &Json, asked: &Json) -> Result<()> {
    let differs =
        |(key, value): (&String, &Json)| (was.get(key) != Some(value)).then(|| key.clone());
    let differing: Vec<String> =
        asked.as_object().into_iter().flatten().filter_map(differs).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let what =
        format!("{}: another job was begun here: {} differ", place.display(), differing.join(", "));
    Err(Error::usage(what).help("name another folder, or ask for the same"))
}

/// What a job is asked, as far as its rows depend on it.
pub fn asked(input: &Path, more: Json) -> Json {
    let bytes = std::fs::metadata(input).ok().filter(|it| it.is_file()).map(|it| it.len());
    let name = input.file_name().map(|name| name.to_string_lossy());
    let mut asked = json!({"valuenet": env!("CARGO_PKG_VERSION"), "input": name, "bytes": bytes});
    if let (Some(asked), Json::Object(more)) = (asked.as_object_mut(), more) {
        asked.extend(more);
    }
    asked
}
