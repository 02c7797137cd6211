//! `valuenet data survey`: scenarios to what annotators answer.

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::data::survey::{Gold, Scenarios, SurveyTexts, survey};
use valuenet::data::write::new_folder;
use valuenet::report;

use super::output::{Console, print};

#[derive(clap::Args)]
pub struct Args {
    /// A file of scenarios and values, as `data curate` writes it, or a ValueNet file.
    scenarios: PathBuf,

    /// The new folder.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Items whose right answers are known, in the columns scenario, value and answer (yes, no,
    /// unrelated); two are hidden in each assignment. Scenarios that are among them are asked
    /// as hidden items only.
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,

    /// How many workers are to answer each assignment.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,

    /// What workers read of each value before they answer. [default: configs/survey/texts.toml,
    /// which is built in]
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,

    /// Decides which scenarios share an assignment, which hidden items join them, and the order.
    #[arg(long, default_value = "1")]
    seed: u64,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let texts = match &args.texts {
        Some(path) => SurveyTexts::read(path)?,
        None => SurveyTexts::built_in()?,
    };
    let (scenarios, gold) = (Scenarios::read(&args.scenarios)?, Gold::read(&args.gold)?);
    let made = survey(&scenarios, &gold, texts, args.workers, args.seed)?;
    new_folder(&args.output, &report::survey::files(&made)?)?;
    print(&report::survey::summary(&made))?;
    for (count, what) in [
        (made.repeated, "rows repeat a scenario of their value; it is asked once"),
        (made.qualifying, "scenarios are qualification items, and asked as hidden items only"),
    ] {
        if count > 0 {
            console.note(&format!("{count} {what}"));
        }
    }
    let folder = args.output.display();
    console.note(&format!(
        "give out {folder}/survey.html, or {folder}/mturk.html with mturk.csv, or the two label-studio files; keep {folder}/gold.csv \
         to yourself; then:"
    ));
    for command in report::survey::commands(&args.output, "ANSWERS") {
        console.note(&format!("  {command}"));
    }
    Ok(ExitCode::SUCCESS)
}
