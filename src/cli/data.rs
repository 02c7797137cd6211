//! `valuenet data`: what is in a dataset, what is wrong with it, and the versions that are made
//! from it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use valuenet::data::annotations::{by_agreement, read};
use valuenet::data::balance::{Keep, PUBLISHED, balance};
use valuenet::data::labelled::LabelledFile;
use valuenet::data::{
    Part, Sample, Split, augment, check, conversation, labelled_check, stats, write,
};
use valuenet::error::{Error, Kind};
use valuenet::report::dataset::StatsReport;
use valuenet::report::dialogues::DialogueStats;
use valuenet::report::labelled::LabelledReport;
use valuenet::report::paper::Paper;
use valuenet::report::{Format, render};

use super::output::{Console, print};
use super::{TableFormat, aggregate, agreement, convert, curate, split, survey};

#[derive(Subcommand)]
pub enum Command {
    /// Count samples, tokens and labels (the paper's Table 1, Figures 4 and 8-10), or the
    /// utterances of dialogues.
    Stats(StatsArgs),
    /// List bad rows, conflicts and duplicates, and what test shares with train.
    Check(Args),
    /// Find value-related scenarios in large files by keywords (the paper's Figure 2).
    Curate(curate::Args),
    /// Make a survey of scenarios for annotators: a page, a Mechanical Turk batch, Label Studio
    /// tasks (the paper's Figure 3).
    Survey(survey::Args),
    /// Leave out some of a value's train rows: the paper's balanced version.
    Balance(BalanceArgs),
    /// Add scenarios that annotators did not agree on as neutral ones: the paper's augmented
    /// version.
    Augment(AugmentArgs),
    /// Make a dataset of annotations: the answers that enough qualified workers agree on.
    Aggregate(aggregate::Args),
    /// Say how far annotators agree: pairs, Fleiss' kappa, Krippendorff's alpha.
    Agreement(agreement::Args),
    /// Deal out a dataset to train, eval and test, no text in two of them.
    Split(split::Args),
    /// Write a dataset in another shape: CSV, a file for each value, JSON Lines, Parquet.
    Convert(convert::Args),
}

#[derive(clap::Args)]
pub struct StatsArgs {
    /// A folder with train.csv, eval.csv and test.csv, or with a file for each value; or one file,
    /// which may hold dialogues: JSON lines, ConvAI2's text format, transfer-learning-conv-ai's
    /// JSON, or EMPATHETICDIALOGUES' CSV; or labelled texts, as a folder of that CSV's splits. A
    /// file may be compressed with gzip or Zstandard.
    dir: PathBuf,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

#[derive(clap::Args)]
pub struct Args {
    /// A folder with train.csv, eval.csv and test.csv, of ValueNet or of labelled texts, or with a
    /// file for each value; or one file.
    dir: PathBuf,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

#[derive(clap::Args)]
pub struct BalanceArgs {
    /// A folder with train.csv, eval.csv and test.csv.
    dir: PathBuf,

    /// The new folder.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// How many train rows of a value and a label are kept; those not named are kept whole.
    /// [default: what the published version keeps, BENEVOLENCE:-1=821 BENEVOLENCE:0=863]
    #[arg(long, value_name = "VALUE:LABEL=COUNT")]
    keep: Vec<Keep>,

    /// Decides which rows are drawn.
    #[arg(long, default_value = "1")]
    seed: u64,
}

#[derive(clap::Args)]
pub struct AugmentArgs {
    /// A folder with train.csv, eval.csv and test.csv.
    dir: PathBuf,

    /// A file of answers as `data aggregate` reads it; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    annotations: Vec<PathBuf>,

    /// A file with the scenario of each item, in the columns item and scenario.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,

