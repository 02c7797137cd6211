//! Continuing texts: prompts in, replies out.
//!
//! The tokens of a reply depend on its prompt, the settings and the seed, and on nothing else: not
//! on the prompts beside it, nor on the number of threads.

mod beam;
pub mod cache;
mod reader;
pub mod sampling;
mod state;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{LanguageModel, ReplyModel, Seq2SeqModel};
use crate::nn::precision::Precision;
use crate::nn::tape::Tape;
use crate::text::batch::budget_batches;
use crate::text::prompt;

use cache::{Cache, Next};
pub use reader::{Candidates, generate_along, log_probabilities_along};
use state::State;

use sampling::{Sampling, forbid_repetition, greedy, log_sum, uniform};

/// What is to be continued.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The token ids, at least one.
    pub ids: Vec<u32>,
    /// The segment id of each token, and that of the reply's, for models that know segments.
    pub segments: Option<(Vec<u32>, u32)>,
    /// The number of the prompt's random stream. Prompts that share one draw alike.
    pub stream: u64,
}

impl From<prompt::dialogue::Prompt> for Prompt {
    fn from(laid: prompt::dialogue::Prompt) -> Self {
        Self { ids: laid.ids, segments: laid.segments, stream: 0 }
    }
}

/// How the tokens of a reply are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Search {
    /// The likeliest one each time.
    Greedy,
    /// Drawn, so many replies to each prompt.
    Sample(Sampling, usize),
    /// The likeliest reply of so many that are looked at side by side.
    Beam {
        /// How many replies are looked at.
        beams: usize,
        /// A reply's log-probability is divided by its number of tokens to this power before
        /// replies are compared.
        length_penalty: f64,
    },
}

/// How prompts are continued.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How tokens are chosen.
    pub search: Search,
    /// How many tokens a reply has at most, with the one that ends it.
    pub max_tokens: usize,
    /// The tokens that end a reply.
    pub ends: Vec<u32>,
    /// No so many tokens behind each other stand twice in a reply; 0 allows it.
    pub no_repeat_ngram: usize,
    /// The seed of what is drawn.
    pub seed: u64,
}

/// A continuation of a prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The token ids, with the one that ends it if there is one.
    pub ids: Vec<u32>,
    /// The log-probability of each token by the model's own distribution, whatever it was chosen
    /// from.
    pub log_probabilities: Vec<f64>,
    /// Whether its last token ends it; otherwise it was cut.
    pub is_finished: bool,
}

impl Reply {
    /// The token ids without the one that ends it.
    pub fn text(&self) -> &[u32] {
        &self.ids[..self.ids.len() - usize::from(self.is_finished)]
    }
}

/// What continues texts.
#[derive(Debug, Clone, Copy)]
pub enum Source<'m> {
    /// A decoder.
    Decoder(&'m LanguageModel),
    /// An encoder with a decoder of its own.
    Seq2Seq(&'m Seq2SeqModel),
}

impl<'m> From<&'m LanguageModel> for Source<'m> {
    fn from(model: &'m LanguageModel) -> Self {
        Self::Decoder(model)
    }
}

impl<'m> From<&'m ReplyModel> for Source<'m> {
    fn from(model: &'m ReplyModel) -> Self {
        match model {
            ReplyModel::Decoder(model) => Self::Decoder(model),
            ReplyModel::Seq2Seq(model) => Self::Seq2Seq(model),
        }
    }
}

impl Source<'_> {
    fn precision(&self) -> Precision {
        match self {
            Self::Decoder(model) => model.precision(),
            Self::Seq2Seq(model) => model.precision(),
        }
    }

    /// How many tokens a prompt and its reply have at most.
    fn max_length(&self) -> usize {
        match self {
            Self::Decoder(model) => model.max_length(),
            Self::Seq2Seq(_) => usize::MAX,
        }
    }
}

/// How many tokens are kept at once of a model that keeps no keys and values.
const BUDGET: usize = 8192;

/// A model that continues prompts again and again. What it makes of its weights to multiply by them fast is made once, so
/// they must stay the same as long as this lives.
#[derive(Debug)]
pub struct Generator<'m> {
    model: Source<'m>,
    tape: Tape,
}

impl<'m> Generator<'m> {
    /// Nothing is made of the weights yet.
    pub fn new(model: impl Into<Source<'m>>) -> Self {
        let model = model.into();
        Self { model, tape: Tape::inference().with_precision(model.precision()) }
    }

