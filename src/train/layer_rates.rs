//! Learning rates that fall from layer to layer (Howard and Ruder, *ULMFiT*, ACL 2018; Clark et al.,
//! *ELECTRA*, ICLR 2020).

use crate::nn::params::Params;

/// The factor of each parameter's learning rate, by its number: 1 for what stands on top of the
/// layers, `decay` for the last layer, its square for the one below, and so on down to the embeddings.
pub(super) fn layer_rates(params: &Params, decay: f64) -> Vec<f64> {
    let mut layers: Vec<&str> = Vec::new();
    // How many layers have begun where a parameter stands, and whether it is of the last of them.
    let places: Vec<(usize, bool)> = params
        .iter()
        .map(|(name, _)| match layer(name) {
            Some(own) => {
                let number = layers.iter().position(|layer| *layer == own).unwrap_or_else(|| {
                    layers.push(own);
                    layers.len() - 1
                });
                (number + 1, true)
            }
            None => (layers.len(), false),
        })
        .collect();
    let top = layers.len() as i32 + 1;
    let rate = |(begun, in_layer): (usize, bool)| match (begun, in_layer) {
        (0, _) => decay.powi(top),
        (number, true) => decay.powi(top - number as i32),
        (_, false) => 1.0,
    };
    places.into_iter().map(rate).collect()
}

/// What comes before the layer's own parameters in a parameter's name: `bert.encoder.layer.3`.
fn layer(name: &str) -> Option<&str> {
    let mut end = 0;
    let mut before = "";
    for part in name.split('.') {
        end += part.len() + usize::from(end > 0);
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && ["layer", "layers", "h"].contains(&before) {
            return Some(&name[..end]);
        }
        before = part;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::Device;

    use super::*;
    use crate::nn::params::{Init, Loader};

    #[test]
    fn rates_fall_from_the_head_to_the_embeddings() {
        let loader = Loader::new(HashMap::new(), 1, 0.02, &Device::Cpu);
        let names = [
            "bert.embeddings.word_embeddings.weight",
            "bert.encoder.layer.0.output.dense.weight",
            "bert.encoder.layer.1.attention.self.query.weight",
            "bert.encoder.layer.1.output.dense.weight",
            "bert.pooler.dense.weight",
            "classifier.weight",
        ];
        let is_built =
            names.iter().all(|name| loader.optional("").param(name, 1, Init::Zeros).is_ok());
        assert!(is_built);
        let (params, _) = loader.finish();
        assert_eq!(layer_rates(&params, 0.5), [0.125, 0.25, 0.5, 0.5, 1.0, 1.0]);
        assert_eq!(layer_rates(&params, 1.0), [1.0; 6]);
    }
}
