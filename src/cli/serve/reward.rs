//! What `/reward` is asked: one dialogue or several, of texts or of value vectors.

use serde::Deserialize;
use serde_json::Value as Json;
use valuenet::data::dialogue::{Dialogue, Vector, check_vectors};
use valuenet::recipe::{Rewarded, center, reward};
use valuenet::report::rewards;
use valuenet::reward::{Form, Reward, RewardSettings};

use super::body::Refusal;

/// A dialogue or a list of them, and how they are rewarded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    persona: Option<Vec<String>>,
    utterances: Option<Vec<String>>,
    persona_vectors: Option<Vec<Vector>>,
    utterance_vectors: Option<Vec<Vector>>,
    dialogues: Option<Vec<Given>>,
    #[serde(default)]
    literal: bool,
    #[serde(default)]
    center: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    persona: Option<Vec<String>>,
    utterances: Option<Vec<String>>,
    persona_vectors: Option<Vec<Vector>>,
    utterance_vectors: Option<Vec<Vector>>,
}

/// The dialogues of a request. All are of one kind, so that all vectors are of one length.
pub enum Dialogues {
    Texts(Vec<Dialogue>),
    Vectors(Vec<Dialogue<Vector>>),
}

/// A valid request.
pub struct Request {
    pub dialogues: Dialogues,
    pub settings: RewardSettings,
    /// Whether it asked for a list.
    pub is_list: bool,
}

/// Says why there is no such key any more.
pub fn without_gamma(refusal: Refusal) -> Refusal {
    if !refusal.what.starts_with("unknown field `gamma`") {
        return refusal;
    }
    let what = "unknown field `gamma`: it is no parameter, but counts how often a persona sentence is matched";
    Refusal::new(refusal.status, what)
}

impl TryFrom<Asked> for Request {
    type Error = String;

    fn try_from(asked: Asked) -> Result<Self, String> {
        let Asked {
            persona,
            utterances,
            persona_vectors,
            utterance_vectors,
            dialogues,
            literal,
            center,
        } = asked;
        let form = if literal { Form::Literal } else { Form::Bounded };
        let settings = RewardSettings { form, center };
        let one = Given { persona, utterances, persona_vectors, utterance_vectors };
        let is_list = dialogues.is_some();
        let given = match dialogues {
            None => vec![one],
            Some(_) if !one.is_empty() => {
                return Err("either one dialogue or \"dialogues\" is needed".into());
            }
            Some(given) => given,
        };
        let dialogues = Dialogues::of(given, is_list)?;
        Ok(Self { dialogues, settings, is_list })
    }
}

impl Given {
    fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                persona: None,
                utterances: None,
                persona_vectors: None,
                utterance_vectors: None
            }
        )
    }
}

impl Dialogues {
    fn of(given: Vec<Given>, is_list: bool) -> Result<Self, String> {
        let (mut texts, mut vectors, mut length) = (Vec::new(), Vec::new(), None);
        for (given, line) in given.into_iter().zip(1..) {
            let named =
                |what: String| if is_list { format!("dialogue {line}: {what}") } else { what };
            match given {
                Given {
                    persona: Some(persona),
                    utterances: Some(utterances),
                    persona_vectors: None,
                    utterance_vectors: None,
                } => {
                    let dialogue = Dialogue { line, persona, utterances };
                    check_texts(&dialogue).map_err(named)?;
                    texts.push(dialogue);
                }
                Given {
                    persona: None,
                    utterances: None,
                    persona_vectors: Some(persona),
                    utterance_vectors: Some(utterances),
                } => {
                    let dialogue = Dialogue { line, persona, utterances };
                    check_vectors(&dialogue, &mut length).map_err(named)?;
                    vectors.push(dialogue);
                }
                _ => {
                    let what = "either \"persona\" and \"utterances\" are needed, or \"persona_vectors\" and \
                                \"utterance_vectors\"";
                    return Err(named(what.into()));
                }
            }
        }
        match (texts.is_empty(), vectors.is_empty()) {
            (_, true) => Ok(Self::Texts(texts)),
            (true, false) => Ok(Self::Vectors(vectors)),
            (false, false) => Err("the dialogues are all of texts, or all of vectors".into()),
        }
    }
}

fn check_texts(dialogue: &Dialogue) -> Result<(), String> {
    for (name, texts) in [("persona", &dialogue.persona), ("utterances", &dialogue.utterances)] {
        match texts.iter().position(|text| text.trim().is_empty()) {
            _ if texts.is_empty() => return Err(format!("\"{name}\" is empty")),
            Some(place) => return Err(format!("text {} of \"{name}\" is blank", place + 1)),
            None => {}
        }
    }
    Ok(())
}

/// The rewards of dialogues whose vectors are given, as JSON.
pub fn rewards<T: Clone + Into<Json>>(
    dialogues: &[Dialogue<T>],
    vectors: Vec<Dialogue<Vector>>,
    settings: RewardSettings,
) -> Vec<Json> {
    let center = settings.center.then(|| center(&vectors)).flatten();
    let Rewarded { settings, rewards, .. } = reward(vectors, center.as_ref(), settings.form);
    let json = |(dialogue, reward): (&Dialogue<T>, &Reward)| {
        rewards::json(&dialogue.persona, &dialogue.utterances, reward, settings)
    };
    dialogues.iter().zip(&rewards).map(json).collect()
}
