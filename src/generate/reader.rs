//! Dialogues that are read from prompt to prompt. What a prompt has in common with the one before
//! it is not read again, so that a dialogue with its whole history is read once.

use super::cache::{Cache, Next};
use super::sampling::log_sum;
use super::state::State;
use super::{Generator, Prompt, Reply, Session, Settings, Source, check, check_prompt};
use crate::error::Result;
use crate::model::LanguageModel;
use crate::nn::tape::Tape;
use crate::text::batch::budget_batches;

/// The replies to each prompt of each dialogue, whose prompts follow one another. `done` is told
/// how many prompts have been answered since it was told last.
///
/// # Errors
/// As [`super::generate`].
pub fn generate_along<'m>(
    model: impl Into<Source<'m>>,
    dialogues: &[Vec<Prompt>],
    settings: &Settings,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Vec<Reply>>>> {
    let source = model.into();
    check(source, dialogues.iter().flatten(), settings)?;
    let Source::Decoder(model) = source else {
        return each_anew(source, dialogues, settings, done);
    };
    let tape = Tape::inference().with_precision(model.precision());
    let budget = Cache::budget(model)?;
    let longest = |dialogue: &Vec<Prompt>| dialogue.iter().map(|it| it.ids.len()).max();
    let lengths: Vec<usize> = dialogues.iter().map(|one| longest(one).unwrap_or(0)).collect();
    let mut replies: Vec<Vec<Vec<Reply>>> = vec![Vec::new(); dialogues.len()];
    for batch in budget_batches(&lengths, budget / 2) {
        let room: Vec<usize> = batch.iter().map(|&number| lengths[number]).collect();
        let mut reader = Reader::new(model, &room)?;
        let mut waiting = Waiting::default();
        let mut answer = |waiting: &mut Waiting<'m, '_>| -> Result<()> {
            let Waiting { caches, dialogues, prompts, .. } = std::mem::take(waiting);
            if prompts.is_empty() {
                return Ok(());
            }
            let session = Session { model: source, tape: &tape, prompts: &prompts, settings };
            let found = session.run(State::Cache(Cache::joined(caches)?))?;
            done(found.len());
            dialogues
                .into_iter()
                .zip(found)
                .for_each(|(number, found)| replies[number].push(found));
            Ok(())
        };
        for turn in 0.. {
            let prompts: Vec<Option<&Prompt>> =
                batch.iter().map(|&number| dialogues[number].get(turn)).collect();
            let live: Vec<usize> = (0..batch.len()).filter(|&at| prompts[at].is_some()).collect();
            if live.is_empty() {
                break;
            }
            reader.advance(&tape, &prompts)?;
            let chosen: Vec<&Prompt> = prompts.into_iter().flatten().collect();
            let session = Session { model: source, tape: &tape, prompts: &chosen, settings };
            let room = session.room();
            let tokens = room.iter().sum::<usize>() * (1 + settings.copies());
            if waiting.tokens + tokens > budget {
                answer(&mut waiting)?;
            }
            waiting.tokens += tokens;
            waiting.caches.push(reader.cache.select(&live, &room)?);
            waiting.dialogues.extend(live.iter().map(|&at| batch[at]));
            waiting.prompts.extend(chosen);
        }
        answer(&mut waiting)?;
    }
    Ok(replies)
}

/// Prompts of several turns that have been read, and are answered side by side.
#[derive(Default)]
struct Waiting<'m, 'p> {
    caches: Vec<Cache<'m>>,
    /// The number of each one's dialogue.
    dialogues: Vec<usize>,
    prompts: Vec<&'p Prompt>,
    /// How many tokens will be kept for them, with their replies.
    tokens: usize,
}

