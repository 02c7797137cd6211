//! How partners feel, as replies are told it (the paper's Table 6): as the file says, as a classifier
//! predicts, as it is in another dialogue, or not at all.

use std::collections::HashMap;

use super::files::DialogueFile;
use crate::config::{DialogueSettings, EmotionTold};
use crate::error::Result;
use crate::recipe::emotion::{PREDICTED, Predicted, predicted_emotions};
use crate::run::DataFile;
use crate::seed::{Purpose, Stream};

/// What the file of predicted emotions is to a run.
pub(super) const EMOTIONS_ROLE: &str = "emotions";

/// Where emotions come from.
pub(super) struct Emotions {
    told: EmotionTold,
    /// What is predicted of each conversation, by its name.
    predicted: HashMap<String, String>,
    /// The predictions, as a run remembers them.
    pub(super) source: Option<DataFile>,
}

impl Emotions {
    /// As a configuration says.
    pub(super) fn of(settings: &DialogueSettings) -> Result<Self> {
        let told = settings.emotion;
        let Some(run) = &settings.emotions else {
            return Ok(Self { told, predicted: HashMap::new(), source: None });
        };
        let predicted = predicted_emotions(run)?;
        let source = DataFile::of(EMOTIONS_ROLE, &run.join(PREDICTED), 0)?;
        let pair = |it: Predicted| (it.id, it.emotion);
        Ok(Self {
            told,
            predicted: predicted.into_iter().map(pair).collect(),
            source: Some(source),
        })
    }

    /// Gives each dialogue of a file the emotion that its replies are told.
    ///
    /// # Errors
    /// If a dialogue has none, or nothing was predicted of it; its place is named.
    pub(super) fn tell(&self, file: &mut DialogueFile) -> Result<()> {
        let path = file.path.clone();
        if self.told == EmotionTold::None {
            return Ok(());
        }
        for one in &mut file.dialogues {
            let refuse =
                |what: &str, help: &str| Err(one.place.error(&path, what).help(help.to_string()));
            if self.told != EmotionTold::Predicted {
                if one.emotion.is_none() {
                    let help =
                        "replies are told emotions here: dialogue.emotion = \"none\" does without";
                    return refuse("this dialogue has no emotion", help);
                }
                continue;
            }
            let found = one.id.as_ref().and_then(|id| self.predicted.get(id));
            match found {
                Some(emotion) => one.emotion = Some(emotion.clone()),
                None => {
                    let help = "the run that dialogue.emotions names has predicted those of its own \
                                data only";
                    return refuse("nothing was predicted of this dialogue's emotion", help);
                }
            }
        }
        if self.told == EmotionTold::Shuffled {
            let mut emotions: Vec<_> =
                file.dialogues.iter().map(|one| one.emotion.clone()).collect();
            Stream::new(1, Purpose::Shuffled, 1).shuffle(&mut emotions);
            file.dialogues.iter_mut().zip(emotions).for_each(|(one, it)| one.emotion = it);
        }
        Ok(())
    }
}
