//! Two small programs of somebody else's: one adds a family of backbones, the other a task. Each
//! touches one room of the library.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use valuenet::error::Result;
use valuenet::model::backbone::{Architecture, Backbone, BackboneConfig, Family};
use valuenet::model::head::{HeadLayout, HeadShape, Pooling};
use valuenet::model::hidden_states::HiddenStates;
use valuenet::model::network::{Network, Start};
use valuenet::nn::activation::Activation;
use valuenet::nn::embedding::{Embedding, lookup, select_rows};
use valuenet::nn::linear::Linear;
use valuenet::nn::losses::cross_entropy;
use valuenet::nn::params::{Params, Scope};
use valuenet::nn::schedule::Schedule;
use valuenet::nn::tape::{Node, Tape};
use valuenet::text::PackedBatch;
use valuenet::train::{
    Answer, Event, GradientLearner, Pass, Score, State, Stop, Task, TrainSettings, fit,
};

const VOCABULARY: u32 = 20;
const HIDDEN: usize = 16;

/// A family: each token's embedding through one layer.
#[derive(Debug)]
struct OneLayerConfig;

impl BackboneConfig for OneLayerConfig {
    fn architecture(&self) -> candle_core::Result<Architecture> {
        Ok(Architecture {
            prefix: "one_layer",
            word_embeddings: "words.weight",
            hidden_size: HIDDEN,
            max_length: 64,
            dropout_keys: &[],
            class: "OneLayer",
            pair_layers: None,
        })
    }

    fn classifier(&self) -> candle_core::Result<Option<HeadLayout>> {
        let names = HeadLayout { class: "OneLayerHead", output: "output", ..HeadLayout::plain() };
        Ok(Some(names))
    }

    fn load(&self, scope: &Scope) -> candle_core::Result<Box<dyn Backbone>> {
        Ok(Box::new(OneLayer {
            words: Embedding::load(&scope.enter("words"), VOCABULARY as usize, HIDDEN)?,
            layer: Linear::load(&scope.enter("layer"), HIDDEN, HIDDEN)?,
        }))
    }
}

#[derive(Debug)]
struct OneLayer {
    words: Embedding,
    layer: Linear,
}

impl Backbone for OneLayer {
    fn forward(
        &self,
        tape: &Tape,
        batch: &PackedBatch,
        wanted: HiddenStates,
    ) -> candle_core::Result<Node> {
        let words = lookup(tape, &[(&self.words, &batch.ids)])?;
        let states = self.layer.activated(tape, &words, Activation::Tanh)?; // (tokens, hidden)
        match wanted {
            HiddenStates::AllTokens => Ok(states),
            HiddenStates::Summary => select_rows(tape, &states, &batch.first_rows()),
        }
    }
}

fn network(outputs: usize) -> Network {
    let family = Family::of(Arc::new(OneLayerConfig)).unwrap();
    let shape = HeadShape { outputs, pooling: Pooling::Cls, inputs: 0 };
    let start = Start::Scratch;
    Network::build(&family, shape, Default::default(), start, 1, &Device::Cpu).unwrap()
}

/// A task: which of four groups the first token belongs to.
struct Grouping {
    network: Network,
    sequences: Vec<Vec<u32>>,
}

impl Grouping {
    fn groups(&self) -> Vec<u32> {
        self.sequences.iter().map(|sequence| sequence[0] % 4).collect()
    }

    fn batch(&self, samples: &[usize]) -> PackedBatch {
        PackedBatch::new(samples.iter().map(|&sample| self.sequences[sample].as_slice()))
    }
}

impl Task for Grouping {
    fn params(&self) -> &Params {
        self.network.params()
    }

    fn lengths(&self) -> Vec<usize> {
        self.sequences.iter().map(Vec::len).collect()
    }

    fn loss(&self, pass: &Pass, samples: &[usize]) -> Result<Node> {
        let logits = self.network.logits(pass.tape, &self.batch(samples))?;
        let groups = self.groups();
        let groups: Vec<u32> = samples.iter().map(|&sample| groups[sample]).collect();
        Ok(cross_entropy(pass.tape, &logits, &groups, pass.scale)?)
    }

    fn evaluate(&self) -> Result<Vec<Score>> {
        let all: Vec<usize> = (0..self.sequences.len()).collect();
        let logits = self.network.logits(&Tape::inference(), &self.batch(&all))?;
        let found = logits.tensor().argmax(1)?.to_vec1::<u32>()?;
        let right = found.iter().zip(self.groups()).filter(|(a, b)| **a == *b).count();
        Ok(vec![Score::higher_is_better("accuracy", right as f64 / all.len() as f64)])
    }

    fn write(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_family_of_somebody_else_has_states_summaries_and_names() {
    let network = network(3);
    let sequences: [&[u32]; 2] = [&[1, 2, 3], &[4]];
    let batch = PackedBatch::new(sequences);
    let tape = Tape::inference();
    let states = |wanted| network.hidden_states(&tape, &batch, wanted).unwrap();
    assert_eq!(states(HiddenStates::AllTokens).tensor().dims(), [4, HIDDEN]);
    assert_eq!(states(HiddenStates::Summary).tensor().dims(), [2, HIDDEN]);
    assert_eq!(network.logits(&tape, &batch).unwrap().tensor().dims(), [2, 3]);
    let names: Vec<&str> = network.params().iter().map(|(name, _)| name).collect();
    let expected = [
        "one_layer.words.weight",
        "one_layer.layer.weight",
        "one_layer.layer.bias",
        "output.weight",
        "output.bias",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_task_of_somebody_else_is_learned_by_the_same_loop() {
    let sequences = (0..VOCABULARY).map(|first| vec![first, (first * 7) % VOCABULARY]).collect();
    let task = Grouping { network: network(4), sequences };
    let settings = TrainSettings {
        epochs: 60,
        batch_size: 5,
        learning_rate: 0.02,
        schedule: Schedule::Constant,
        warmup: 0.0,
        select: "accuracy".into(),
        patience: 0,
        ..TrainSettings::default()
    };
    let mut accuracies = Vec::new();
    let stop = fit(
        &mut GradientLearner::new(task, &settings).unwrap(),
        &settings,
        &mut State::default(),
        &mut |event| {
            if let Event::Evaluated(row) = event {
                accuracies.push(row.scores[0].value);
            }
            Ok(Answer::Continue)
        },
    );
    assert_eq!(stop.unwrap(), Stop::Finished);
    assert_eq!(accuracies.len(), 60);
    assert!(accuracies[0] < 0.7 && accuracies[59] == 1.0, "{accuracies:?}");
}