/// The same by a model that has nothing to go on with from prompt to prompt.
fn each_anew(
    model: Source,
    dialogues: &[Vec<Prompt>],
    settings: &Settings,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Vec<Reply>>>> {
    let generator = Generator::new(model);
    let of_dialogue = |dialogue: &Vec<Prompt>| {
        let replies = generator.generate(dialogue, settings);
        done(dialogue.len());
        replies
    };
    dialogues.iter().map(of_dialogue).collect()
}

/// A prompt, and replies that it may have.
pub type Candidates = (Prompt, Vec<Vec<u32>>);

/// The log-probability of each token of several replies to each prompt of each dialogue, whose
/// prompts follow one another: `[dialogue][prompt][reply][token]`. `done` is told how many prompts
/// are done since it was told last.
///
/// # Errors
/// If a prompt is empty, or a reply is too long for the model behind it.
pub fn log_probabilities_along<'m>(
    model: impl Into<Source<'m>>,
    dialogues: &[Vec<Candidates>],
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Vec<Vec<f64>>>>> {
    let model = model.into();
    for (prompt, replies) in dialogues.iter().flatten() {
        check_prompt(model, prompt, replies.iter().map(Vec::len).max().unwrap_or(0))?;
    }
    let tape = Tape::inference().with_precision(model.precision());
    let model = match model {
        Source::Decoder(model) => model,
        Source::Seq2Seq(_) => {
            let mut of_prompt = |(prompt, replies): &Candidates| {
                let found = step_by_step(model, &tape, prompt, replies);
                done(1);
                found
            };
            let of_dialogue = |dialogue: &Vec<Candidates>| {
                dialogue.iter().map(&mut of_prompt).collect::<Result<Vec<_>>>()
            };
            return dialogues.iter().map(of_dialogue).collect();
        }
    };
    let of_dialogue = |dialogue: &Vec<Candidates>| {
        let room = dialogue.iter().map(|(prompt, _)| prompt.ids.len()).max().unwrap_or(0);
        let mut reader = Reader::new(model, &[room])?;
        let of_prompt = |(prompt, replies): &Candidates| {
            reader.advance(&tape, &[Some(prompt)])?;
            let found = reader.log_probabilities(&tape, prompt, replies)?;
            done(1);
            Ok(found)
        };
        dialogue.iter().map(of_prompt).collect()
    };
    dialogues.iter().map(of_dialogue).collect()
}

/// The log-probability of each token of these replies to a prompt that is read once.
fn step_by_step(
    model: Source,
    tape: &Tape,
    prompt: &Prompt,
    replies: &[Vec<u32>],
) -> Result<Vec<Vec<f64>>> {
    let longest = replies.iter().map(Vec::len).max().unwrap_or(0);
    let room = prompt.ids.len() + longest;
    let mut start = State::new(model, tape, &[prompt], &[room])?;
    let first = start.begin(tape, &[prompt])?;
    let mut logits = vec![first.concat(); replies.len()];
    let mut state = start.select(tape, &vec![0; replies.len()], &vec![room; replies.len()])?;
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); replies.len()];
    let mut live: Vec<usize> = (0..replies.len()).filter(|&at| !replies[at].is_empty()).collect();
    let segments = vec![prompt.segments.as_ref().map(|(_, own)| *own); replies.len()];
    for place in 0..longest {
        for (logits, &number) in logits.iter().zip(&live) {
            let logit = logits.get(replies[number][place] as usize).copied();
            found[number].push(f64::from(logit.unwrap_or(f32::NAN)) - log_sum(logits));
        }
        let mut last = vec![None; replies.len()];
        live.retain(|&number| replies[number].len() > place + 1);
        live.iter().for_each(|&number| last[number] = Some(replies[number][place]));
        logits = state.go_on(tape, &last, &segments)?;
    }
    Ok(found)
}

/// Some dialogues, each read up to the last token of a prompt.
struct Reader<'m> {
    cache: Cache<'m>,
    /// The ids and segments that have been read of each.
    read: Vec<(Vec<u32>, Vec<u32>)>,
}

impl<'m> Reader<'m> {
    /// Nothing is read yet; there is room for so many tokens of each.
    fn new(model: &'m LanguageModel, room: &[usize]) -> Result<Self> {
        let read = vec![(Vec::new(), Vec::new()); room.len()];
        Ok(Self { cache: Cache::new(model, room)?, read })
    }

    /// Goes on to the next prompt of each dialogue that has one.
    fn advance(&mut self, tape: &Tape, prompts: &[Option<&Prompt>]) -> Result<()> {
        let mut next = Vec::with_capacity(prompts.len());
        let mut common = Vec::with_capacity(prompts.len());
        for ((ids, segments), prompt) in self.read.iter_mut().zip(prompts) {
            let Some(prompt) = prompt else {
                common.push(ids.len());
                next.push(Next::default());
                continue;
            };
            let all = prompt.but_last(0);
            let of_prompt = all.segments.unwrap_or_default();
            let shared = shared(ids, all.ids).min(match all.segments {
                Some(_) => shared(segments, of_prompt),
                None => usize::MAX,
            });
            (*ids, *segments) = (all.ids.into(), of_prompt.into());
            common.push(shared);
            next.push(prompt.but_last(shared));
        }
        self.cache.truncate(&common);
        self.cache.skip(tape, &next)
    }

    /// The log-probability of each token of these replies to the prompt of the only dialogue.
    fn log_probabilities(
        &self,
        tape: &Tape,
        prompt: &Prompt,
        replies: &[Vec<u32>],
    ) -> Result<Vec<Vec<f64>>> {
        let last = prompt.last();
        let texts: Vec<Vec<u32>> = replies.iter().map(|reply| [last.ids, reply].concat()).collect();
        let segments = |reply: &Vec<u32>| {
            let (_, own) = prompt.segments.as_ref()?;
            Some([last.segments.unwrap_or_default(), &vec![*own; reply.len()]].concat())
        };
        let segments: Vec<Option<Vec<u32>>> = replies.iter().map(segments).collect();
        let next = texts.iter().zip(&segments);
        let next: Vec<Next> =
            next.map(|(ids, segments)| Next { ids, segments: segments.as_deref() }).collect();
        let room: Vec<usize> = replies.iter().map(|reply| prompt.ids.len() + reply.len()).collect();
        self.cache.select(&vec![0; replies.len()], &room)?.log_probabilities(tape, &next)
    }
}

/// How many numbers two lists have in common before they differ.
fn shared(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
