//! What only the GPU's kernels can get wrong: more keys than a warp has lanes, wide heads, bfloat16
//! between operations.
//!
//! They run on a GPU with `VALUENET_DEVICE=cuda:0`, and on the CPU in its place with the feature
//! `cuda-emulation`. Every other test of operations, goldens and training runs on either device in
//! the same way.

use candle_core::{DType, Tensor, Var};
use valuenet::model::value_head::Range;
use valuenet::nn::activation::Activation;
use valuenet::nn::attention::{Attention, DistanceBias, Mask};
use valuenet::nn::dropout::Dropout;
use valuenet::nn::gated::Gated;
use valuenet::nn::gpu;
use valuenet::nn::gradients::Gradients;
use valuenet::nn::layer_norm::Normalise;
use valuenet::nn::losses::squared_error;
use valuenet::nn::precision::Precision;
use valuenet::nn::tape::{Node, Op, Tape};
use valuenet::text::PackedBatch;

use crate::golden::Golden;
use crate::ops::{Weighted, attention, mask, on_tape, parameters, random, rotary, values};
use crate::support::{device, utilities};

/// The result and the gradients of the reference form in double precision.
fn exact(op: &impl Op, inputs: &[Tensor], weights: &Tensor) -> (Vec<f64>, Vec<Vec<f64>>) {
    let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let result = op.reference(&tensors).unwrap();
    let found = (&result * weights).unwrap().sum_all().unwrap().backward().unwrap();
    (values(&result), vars.iter().map(|var| values(found.get(var).unwrap())).collect())
}

/// The largest difference, as a share of the largest number.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-9f64, |largest, x| largest.max(x.abs()));
    a.iter()
        .zip(b)
        .map(|(a, b)| if a.is_nan() { f64::INFINITY } else { (a - b).abs() })
        .fold(0.0, f64::max)
        / largest
}

fn assert_close(
    op: &impl Op,
    found: &(Vec<f64>, Vec<Vec<f64>>),
    exact: &(Vec<f64>, Vec<Vec<f64>>),
    tolerance: f64,
) {
    let far = distance(&found.0, &exact.0);
    assert!(far < tolerance, "{op:?}: the result is {far:e} off");
    for (number, (found, exact)) in found.1.iter().zip(&exact.1).enumerate() {
        let far = distance(found, exact);
        assert!(far < tolerance, "{op:?}: the gradient of input {number} is {far:e} off");
    }
}

#[test]
#[cfg_attr(not(feature = "cuda-emulation"), ignore = "needs a GPU: VALUENET_DEVICE=cuda:0")]
fn the_device_has_gpu_kernels() {
    assert!(gpu::holds(&Tensor::zeros(1, DType::F32, device()).unwrap()));
}

#[test]
#[cfg_attr(not(feature = "cuda-emulation"), ignore = "needs a GPU: VALUENET_DEVICE=cuda:0")]
fn attention_over_more_keys_than_a_warp_has_lanes_is_right() {
    for (heads, width, lengths) in
        [(1, 64, [70, 33]), (2, 33, [40, 3]), (1, 256, [35, 2]), (3, 4, [64, 32])]
    {
        for visible in [Mask::All, Mask::Window(20), Mask::Causal, Mask::Pairs(1)] {
            for mask in [None, Some(mask(4, 0.3))] {
                let make =
                    || Attention { mask: visible, ..attention(heads, &lengths, &lengths, mask) };
                let inputs = [random(&[lengths[0] + lengths[1], 3 * heads * width], 0)];
                let weights = random(&[lengths[0] + lengths[1], heads * width], 99);
                let found = on_tape(make(), &inputs, &weights);
                assert_close(&make(), &found, &exact(&make(), &inputs, &weights), 5e-6);
            }
        }
    }
}

/// To bfloat16, as activations stand between operations.
#[derive(Debug)]
struct Round;

impl Op for Round {
    fn reference(&self, inputs: &[Tensor]) -> candle_core::Result<Tensor> {
        inputs[0].to_dtype(DType::BF16)
    }
}

