//! Which annotations are meant: for the verbs that read some.

use std::path::{Path, PathBuf};

use valuenet::data::aggregate::{ScreenedAnnotations, screen};
use valuenet::data::annotations::{self, Annotation, Answers, Qualification};
use valuenet::error::Error;

/// Which annotations are meant.
#[derive(clap::Args)]
pub struct AnnotationArgs {
    /// Files of answers: CSV or JSON Lines with the columns worker, value, answer (yes, no,
    /// unrelated, not sure), and scenario, item or both; results of a Mechanical Turk batch;
    /// JSON exports of Label Studio.
    #[arg(required = true)]
    annotations: Vec<PathBuf>,

    /// A file with the scenario of each item, in the columns item and scenario.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,

    /// The right answers to hidden qualification items, in the columns item (or scenario), value
    /// and answer; workers who fail are left out, and so are these items.
    #[arg(long, value_name = "FILE")]
    qualification: Option<PathBuf>,

    /// The share of qualification items that a worker must have right; "not sure" is wrong. The
    /// paper states none.
    #[arg(long, value_name = "SHARE", default_value = "0.7", value_parser = share, requires = "qualification")]
    pass: f64,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is between 0 and 1".into()) }
}

impl AnnotationArgs {
    pub fn read(&self) -> anyhow::Result<Answers> {
        let read = annotations::read(&self.annotations, self.items.as_deref())?;
        match read.annotations.is_empty() {
            true => Err(Error::data(self.name(), "there are no answers in it").into()),
            false => Ok(read),
        }
    }

    /// What errors call the files.
    pub fn name(&self) -> PathBuf {
        match self.annotations.as_slice() {
            [first, rest @ ..] if !rest.is_empty() => {
                Path::new(&format!("{} and {} more", first.display(), rest.len())).into()
            }
            files => files.iter().collect(),
        }
    }

    pub fn screen<'a>(
        &self,
        annotations: &'a [Annotation],
    ) -> anyhow::Result<ScreenedAnnotations<'a>> {
        let qualification = match &self.qualification {
            Some(path) => Qualification::read(path)?,
            None => Qualification::default(),
        };
        Ok(screen(annotations, &qualification, self.pass)?)
    }
}
