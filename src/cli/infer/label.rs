//! `valuenet infer` with a classifier of texts: texts in, labels out.

use std::io::Write;
use std::process::ExitCode;

use valuenet::data::Keep;
use valuenet::error::Error;
use valuenet::nn::device;
use valuenet::recipe::EmotionPredictor;
use valuenet::report::labels::LabelWriter;

use super::{Args, OnError, chunk};
use crate::cli::model::ModelArgs;
use crate::cli::output::{Console, Output};
use crate::cli::progress::Scoring;
use crate::cli::texts::read_texts;

/// Labels texts.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let refused = [
        (args.probabilities, "--probabilities is for value models; a classifier always names them"),
        (args.keep() != Keep::Nothing, "--keep is for value vectors"),
        (args.on_error == OnError::Null, "--on-error null is for value vectors"),
        (args.parts.are_wanted(args.output.as_deref()), "files of parts are for value vectors"),
        (args.segments.is_some(), "--segments is for value vectors"),
        (args.radar.is_some(), "--radar draws value vectors"),
    ];
    if let Some((_, what)) = refused.iter().find(|(is_asked, _)| *is_asked) {
        let what = format!("{what}, and this run is a classifier of texts");
        return Err(Error::usage(what).into());
    }
    let output = Output::open(args.output.as_deref())?;
    let texts = read_texts(&args.texts)?;
    let ModelArgs { run, checkpoint, device, dtype } = &args.model;
    let device = device::open(device)?.device;
    let model = EmotionPredictor::open(run, (*checkpoint).into(), &device, (*dtype).into())?;
    let chunk = chunk(args, console);
    let mut progress = Scoring::new(console);
    output.write_rows(|out: &mut (dyn Write + Send)| {
        let most = args.top_k.unwrap_or(5) as usize;
        let mut writer = LabelWriter::new(args.format().into(), out, model.labels(), most)?;
        model.stream(texts, chunk, &mut |rows| {
            progress.advance(rows.len());
            writer.write(rows)
        })?;
        writer.finish()?;
        Ok(())
    })?;
    progress.finish();
    Ok(ExitCode::SUCCESS)
}
