//! Training a language model to reply: the likelihood of the replies that were given.

use std::path::Path;

use super::policy::Score;
use super::task::{Pass, Task};
use crate::data::conversation::{Conversation, Example, Speaker, Turn};
use crate::error::{Error, Result};
use crate::model::DialogueModel;
use crate::nn::params::Params;
use crate::nn::tape::{Node, Tape};
use crate::text::batch::budget_batches;
use crate::text::prompt::dialogue::{Context, Said, Sequence};

/// The scores by which checkpoints of a dialogue model can be compared, as `train.select` calls
/// them.
pub const SCORES: [&str; 1] = ["perplexity"];

/// A model with the dialogues that it learns from and is judged by.
#[derive(Debug)]
pub struct DialogueTask {
    model: DialogueModel,
    train: Vec<Sequence>,
    eval: Vec<Sequence>,
}

impl DialogueTask {
    /// What is learned from `train`, and judged by `eval`. The weight of a sample is the number of
    /// its replies' tokens, so that the loss of a step is a mean over tokens.
    pub fn new(model: DialogueModel, train: Vec<Sequence>, eval: Vec<Sequence>) -> Self {
        Self { model, train, eval }
    }

    /// The model.
    pub(super) fn model(&self) -> &DialogueModel {
        &self.model
    }

    /// How well it predicts the replies that it is judged by, by token.
    pub(super) fn perplexity(&self) -> Result<f64> {
        let nll: f64 = likelihoods(&self.model, &self.eval)?.iter().sum();
        let tokens: usize = self.eval.iter().map(Sequence::targets).sum();
        Ok((nll / tokens as f64).exp())
    }
}

impl Task for DialogueTask {
    fn params(&self) -> &Params {
        self.model.model().params()
    }

    fn lengths(&self) -> Vec<usize> {
        self.train.iter().map(|sequence| sequence.ids.len()).collect()
    }

    fn weight(&self, samples: &[usize]) -> u64 {
        samples.iter().map(|&sample| self.train[sample].targets() as u64).sum()
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node> {
        let sequences: Vec<&Sequence> = samples.iter().map(|&sample| &self.train[sample]).collect();
        self.model.model().loss(pass.tape, &sequences, pass.scale as f32)
    }

    fn evaluate(&self) -> Result<Vec<Score>> {
        Ok(vec![Score::lower_is_better("perplexity", self.perplexity()?)])
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.model.write(folder)
    }
}

/// How many tokens are judged at a time.
const BUDGET: usize = 2048;

/// The negative log-likelihood of each reply of all sequences, in their order, in nats.
///
/// # Errors
/// If the model fails.
pub fn likelihoods(model: &DialogueModel, sequences: &[Sequence]) -> Result<Vec<f64>> {
    let (model, mut found) = (model.model(), vec![Vec::new(); sequences.len()]);
    let tape = Tape::inference().with_precision(model.precision());
    let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.ids.len()).collect();
    for numbers in budget_batches(&lengths, BUDGET) {
        let chosen: Vec<&Sequence> = numbers.iter().map(|&number| &sequences[number]).collect();
        let scores = model.log_probabilities(&tape, &chosen)?;
        let mut scores = scores.into_iter().map(f64::from);
        for (number, sequence) in numbers.into_iter().zip(chosen) {
            let of_reply = |length| -scores.by_ref().take(length).sum::<f64>();
            let lengths = sequence.replies.iter().map(ExactSizeIterator::len);
            found[number] = lengths.map(of_reply).collect();
        }
    }
    Ok(found.concat())
}

/// Each own utterance of a conversation as a reply to what is before it.
///
/// # Errors
/// If one does not fit into the model; the error names the conversation's place in the file at
/// `path`.
pub fn sequences(
    model: &DialogueModel,
    path: &Path,
    conversation: &Conversation,
) -> Result<Vec<Sequence>> {
    let of_example = |example: Example| {
        let history = said(&example);
        let context = context(model, conversation, &history);
        model.encoder().sequence(&context, &example.reply().text)
    };
    let sequences = conversation.examples().map(of_example).collect::<Result<_>>();
    sequences.map_err(|error| at(path, conversation, error))
}

/// An error about a conversation, with its place in its file.
pub fn at(path: &Path, conversation: &Conversation, error: Error) -> Error {
    let placed = conversation.place.error(path, &error);
    error.advice().map(String::from).into_iter().fold(placed, Error::help)
}

/// What was said before a reply.
pub fn said<'a>(example: &Example<'a>) -> Vec<Said<'a>> {
    example.history().iter().map(said_of).collect()
}

/// A turn as it goes into a prompt.
pub fn said_of(turn: &Turn) -> Said<'_> {
    Said { own: turn.speaker == Speaker::Own, text: &turn.text }
}

/// What a reply of the model is given after.
pub fn context<'a>(
    model: &DialogueModel,
    conversation: &'a Conversation,
    history: &'a [Said<'a>],
) -> Context<'a> {
    let emotion = conversation.emotion.as_deref().filter(|_| model.is_told_emotions());
    Context { persona: &conversation.persona, emotion, history, ..Context::default() }
}
