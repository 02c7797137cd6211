//! `valuenet data agreement`: how far annotators agree.

use std::collections::HashMap;
use std::process::ExitCode;

use valuenet::data::annotations::{Item, by_item};
use valuenet::error::Error;
use valuenet::eval::Bootstrap;
use valuenet::eval::annotators::{Agreement, Rated};
use valuenet::report::annotations::AgreementReport;
use valuenet::report::render;

use super::annotations::AnnotationArgs;
use super::output::print;
use super::{MOST_REPLICATES, TableFormat};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: AnnotationArgs,

    /// How many bootstrap replicates the 95% intervals are made of; 0 for none.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(..=MOST_REPLICATES))]
    bootstrap: u32,

    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let answers = args.source.read()?;
    let items = by_item(args.source.screen(&answers.annotations)?.kept).items;
    let (rated, workers) = rated(&items);
    if rated.iter().all(|item| item.answers.len() < 2) {
        let what = "no item has answers of two workers";
        return Err(Error::data(args.source.name(), what)
            .help("agreement is between workers who answered the same item; \"not sure\" is no answer")
            .into());
    }
    let bootstrap = Bootstrap { replicates: args.bootstrap, seed: 1 };
    let found = Agreement::of(&rated, bootstrap);
    let report = AgreementReport { found: &found, workers: &workers, bootstrap };
    print(&render(&report, args.format.into())?)?;
    Ok(ExitCode::SUCCESS)
}

/// The items with workers and scenarios as numbers, and the workers' names.
fn rated<'a>(items: &[Item<'a>]) -> (Vec<Rated>, Vec<&'a str>) {
    let (mut workers, mut texts) = (Numbers::default(), Numbers::default());
    let rated = items.iter().map(|item| Rated {
        value: item.value,
        text: texts.of(item.scenario),
        answers: item
            .answers
            .iter()
            .filter_map(|(worker, answer)| Some((*worker, (*answer)?)))
            .map(|(worker, label)| (workers.of(worker), label))
            .collect(),
    });
    (rated.collect(), workers.names)
}

/// Names and their numbers, in the order in which they first occur.
#[derive(Default)]
struct Numbers<'a> {
    of: HashMap<&'a str, usize>,
    names: Vec<&'a str>,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, name: &'a str) -> usize {
        *self.of.entry(name).or_insert_with(|| {
            self.names.push(name);
            self.names.len() - 1
        })
    }
}
