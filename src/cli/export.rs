//! `valuenet export`: a model as a folder to hand on.

use std::path::PathBuf;
use std::process::ExitCode;

use valuenet::recipe::export;

use super::model::CheckpointName;
use super::output::Console;

#[derive(clap::Args)]
pub struct Args {
    /// A run directory, or the folder of a trained model.
    run: PathBuf,

    /// A new folder.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Which of a run's checkpoints.
    #[arg(long, value_enum, default_value = "best")]
    checkpoint: CheckpointName,

    /// A value model of BERT's family as ONNX too: model.onnx takes `input_ids` and `attention_mask`, and gives `logits`
    /// and `utilities`.
    #[arg(long)]
    onnx: bool,
}

pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    export(&args.run, args.checkpoint.into(), &args.output, args.onnx)?;
    console.note(&format!("{} has the model", args.output.display()));
    Ok(ExitCode::SUCCESS)
}