    /// The new folder.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// How many workers must give the same answer; scenarios with fewer are added as neutral.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u16).range(1..))]
    agree: u16,
}

pub fn run(command: &Command, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Command::Stats(args) => {
            match conversation::read_if_likely(&args.dir)? {
                Some(found) => {
                    let stats = conversation::stats::stats(&found);
                    print(&render(&DialogueStats(&stats), args.format.into())?)?;
                }
                None => match labelled_check::read_if_likely(&args.dir)? {
                    Some(splits) => drop(write_labelled(&splits, args.format.into())?),
                    None => write_stats(&args.dir, args.format.into(), console)?,
                },
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => {
            if let Some(splits) = labelled_check::read_if_likely(&args.dir)? {
                return Ok(match write_labelled(&splits, args.format.into())? {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::from(Kind::Data.exit_code()),
                });
            }
            let findings = check::check(&Part::read_all(&args.dir)?);
            print(&render(&findings, args.format.into())?)?;
            Ok(match findings.bad.is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(Kind::Data.exit_code()),
            })
        }
        Command::Curate(args) => curate::run(args, console),
        Command::Survey(args) => survey::run(args, console),
        Command::Balance(args) => {
            let train = Split::Train.read(&args.dir)?.rows;
            let keeps = if args.keep.is_empty() { &PUBLISHED[..] } else { &args.keep };
            let kept = balance(&train, keeps, args.seed)?;
            console.note(&format!("{} of {} train rows are kept", kept.len(), train.len()));
            make(&args.dir, &args.output, kept.iter().map(|row| &row.sample), console)
        }
        Command::Augment(args) => augment(args, console),
        Command::Aggregate(args) => aggregate::run(args, console),
        Command::Agreement(args) => agreement::run(args),
        Command::Split(args) => split::run(args),
        Command::Convert(args) => convert::run(args, console),
    }
}

fn augment(args: &AugmentArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let answers = read(&args.annotations, args.items.as_deref())?.annotations;
    let (agreed, disputed) = by_agreement(&answers, args.agree.into());
    let (agreed, disputed_count) = (agreed.len(), disputed.len());
    let parts = Part::read_all(&args.dir)?;
    let added = augment::neutral(disputed, parts.iter().flat_map(Part::samples));
    console.note(&format!(
        "{} answers on {} scenarios: {disputed_count} without {} like answers, {} of them new",
        answers.len(),
        agreed + disputed_count,
        args.agree,
        added.len()
    ));
    let train = Split::Train.read(&args.dir)?.rows;
    make(&args.dir, &args.output, train.iter().map(|row| &row.sample).chain(&added), console)
}

/// Writes the new folder, and says what is in it.
fn make<'a>(
    from: &Path,
    to: &Path,
    train: impl Iterator<Item = &'a Sample>,
    console: &Console,
) -> anyhow::Result<ExitCode> {
    write::with_train_split(to, from, train)?;
    write_stats(to, Format::Table, console)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what is in files of labelled texts; false if a split has labels that none could learn.
fn write_labelled(splits: &[(String, LabelledFile)], format: Format) -> anyhow::Result<bool> {
    let labels = labelled_check::count(splits);
    let dialogues = labelled_check::dialogues(splits)?;
    print(&render(&LabelledReport { labels: &labels, dialogues: &dialogues }, format)?)?;
    Ok(labels.iter().all(|part| part.unknown.is_empty()))
}

fn write_stats(folder: &Path, format: Format, console: &Console) -> anyhow::Result<()> {
    let parts = Part::read_all(folder)?;
    let tables = parts.iter().flat_map(|part| &part.tables);
    for table in tables.filter(|table| !table.bad.is_empty()) {
        let (bad, all) = (table.bad.len(), table.bad.len() + table.rows.len());
        let path = table.path.display();
        console.note(&format!(
            "warning: {path}: {bad} of {all} rows are wrong and not counted; `valuenet data check` lists them"
        ));
    }
    let stats = stats::stats(&parts);
    let paper = Paper::built_in().map_err(Error::failure)?;
    print(&render(&StatsReport { stats: &stats, paper: &paper }, format)?)
}
