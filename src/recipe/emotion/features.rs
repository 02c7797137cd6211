//! The values that a classifier sees beside texts, or what stands in their place.

use candle_core::Device;

use crate::config::{Config, ValuesSettings};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::emotion::{Control, ValueFeatures};
use crate::recipe::Observer;
use crate::recipe::value_cache::ValueSource;
use crate::run::DataFile;
use crate::seed::{Purpose, Stream};
use crate::value::{Profile, Value};

/// Which values stand beside texts.
#[derive(Debug, Clone)]
pub(super) struct Features {
    source: ValueSource,
    control: Control,
}

impl Features {
    /// Those that a configuration asks for, if it does.
    pub(super) fn of(config: &Config) -> Result<Option<Self>> {
        let of = |values: &ValuesSettings| {
            let source = ValueSource::of(&values.run, config.train.dtype)?;
            Ok(Self { source, control: values.control })
        };
        config.values.as_ref().map(of).transpose()
    }

    /// Those that a trained model has learned from.
    ///
    /// # Errors
    /// If the value model is gone, or is another one now.
    pub(super) fn of_model(learned: &ValueFeatures) -> Result<Self> {
        let ValueFeatures { run, sha256, precision, control } = learned;
        let source = ValueSource::of(run, *precision)
            .map_err(|error| error.within("the model sees the values of texts"))?;
        if source.sha256() != *sha256 {
            let what = "this is not the value model that the classifier has learned with";
            return Err(Error::file(run, what).help("put it back, or train the classifier anew"));
        }
        Ok(Self { source, control: *control })
    }

    /// The files of the value model, which a run reads again when it goes on.
    pub(super) fn sources(&self) -> &[DataFile] {
        &self.source.files
    }

    /// What a model remembers of them.
    pub(super) fn described(&self) -> ValueFeatures {
        let ValueSource { run, precision, .. } = self.source.clone();
        ValueFeatures { run, sha256: self.source.sha256(), precision, control: self.control }
    }

    /// What stands in the place of values, if anything.
    pub(super) fn control(&self) -> Control {
        self.control
    }

    /// The value model.
    ///
    /// # Errors
    /// If it is damaged, or no value model.
    pub(super) fn model(&self, device: &Device) -> Result<Model> {
        self.source.open(device)
    }

    /// What stands beside each text of a split.
    ///
    /// # Errors
    /// If the value model fails.
    pub(super) fn values(
        &self,
        texts: &[&str],
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Vec<Profile>> {
        match self.control {
            Control::Zeros => Ok(vec![[0.0; Value::COUNT]; texts.len()]),
            Control::None | Control::Only => self.source.values(texts, device, observer),
            Control::Shuffled => {
                let mut values = self.source.values(texts, device, observer)?;
                Stream::new(1, Purpose::Shuffled, 0).shuffle(&mut values);
                Ok(values)
            }
        }
    }
}
