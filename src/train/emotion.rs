//! Training a classifier of texts: cross-entropy, and the scores of the paper's Table 5.

use std::path::Path;

use super::policy::Score;
use super::task::{Pass, Task};
use crate::error::Result;
use crate::eval::classes::{ClassEvaluation, Classified};
use crate::model::emotion::{EmotionEncoder, Inputs};
use crate::nn::params::Params;
use crate::nn::tape::Node;
use crate::value::Profile;

/// Texts with their classes, and the values that stand beside them.
#[derive(Debug, Clone)]
pub struct Texts {
    /// The texts.
    pub texts: Vec<String>,
    /// The number of each text's class.
    pub classes: Vec<usize>,
    /// The values beside each text, if the model sees values.
    pub values: Option<Vec<Profile>>,
}

/// A classifier of texts with its train and eval splits.
#[derive(Debug)]
pub struct EmotionTask {
    model: EmotionEncoder,
    train: Inputs,
    classes: Vec<u32>,
    eval: Inputs,
    eval_classes: Vec<usize>,
}

impl EmotionTask {
    /// Prepares the splits for the model.
    ///
    /// # Errors
    /// If a text cannot be tokenized, or an encoder that does not learn fails.
    pub fn new(model: EmotionEncoder, train: &Texts, eval: &Texts) -> Result<Self> {
        let inputs = |split: &Texts| {
            let texts: Vec<&str> = split.texts.iter().map(String::as_str).collect();
            model.inputs(&texts, split.values.as_deref())
        };
        let (train_inputs, eval_inputs) = (inputs(train)?, inputs(eval)?);
        Ok(Self {
            train: train_inputs,
            classes: train.classes.iter().map(|&class| class as u32).collect(),
            eval: eval_inputs,
            eval_classes: eval.classes.clone(),
            model,
        })
    }
}

impl Task for EmotionTask {
    fn params(&self) -> &Params {
        self.model.network().params()
    }

    fn lengths(&self) -> Vec<usize> {
        self.train.lengths()
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node> {
        let classes: Vec<u32> = samples.iter().map(|&sample| self.classes[sample]).collect();
        Ok(self.model.loss(pass.tape, &self.train, samples, &classes, pass.scale)?)
    }

    fn evaluate(&self) -> Result<Vec<Score>> {
        Ok(scores(&self.model.predict(&self.eval)?, &self.eval_classes))
    }

    fn write(&self, folder: &Path) -> Result<()> {
        self.model.write(folder)
    }
}

/// The scores by which checkpoints of a classifier can be compared, as `train.select` calls them.
pub const SCORES: [&str; 3] = ["accuracy", "macro-f1", "loss"];

/// The scores of probabilities, (texts, classes), for texts of these classes.
pub(super) fn scores(probabilities: &[Vec<f32>], classes: &[usize]) -> Vec<Score> {
    let rows = probabilities.iter().zip(classes).enumerate();
    let rows: Vec<Classified> =
        rows.map(|(text, (shares, &class))| Classified::of(class, shares, text)).collect();
    let labels = vec![String::new(); probabilities.first().map_or(0, Vec::len)];
    let found = ClassEvaluation::of(&rows, &labels, None);
    vec![
        Score::higher_is_better("accuracy", found.accuracy.value),
        Score::higher_is_better("macro_f1", found.macro_f1.value),
        Score::lower_is_better("loss", found.loss.value),
    ]
}