    /// The replies to each prompt: one, or as many as are sampled.
    ///
    /// # Errors
    /// If a prompt is empty or leaves no room for a reply, or a setting cannot be meant.
    pub fn generate(&self, prompts: &[Prompt], settings: &Settings) -> Result<Vec<Vec<Reply>>> {
        let Self { model, tape } = self;
        let mut replies = vec![Vec::new(); prompts.len()];
        check(*model, prompts.iter(), settings)?;
        let room = |prompt: &Prompt| (prompt.ids.len() + settings.max_tokens) * settings.copies();
        let rooms: Vec<usize> = prompts.iter().map(room).collect();
        let budget = match model {
            Source::Decoder(model) => Cache::budget(model)?,
            Source::Seq2Seq(_) => BUDGET,
        };
        for batch in budget_batches(&rooms, budget) {
            let chosen: Vec<&Prompt> = batch.iter().map(|&number| &prompts[number]).collect();
            let session = Session { model: *model, tape, prompts: &chosen, settings };
            let found = session.run(State::new(*model, tape, &chosen, &session.room())?)?;
            batch.into_iter().zip(found).for_each(|(number, found)| replies[number] = found);
        }
        Ok(replies)
    }
}

/// The replies to each prompt, as [`Generator::generate`] gives them, by a model that does not go on to others.
///
/// # Errors
/// The same.
pub fn generate<'m>(
    model: impl Into<Source<'m>>,
    prompts: &[Prompt],
    settings: &Settings,
) -> Result<Vec<Vec<Reply>>> {
    Generator::new(model).generate(prompts, settings)
}

impl Prompt {
    /// Its tokens from this place on without the last one.
    fn but_last(&self, from: usize) -> Next<'_> {
        let places = from..self.ids.len() - 1;
        let segments = self.segments.as_ref().map(|(segments, _)| &segments[places.clone()]);
        Next { ids: &self.ids[places], segments }
    }

    /// Its last token.
    fn last(&self) -> Next<'_> {
        let last = self.ids.len() - 1;
        let segments = self.segments.as_ref().map(|(segments, _)| &segments[last..]);
        Next { ids: &self.ids[last..], segments }
    }
}

impl Settings {
    /// How many replies to each prompt are looked at side by side.
    fn copies(&self) -> usize {
        match self.search {
            Search::Greedy => 1,
            Search::Sample(_, samples) => samples,
            Search::Beam { beams, .. } => beams,
        }
    }
}

fn check<'a>(
    model: Source,
    prompts: impl Iterator<Item = &'a Prompt>,
    settings: &Settings,
) -> Result<()> {
    for prompt in prompts {
        check_prompt(model, prompt, 1)?;
    }
    let refuse = |what: &str| Err(Error::usage(what));
    match settings.search {
        Search::Sample(_, 0) => refuse("0 samples of each prompt are none"),
        Search::Beam { beams: 0, .. } => refuse("0 beams are no search"),
        Search::Sample(Sampling { temperature, .. }, _)
            if temperature.is_nan() || temperature <= 0.0 =>
        {
            refuse("a temperature is above 0; for the likeliest token each time there is greedy")
        }
        Search::Sample(Sampling { top_k: Some(0), .. }, _) => refuse("top_k is 1 at least"),
        Search::Sample(Sampling { top_p: Some(least), .. }, _)
            if !(least > 0.0 && least <= 1.0) =>
        {
            refuse("top_p is above 0, and 1 at most")
        }
        _ if settings.max_tokens == 0 => refuse("a reply has 1 token at least"),
        _ => Ok(()),
    }
}

/// Whether a prompt can be read, and leaves `room` for a reply.
fn check_prompt(model: Source, prompt: &Prompt, room: usize) -> Result<()> {
    let fits = |(segments, _): &(Vec<u32>, u32)| segments.len() == prompt.ids.len();
    if prompt.ids.is_empty() || !prompt.segments.as_ref().is_none_or(fits) {
        return Err(Error::failure("a prompt is a token at least, each with a segment or none"));
    }
    let (length, most) = (prompt.ids.len(), model.max_length());
    if length + room > most {
        return Err(Error::failure(format!(
            "a prompt of {length} tokens leaves no room for a reply of {room}: the model reads {most}"
        )));
    }
    Ok(())
}

/// Some prompts that are continued side by side.
struct Session<'a> {
    model: Source<'a>,
    tape: &'a Tape,
    prompts: &'a [&'a Prompt],
    settings: &'a Settings,
}

impl<'a> Session<'a> {
    /// How many tokens a reply to this prompt has at most.
    fn most(&self, prompt: &Prompt) -> usize {
        self.settings.max_tokens.min(self.model.max_length() - prompt.ids.len())
    }