/// An operation of which the first `rounded` inputs, and the result, stand in bfloat16.
fn in_bfloat16(
    op: impl Op,
    inputs: &[Tensor],
    rounded: usize,
    weights: &Tensor,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (params, nodes) = parameters(inputs);
    let tape = Tape::training(None).with_precision(Precision::Bf16);
    let round = |(number, node): (usize, &Node)| match number < rounded {
        true => tape.apply(Round, &[node]).unwrap(),
        false => node.clone(),
    };
    let nodes: Vec<Node> = nodes.iter().enumerate().map(round).collect();
    let result = tape.apply(op, &nodes.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(result.tensor().dtype(), DType::BF16);
    let weights = weights.to_dtype(DType::F32).unwrap().to_device(device()).unwrap();
    let loss = tape.apply(Weighted { weights }, &[&result]).unwrap();
    let mut gradients = Gradients::default();
    tape.backward(&loss, &mut gradients).unwrap();
    let gradient = |index: usize| {
        values(&gradients.get(params.id(index)).unwrap().dense(params.var(index).shape()).unwrap())
    };
    (values(result.tensor()), (0..params.len()).map(gradient).collect())
}

fn check_bfloat16<O: Op>(make: impl Fn() -> O, inputs: &[Tensor], rounded: usize) {
    let inputs: Vec<Tensor> = inputs
        .iter()
        .enumerate()
        .map(|(number, input)| match number < rounded {
            true => input.to_dtype(DType::BF16).unwrap().to_dtype(DType::F64).unwrap(),
            false => input.clone(),
        })
        .collect();
    let shape = make().reference(&inputs).unwrap().dims().to_vec();
    let weights = random(&shape, 99).to_dtype(DType::BF16).unwrap().to_dtype(DType::F64).unwrap();
    let found = in_bfloat16(make(), &inputs, rounded, &weights);
    assert_close(&make(), &found, &exact(&make(), &inputs, &weights), 2e-2);
}

#[test]
#[cfg_attr(not(feature = "cuda-emulation"), ignore = "needs a GPU: VALUENET_DEVICE=cuda:0")]
fn operations_on_bfloat16_lose_no_more_than_its_precision() {
    let lengths = [40, 3];
    check_bfloat16(
        || attention(2, &lengths, &lengths, Some(mask(5, 0.2))),
        &[random(&[43, 48], 0)],
        1,
    );
    check_bfloat16(
        || attention(2, &[1, 1], &lengths, None),
        &[random(&[2, 16], 0), random(&[43, 32], 1)],
        2,
    );
    let bias = Some(DistanceBias { buckets: 16, max_distance: 32 });
    check_bfloat16(
        || Attention { bias, ..attention(2, &lengths, &lengths, Some(mask(5, 0.2))) },
        &[random(&[43, 48], 0), random(&[16, 2], 1)],
        1,
    );
    check_bfloat16(
        || Normalise { eps: 1e-5 },
        &[random(&[70, 37], 0), random(&[37], 1), random(&[37], 2)],
        1,
    );
    check_bfloat16(|| Activation::Gelu, &[random(&[9, 31], 0)], 1);
    check_bfloat16(|| Dropout { mask: mask(6, 0.4) }, &[random(&[9, 131], 0)], 1);
    check_bfloat16(|| Gated { activation: Activation::Silu }, &[random(&[9, 30], 0)], 1);
    let positions = || (0..9).collect();
    check_bfloat16(|| rotary(positions(), 8, 4), &[random(&[9, 12], 0)], 1);
}

#[test]
#[cfg_attr(not(feature = "cuda-emulation"), ignore = "needs a GPU: VALUENET_DEVICE=cuda:0")]
fn every_family_in_bfloat16_stays_close_to_f32() {
    for golden in Golden::regressions() {
        let network = golden.valued(Range::ScaledSigmoid);
        let sequences = golden.sequences("value");
        let batch = PackedBatch::new(sequences.iter().map(Vec::as_slice));
        let labels = golden.numbers("value.labels");
        let gradients = |precision: Precision| {
            let tape = Tape::training(None).with_precision(precision);
            let utilities = utilities(&network, Range::ScaledSigmoid, &tape, &batch);
            assert_eq!(utilities.tensor().dtype(), DType::F32, "{}: utilities", golden.name);
            let loss =
                squared_error(&tape, &utilities, &labels, 1.0 / labels.len() as f64).unwrap();
            let mut gradients = Gradients::default();
            tape.backward(&loss, &mut gradients).unwrap();
            let numbers = gradients.of(network.params()).map(|(index, sum)| {
                let dense = sum.dense(network.params().var(index).shape()).unwrap();
                assert_eq!(dense.dtype(), DType::F32, "{}: gradient {index}", golden.name);
                values(&dense)
            });
            (values(loss.tensor())[0], numbers.collect::<Vec<_>>().concat())
        };
        let (loss, exact) = gradients(Precision::F32);
        let (rounded_loss, rounded) = gradients(Precision::Bf16);
        assert!(
            (rounded_loss / loss - 1.0).abs() < 0.02,
            "{}: loss {rounded_loss}, not {loss}",
            golden.name
        );
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = product(&exact, &rounded)
            / (product(&exact, &exact) * product(&rounded, &rounded)).sqrt();
        assert!(cosine > 0.995, "{}: the gradients point elsewhere, cosine {cosine}", golden.name);
        assert!(cosine < 1.0 - 1e-9, "{}: nothing was rounded", golden.name);
    }
}