    /// How many tokens each prompt has with the longest reply.
    fn room(&self) -> Vec<usize> {
        self.prompts.iter().map(|prompt| prompt.ids.len() + self.most(prompt)).collect()
    }

    /// The replies to each prompt, after `start` has read all of it but its last token.
    fn run(&self, start: State<'a>) -> Result<Vec<Vec<Reply>>> {
        match self.settings.search {
            Search::Beam { beams, length_penalty } => self.beam(start, beams, length_penalty),
            Search::Greedy | Search::Sample(..) => self.draw(start),
        }
    }

    /// All prompts read to the end, and then `copies` of each with room for a reply: copy `i` of
    /// prompt `p` is number `p * copies + i`. With them the logits of each one's first token.
    fn begin(&self, mut start: State<'a>, copies: usize) -> Result<(State<'a>, Vec<Vec<f32>>)> {
        let logits = start.begin(self.tape, self.prompts)?;
        if copies == 1 {
            return Ok((start, logits));
        }
        let texts: Vec<usize> =
            (0..self.prompts.len()).flat_map(|prompt| vec![prompt; copies]).collect();
        let room = self.room();
        let room: Vec<usize> = texts.iter().map(|&prompt| room[prompt]).collect();
        let logits = texts.iter().map(|&prompt| logits[prompt].clone()).collect();
        Ok((start.select(self.tape, &texts, &room)?, logits))
    }

    /// Reads the last token of each copy that goes on, and returns the logits of what may follow.
    fn go_on(
        &self,
        state: &mut State,
        copies: usize,
        last: &[Option<u32>],
    ) -> Result<Vec<Vec<f32>>> {
        let segment = |number: usize| self.prompts[number / copies].segments.as_ref();
        let segments: Vec<Option<u32>> =
            (0..last.len()).map(|number| segment(number).map(|(_, own)| *own)).collect();
        state.go_on(self.tape, last, &segments)
    }

    /// Greedy search or sampling.
    fn draw(&self, start: State<'a>) -> Result<Vec<Vec<Reply>>> {
        let copies = self.settings.copies();
        let (mut state, mut logits) = self.begin(start, copies)?;
        let mut replies = vec![Reply::default(); copies * self.prompts.len()];
        let mut live: Vec<usize> = (0..replies.len()).collect();
        while !live.is_empty() {
            let (prompts, settings) = (self.prompts, self.settings); // a tape stays on its thread
            let drawn = live.par_iter().zip(&mut logits).map(|(&number, logits)| {
                let stream = prompts[number / copies].stream;
                choose(settings, logits, &replies[number].ids, (stream, number % copies))
            });
            let drawn = drawn.collect::<Result<Vec<_>>>()?;
            let mut last = vec![None; replies.len()];
            live = live
                .into_iter()
                .zip(drawn)
                .filter_map(|(number, (id, log_probability))| {
                    let reply = &mut replies[number];
                    reply.ids.push(id);
                    reply.log_probabilities.push(log_probability);
                    reply.is_finished = self.settings.ends.contains(&id);
                    let is_full = reply.ids.len() >= self.most(self.prompts[number / copies]);
                    let goes_on = !reply.is_finished && !is_full;
                    last[number] = goes_on.then_some(id);
                    goes_on.then_some(number)
                })
                .collect();
            logits = self.go_on(&mut state, copies, &last)?;
        }
        Ok(replies.chunks(copies).map(<[Reply]>::to_vec).collect())
    }
}

/// The next token of a reply, and its log-probability. What is drawn depends on the prompt's stream
/// and the sample's number.
fn choose(
    settings: &Settings,
    logits: &mut [f32],
    reply: &[u32],
    (stream, sample): (u64, usize),
) -> Result<(u32, f64)> {
    let total = checked_log_sum(logits)?;
    forbid_repetition(logits, reply, settings.no_repeat_ngram);
    let id = match settings.search {
        Search::Sample(sampling, _) => {
            sampling.choose(logits, uniform(settings.seed, stream, sample, reply.len()))
        }
        Search::Greedy | Search::Beam { .. } => greedy(logits),
    };
    // What is forbidden is not chosen, so this logit is the model's own.
    Ok((id, f64::from(logits[id as usize]) - total))
}

/// The logarithm of softmax's denominator.
///
/// # Errors
/// If a logit is NaN.
fn checked_log_sum(logits: &[f32]) -> Result<f64> {
    let total = log_sum(logits);
    match total.is_nan() {
        false => Ok(total),
        true => Err(Error::failure("the model's logits are NaN")
            .help("its weights may be damaged, or training has made them too large")),
    }
}
