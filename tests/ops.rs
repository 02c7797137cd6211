//! Every operation against finite differences, and its kernels on the device that is tested against
//! its reference form in double precision.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use valuenet::nn::activation::Activation;
use valuenet::nn::adamw::{AdamW, AdamWSettings};
use valuenet::nn::attention::{
    AdditiveAttention, Attention, Buckets, DistanceBias, Mask, Offsets, Relative,
};
use valuenet::nn::average::Average;
use valuenet::nn::dropout::Dropout;
use valuenet::nn::embedding::Lookup;
use valuenet::nn::gated::Gated;
use valuenet::nn::gradients::Gradients;
use valuenet::nn::language_loss::{
    LogProbabilities, WeightedSum, language_loss, log_probabilities,
};
use valuenet::nn::layer_norm::Normalise;
use valuenet::nn::linear::{Epilogue, Linear, LinearOp};
use valuenet::nn::losses::{
    ContinuationRatio, CrossEntropy, Divergence, Either, ExpectedUtility, SoftCrossEntropy,
    SquaredDifferenceError, SquaredDistance, SquaredError, either, soft_cross_entropy,
};
use valuenet::nn::lstm::LstmOp;
use valuenet::nn::noise::{DropoutMask, Noise};
use valuenet::nn::params::{Init, Loader, Params};
use valuenet::nn::precision::Precision;
use valuenet::nn::rms_norm::NormaliseRms;
use valuenet::nn::rotary::{Angles, Rotary, Scaling, frequencies};
use valuenet::nn::tape::{Node, Op, Tape};
use valuenet::seed::{Purpose, Stream};
use valuenet::train::TrainSettings;

use crate::support::device;

const CPU: Device = Device::Cpu;

/// Random numbers in double precision.
pub fn random(shape: &[usize], index: u64) -> Tensor {
    let mut stream = Stream::new(11, Purpose::Init, index);
    let values: Vec<f64> =
        (0..shape.iter().product()).map(|_| f64::from(stream.normal())).collect();
    Tensor::from_vec(values, shape, &CPU).unwrap()
}

pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `Σ weights * op(inputs)`, a number that depends on every number of the result.
fn weighted(op: &impl Op, inputs: &[Tensor], weights: &Tensor) -> Tensor {
    (op.reference(inputs).unwrap() * weights).unwrap().sum_all().unwrap()
}

/// The exact gradients: candle's of the reference form in double precision, once finite differences
/// agree with them.
fn exact_gradients(op: &impl Op, inputs: &[Tensor], weights: &Tensor) -> Vec<Vec<f64>> {
    let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let found = weighted(op, &tensors, weights).backward().unwrap();
    let gradients: Vec<Vec<f64>> = vars.iter().map(|var| values(found.get(var).unwrap())).collect();
    const STEP: f64 = 1e-5;
    for (number, (input, gradient)) in inputs.iter().zip(&gradients).enumerate() {
        for place in 0..input.elem_count() {
            let at = |step: f64| {
                let mut moved = values(input);
                moved[place] += step;
                let mut inputs = inputs.to_vec();
                inputs[number] = Tensor::from_vec(moved, input.shape(), &CPU).unwrap();
                values(&weighted(op, &inputs, weights))[0]
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let far = (slope - gradient[place]).abs() / slope.abs().max(1.0);
            assert!(
                far < 1e-7,
                "{op:?}: input {number}[{place}]: slope {slope}, gradient {}",
                gradient[place]
            );
        }
    }
    gradients
}

/// The inputs as f32 parameters, so that a tape finds their gradients.
pub fn parameters(inputs: &[Tensor]) -> (Params, Vec<Node>) {
    let named =
        inputs.iter().enumerate().map(|(number, input)| (number.to_string(), input.clone()));
    let loader = Loader::new(named.collect(), 0, 0.0, device());
    let take = |(number, input): (usize, &Tensor)| {
        loader.required("").param(&number.to_string(), input.shape(), Init::Zeros).unwrap()
    };
    let nodes = inputs.iter().enumerate().map(take).collect();
    (loader.finish().0, nodes)
}

#[derive(Debug)]
pub struct Weighted {
    pub weights: Tensor,
}

impl Op for Weighted {
    fn reference(&self, inputs: &[Tensor]) -> candle_core::Result<Tensor> {
        (&inputs[0] * &self.weights)?.sum_all()
    }
}

/// The result and the gradients of an operation on a tape, in f32.
pub fn on_tape(op: impl Op, inputs: &[Tensor], weights: &Tensor) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (params, nodes) = parameters(inputs);
    let tape = Tape::training(None);
    let result = tape.apply(op, &nodes.iter().collect::<Vec<_>>()).unwrap();
    let weights = weights.to_dtype(DType::F32).unwrap().to_device(device()).unwrap();
    let loss = tape.apply(Weighted { weights }, &[&result]).unwrap();
    let mut gradients = Gradients::default();
    tape.backward(&loss, &mut gradients).unwrap();
    let gradient = |index: usize| {
        values(&gradients.get(params.id(index)).unwrap().dense(params.var(index).shape()).unwrap())
    };
    (values(result.tensor()), (0..params.len()).map(gradient).collect())
}

/// The checks that every operation must pass; `make` builds the same operation each time.
pub fn check<O: Op>(make: impl Fn() -> O + Sync, inputs: &[Tensor]) {
    let op = make();
    let expected = op.reference(inputs).unwrap();
    let weights = random(expected.dims(), 99);
    let gradients = exact_gradients(&op, inputs, &weights);
    let (result, found) = on_tape(make(), inputs, &weights);
    let close = |a: &[f64], b: &[f64], what: &str| {
        assert_eq!(a.len(), b.len(), "{op:?}: {what}");
        let largest = b.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
        let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest;
        assert!(far < 3e-6, "{op:?}: {what} is {far:e} off");
    };
    close(&result, &values(&expected), "the result");
    for (number, (found, expected)) in found.iter().zip(&gradients).enumerate() {
        close(found, expected, &format!("the gradient of input {number}"));
    }

    // Inputs that lie transposed in memory change nothing.
    let transposed: Vec<Tensor> = inputs.iter().map(lie_transposed).collect();
    assert!(transposed.iter().zip(inputs).all(|(a, b)| a.dims() == b.dims()));
    let on_device =
        |input: &Tensor| input.to_dtype(DType::F32).unwrap().to_device(device()).unwrap();
    let nodes: Vec<Node> =
        transposed.iter().map(|input| Node::constant(&lie_transposed(&on_device(input)))).collect();
    let again = Tape::inference().apply(make(), &nodes.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(values(again.tensor()), result, "{op:?}: transposed inputs");

    // Nor does the number of threads.
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(
            pool.install(|| on_tape(make(), inputs, &weights)),
            (result.clone(), found.clone())
        );
    }
}

/// The same matrix, column by column in memory.
fn lie_transposed(tensor: &Tensor) -> Tensor {
    match tensor.rank() {
        2 => tensor.t().unwrap().contiguous().unwrap().t().unwrap(),
        _ => tensor.clone(),
    }
}

#[test]
fn a_linear_layer_is_right() {
    for (rows, inputs, outputs) in [(5, 7, 4), (1, 1, 1), (33, 3, 35)] {
        let all =
            [random(&[rows, inputs], 0), random(&[outputs, inputs], 1), random(&[outputs], 2)];
        check(|| layer(Epilogue::Nothing), &all);
    }
}

#[test]
fn joined_linear_layers_are_right() {
    let layers = [random(&[3, 7], 1), random(&[3], 2), random(&[70, 7], 3), random(&[70], 4)];
    check(|| layer(Epilogue::Nothing), &[&[random(&[2, 7], 0)], layers.as_slice()].concat());
}

#[test]
fn a_linear_layer_with_an_activation_is_right() {
    let inputs = [random(&[17, 5], 0), random(&[4, 5], 1), random(&[4], 2)];
    for activation in [Activation::Gelu, Activation::Relu] {
        check(|| layer(Epilogue::Activate(activation)), &inputs);
    }
}

#[test]
fn a_linear_layer_with_a_residual_is_right() {
    let inputs = [random(&[40, 3], 0), random(&[5, 3], 1), random(&[5], 2), random(&[40, 5], 3)];
    for mask in [None, Some(mask(5, 0.25))] {
        check(|| layer(Epilogue::AddResidual(mask)), &inputs);
    }
}

#[test]
fn a_linear_layer_in_bfloat16_rounds_its_factors_and_nothing_else() {
    let single = |rows: usize, inputs: usize, outputs: usize| {
        vec![random(&[rows, inputs], 0), random(&[outputs, inputs], 1), random(&[outputs], 2)]
    };
    let two = [random(&[3, 7], 1), random(&[3], 2), random(&[70, 7], 3), random(&[70], 4)];
    let joined = [&[random(&[9, 7], 0)], two.as_slice()].concat();
    for inputs in
        [single(5, 7, 4), single(1, 1, 1), single(70, 33, 35), single(100, 64, 32), joined]
    {
        let make = || LinearOp {
            epilogue: Epilogue::Nothing,
            precision: Precision::Bf16,
            packed_weights: None,
        };
        let expected = make().reference(&inputs).unwrap();
        let weights = random(expected.dims(), 99);
        let (result, found) = on_tape(make(), &inputs, &weights);
        let far = |a: &[f64], b: &[f64]| {
            let largest = b.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
        };
        // On a GPU the result is a bfloat16 too.
        let tolerance =
            if valuenet::nn::gpu::holds(parameters(&inputs).1[0].tensor()) { 6e-3 } else { 3e-6 };
        assert!(far(&result, &values(&expected)) < tolerance, "{:?}", expected.dims());
        let gradients = exact_gradients(&layer(Epilogue::Nothing), &inputs, &weights);
        for (found, exact) in found.iter().zip(&gradients) {
            assert!(
                far(found, exact) < 2e-2,
                "{:?}: a gradient is {} off",
                expected.dims(),
                far(found, exact)
            );
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| on_tape(make(), &inputs, &weights));
            assert!(again == (result.clone(), found.clone()), "{threads} threads");
        }
    }
}

#[test]
fn layer_norm_is_right() {
    for rows in [1, 70] {
        check(
            || Normalise { eps: 1e-5 },
            &[random(&[rows, 5], 0), random(&[5], 1), random(&[5], 2)],
        );
    }
    check(|| Normalise { eps: 1e-12 }, &[random(&[2, 37], 0), random(&[37], 1), random(&[37], 2)]);
}

#[test]
fn rms_norm_is_right() {
    for (rows, width) in [(1, 5), (70, 5), (2, 37)] {
        check(|| NormaliseRms { eps: 1e-5 }, &[random(&[rows, width], 0), random(&[width], 1)]);
    }
}

#[test]
fn activations_are_right() {
    let x = (random(&[6, 9], 0) * 2.0).unwrap();
    for activation in [
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
        Activation::ScaledSigmoid,
    ] {
        check(|| activation, std::slice::from_ref(&x));
    }
}

#[test]
fn activations_keep_a_finite_gradient_far_from_zero() {
    for x in [-200f64, -40.0, 40.0, 200.0] {
        let x = Tensor::new(&[[x]], &CPU).unwrap();
        let one = Tensor::ones((1, 1), DType::F64, &CPU).unwrap();
        for activation in
            [Activation::Gelu, Activation::Silu, Activation::Tanh, Activation::ScaledSigmoid]
        {
            let (result, gradients) = on_tape(activation, std::slice::from_ref(&x), &one);
            assert!(result[0].is_finite() && gradients[0][0].is_finite(), "{activation:?} at {x}");
        }
    }
}

fn layer(epilogue: Epilogue) -> LinearOp {
    LinearOp { epilogue, precision: Precision::F32, packed_weights: None }
}

pub fn offsets(lengths: &[usize]) -> Offsets {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// A mask as a tape hands it out.
pub fn mask(pass: u64, probability: f32) -> DropoutMask {
    Tape::training(Some(Noise::new(3, pass))).dropout_mask(probability).unwrap()
}

pub fn attention(
    heads: usize,
    queries: &[usize],
    keys: &[usize],
    mask: Option<DropoutMask>,
) -> Attention {
    let (queries, keys) = (offsets(queries), offsets(keys));
    Attention { dropout: mask, ..Attention::new(heads, queries, keys) }
}

#[test]
fn attention_is_right() {
    for mask in [None, Some(mask(1, 0.3))] {
        let lengths = [3, 1, 4];
        let attention = || attention(2, &lengths, &lengths, mask);
        check(attention, &[random(&[8, 6], 0), random(&[8, 12], 1)]);
        check(attention, &[random(&[8, 18], 0)]);
    }
}

#[test]
fn attention_is_right_with_other_numbers_of_queries_than_of_keys() {
    for mask in [None, Some(mask(2, 0.3))] {
        let attention = || attention(3, &[1, 2, 1], &[5, 2, 3], mask);
        check(attention, &[random(&[4, 6], 0), random(&[10, 12], 1)]);
    }
}

#[test]
fn attention_is_right_when_queries_see_some_keys_only() {
    for mask in [None, Some(mask(3, 0.3))] {
        for visible in [Mask::Window(1), Mask::Causal] {
            let make = || Attention { mask: visible, ..attention(2, &[4, 1, 3], &[4, 1, 3], mask) };
            check(make, &[random(&[8, 12], 0)]);
        }
        // The first query of each sequence alone, and the last one.
        check(
            || Attention { mask: Mask::Window(2), ..attention(2, &[1, 1], &[5, 2], mask) },
            &[random(&[2, 4], 0), random(&[7, 8], 1)],
        );
        let last = || Attention { mask: Mask::Causal, ..attention(2, &[1, 2], &[4, 3], mask) };
        check(last, &[random(&[3, 4], 0), random(&[7, 8], 1)]);
        // So many queries that keys are left out which no query near them sees.
        for key_value_heads in [2, 1] {
            let long = |queries: &[usize], keys: &[usize]| Attention {
                key_value_heads,
                mask: Mask::Causal,
                ..attention(2, queries, keys, mask)
            };
            check(|| long(&[61, 3], &[61, 3]), &[random(&[64, 4 + 4 * key_value_heads], 0)]);
            let keys = random(&[97, 4 * key_value_heads], 1);
            check(|| long(&[29, 2], &[70, 27]), &[random(&[31, 4], 0), keys]);
        }
    }
    // Texts of 3, 0 and 1 rows, each with two pairs behind it; and the first row of each pair alone.
    for mask in [None, Some(mask(3, 0.3))] {
        let lengths = [7, 4, 5];
        let pairs = Mask::Pairs(2);
        let all = || Attention { mask: pairs, ..attention(2, &lengths, &lengths, mask) };
        check(all, &[random(&[16, 12], 0)]);
        let first = || Attention { mask: pairs, ..attention(2, &[2, 2, 2], &lengths, mask) };
        check(first, &[random(&[6, 4], 0), random(&[16, 8], 1)]);
    }
    let blind = Attention { mask: Mask::Causal, ..attention(1, &[2], &[1], None) };
    let (q, kv) = (random(&[2, 2], 0), random(&[1, 4], 1));
    assert!(blind.reference(&[q, kv]).is_err(), "a query that sees nothing has no attention");
}

#[test]
fn heads_of_keys_that_serve_several_heads_of_queries_are_right() {
    for (heads, key_value_heads, width) in [(4, 2, 3), (3, 1, 2), (6, 2, 1)] {
        for mask in [None, Some(mask(3, 0.3))] {
            let (queries, keys) = (heads * width, key_value_heads * width);
            let lengths = [4, 1, 3];
            let make = || Attention {
                key_value_heads,
                mask: Mask::Causal,
                ..attention(heads, &lengths, &lengths, mask)
            };
            check(make, &[random(&[8, queries + 2 * keys], 0)]);
            let make = || Attention { key_value_heads, ..attention(heads, &[1, 2], &[4, 3], mask) };
            check(make, &[random(&[3, queries], 0), random(&[7, 2 * keys], 1)]);
        }
    }
    let odd = Attention { key_value_heads: 2, ..attention(3, &[1], &[1], None) };
    assert!(odd.reference(&[random(&[1, 7], 0)]).is_err(), "three heads cannot share two");
}

#[test]
fn heads_of_keys_that_are_shared_are_as_repeated_ones() {
    let (q, k, v) = (random(&[5, 12], 0), random(&[5, 6], 1), random(&[5, 6], 2));
    let repeated = |x: &Tensor| {
        let heads: Vec<Tensor> = [0, 0, 1, 1].map(|head| x.narrow(1, 3 * head, 3).unwrap()).into();
        Tensor::cat(&heads, 1).unwrap()
    };
    let shared = Attention { key_value_heads: 2, ..attention(4, &[2, 3], &[2, 3], None) };
    let shared = shared.reference(&[Tensor::cat(&[&q, &k, &v], 1).unwrap()]).unwrap();
    let all = Tensor::cat(&[&q, &repeated(&k), &repeated(&v)], 1).unwrap();
    let own = attention(4, &[2, 3], &[2, 3], None).reference(&[all]).unwrap();
    assert_eq!(values(&shared), values(&own));
}

#[test]
fn keys_that_do_not_fill_their_room_are_as_if_it_ended_there() {
    for (heads, key_value_heads, width, more) in [(2, 1, 2, 0), (6, 2, 16, 30), (5, 1, 20, 41)] {
        let lengths = [2 + more, 0, 3 + more];
        let room = [3 + more, 2, 4 + more];
        let q = random(&[4, heads * width], 0);
        let kv = random(&[room.iter().sum(), 2 * key_value_heads * width], 1);
        let causal = |keys: &[usize], filled: Option<&[usize]>| Attention {
            key_value_heads,
            mask: Mask::Causal,
            filled: filled.map(Into::into),
            ..attention(heads, &[1, 0, 3], keys, None)
        };
        let [first, last] = [(0, lengths[0]), (room[0] + room[1], lengths[2])]
            .map(|(start, length)| kv.narrow(0, start, length).unwrap());
        let packed = Tensor::cat(&[first, last], 0).unwrap();
        let expected = causal(&lengths, None).reference(&[q.clone(), packed]).unwrap();
        let op = causal(&room, Some(&[lengths[0], 2, lengths[2]]));
        assert_eq!(values(&op.reference(&[q.clone(), kv.clone()]).unwrap()), values(&expected));
        let nodes = [q.clone(), kv.clone()]
            .map(|x| Node::constant(&x.to_dtype(DType::F32).unwrap().to_device(device()).unwrap()));
        let found = Tape::inference().apply(op, &[&nodes[0], &nodes[1]]).unwrap();
        let pairs = values(found.tensor()).into_iter().zip(values(&expected));
        assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 1e-6);
        let full = causal(&room, Some(&[lengths[0], 3, lengths[2]]));
        assert!(full.reference(&[q, kv]).is_err(), "three keys do not fit a room of two");
    }
}

#[test]
fn additive_attention_is_right() {
    for (queries, keys, width, value_width) in [
        ([3, 1, 2].as_slice(), [2, 4, 1].as_slice(), 5, 3),
        (&[1, 0, 2], &[3, 2, 1], 18, 1),
        (&[4], &[7], 1, 33),
    ] {
        let make = || AdditiveAttention { queries: offsets(queries), keys: offsets(keys) };
        let (rows, key_rows) = (queries.iter().sum(), keys.iter().sum());
        let score = random(&[1, width], 2);
        let (q, k) = (random(&[rows, width], 0), random(&[key_rows, width], 1));
        check(make, &[q, k, score, random(&[key_rows, value_width], 3)]);
    }
    let blind = AdditiveAttention { queries: offsets(&[1]), keys: offsets(&[0]) };
    let inputs = [[1, 2], [0, 2], [1, 2], [0, 2]].map(|shape| random(&shape, 0));
    assert!(blind.reference(&inputs).is_err(), "a query that sees nothing has no attention");
}

fn lstm(lengths: &[usize], precision: Precision) -> LstmOp {
    LstmOp { sequences: offsets(lengths), precision, packed_weights: [None, None] }
}

/// Inputs of an LSTM layer.
fn lstm_inputs(lengths: &[usize], inputs: usize, hidden: usize) -> [Tensor; 7] {
    let (tokens, count) = (lengths.iter().sum(), lengths.len());
    let shapes: [&[usize]; 7] = [
        &[tokens, inputs],
        &[count, hidden],
        &[count, hidden],
        &[4 * hidden, inputs],
        &[4 * hidden, hidden],
        &[4 * hidden],
        &[4 * hidden],
    ];
    let mut index = 0;
    shapes.map(|shape| {
        index += 1;
        random(shape, index)
    })
}

#[test]
fn an_lstm_layer_is_right() {
    for (lengths, inputs, hidden) in [
        ([2, 4, 1].as_slice(), 3, 2),
        (&[0, 3, 0, 3, 1], 2, 3),
        (&[1], 1, 1),
        (&[2, 1, 2, 1, 1, 2, 1, 1, 1, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1, 1], 2, 2),
    ] {
        check(|| lstm(lengths, Precision::F32), &lstm_inputs(lengths, inputs, hidden));
    }
    for wrong in [[3, 4].as_slice(), &[7], &[2, 4, 2]] {
        let inputs = lstm_inputs(&[2, 4, 1], 3, 2);
        assert!(lstm(wrong, Precision::F32).reference(&inputs).is_err(), "{wrong:?}");
    }
}

#[test]
fn an_lstm_layer_of_many_neurons_is_as_its_reference() {
    let (lengths, hidden) = ([9, 2, 30, 17, 5, 5, 1, 12, 8, 8, 3, 20], 40);
    let inputs = lstm_inputs(&lengths, 24, hidden).map(|x| (x * 0.3).unwrap());
    for (precision, tolerance) in [(Precision::F32, 2e-6), (Precision::Bf16, 1e-2)] {
        let expected = lstm(&lengths, precision).reference(&inputs).unwrap();
        let weights = random(expected.dims(), 99);
        let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let exact = weighted(&lstm(&lengths, precision), &tensors, &weights).backward().unwrap();
        let (result, found) = on_tape(lstm(&lengths, precision), &inputs, &weights);
        let exact = vars.iter().map(|var| values(exact.get(var).unwrap()));
        let expected = std::iter::once(values(&expected)).chain(exact);
        for (found, expected) in std::iter::once(&result).chain(&found).zip(expected) {
            let largest = expected.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
            let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far / largest < tolerance, "{precision:?}: {} off", far / largest);
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| on_tape(lstm(&lengths, precision), &inputs, &weights));
            assert!(again == (result.clone(), found.clone()), "{threads} threads");
        }
    }
}

#[test]
fn relative_attention_is_right() {
    for (content_to_position, position_to_content) in [(true, true), (true, false), (false, true)] {
        for (mask, logarithmic) in [(None, Some(8)), (Some(mask(9, 0.3)), None)] {
            let buckets = Buckets { span: 4, logarithmic };
            let whole = Relative {
                buckets,
                first_row: 0,
                rows: 8,
                content_to_position,
                position_to_content,
            };
            let relative = Some(whole.for_length(3));
            let tables = [random(&[5, 4], 7), random(&[5, 4], 8)];
            let tables =
                &tables[..usize::from(content_to_position) + usize::from(position_to_content)];
            let part = || Attention { relative, ..attention(2, &[3, 1], &[3, 1], mask) };
            check(part, &[&[random(&[4, 12], 0)], tables].concat());
            let relative = Some(whole);
            let tables = [random(&[8, 4], 7), random(&[8, 4], 8)];
            let tables =
                &tables[..usize::from(content_to_position) + usize::from(position_to_content)];
            let whole = || Attention { relative, ..attention(2, &[7, 1], &[7, 1], mask) };
            check(whole, &[&[random(&[8, 12], 0)], tables].concat());
            let first = || Attention { relative, ..attention(2, &[1, 1], &[6, 3], mask) };
            check(first, &[&[random(&[2, 4], 0), random(&[9, 8], 1)], tables].concat());
        }
    }
}

#[test]
fn attention_with_a_bias_for_distances_is_right() {
    let bias = Some(DistanceBias { buckets: 8, max_distance: 6 });
    for dropped in [None, Some(mask(10, 0.3))] {
        for visible in [Mask::All, Mask::Window(2), Mask::Causal] {
            let own = [7, 1];
            let make = || Attention { bias, mask: visible, ..attention(2, &own, &own, dropped) };
            check(make, &[random(&[8, 12], 0), random(&[8, 2], 7)]);
        }
        let first = || Attention { bias, ..attention(3, &[1, 0, 1], &[9, 2, 3], dropped) };
        check(first, &[random(&[2, 6], 0), random(&[14, 12], 1), random(&[8, 3], 7)]);
        // Beside vectors for distances.
        let relative = Some(Relative {
            buckets: Buckets { span: 4, logarithmic: None },
            first_row: 0,
            rows: 8,
            content_to_position: true,
            position_to_content: false,
        });
        let both = || Attention { bias, relative, ..attention(2, &[5], &[5], dropped) };
        check(both, &[random(&[5, 12], 0), random(&[8, 4], 7), random(&[8, 2], 8)]);
    }
}

#[test]
fn a_bias_for_distances_is_added_to_the_scaled_scores_of_its_bucket() {
    // Without queries the probabilities are those of the biases alone, and the values tell them.
    let bias = Some(DistanceBias { buckets: 4, max_distance: 2 });
    let op = Attention { bias, ..attention(1, &[2], &[3], None) };
    let q = Tensor::zeros((2, 3), DType::F64, &CPU).unwrap();
    let kv = [[0., 0., 0., 1., 0., 0.], [0., 0., 0., 0., 1., 0.], [0., 0., 0., 0., 0., 1.]];
    let table = [[0.5f64], [-0.25], [9.0], [2.0]]; // the third row stands for no distance
    let inputs = [q, Tensor::new(&kv, &CPU).unwrap(), Tensor::new(&table, &CPU).unwrap()];
    let found = values(&op.reference(&inputs).unwrap());
    let expected = [[0.5f64, 2.0, 2.0], [-0.25, 0.5, 2.0]].map(|biases| {
        let shares = biases.map(f64::exp);
        shares.map(|share| share / shares.iter().sum::<f64>())
    });
    let far = found.iter().zip(expected.as_flattened()).map(|(a, b)| (a - b).abs());
    assert!(far.fold(0.0, f64::max) < 1e-12, "{found:?}");
}

#[test]
fn a_table_of_biases_must_fit() {
    let (qkv, table) = (random(&[3, 12], 0), |rows, heads| random(&[rows, heads], 1));
    let op = |buckets, max_distance, key_value_heads| Attention {
        bias: Some(DistanceBias { buckets, max_distance }),
        key_value_heads,
        ..attention(2, &[3], &[3], None)
    };
    assert!(op(8, 16, 2).reference(&[qkv.clone(), table(8, 2)]).is_ok());
    for (op, rest) in [
        (op(8, 16, 2), vec![]),
        (op(8, 16, 2), vec![table(7, 2)]),
        (op(8, 16, 2), vec![table(8, 1)]),
        (op(3, 16, 2), vec![table(3, 2)]),
        (op(8, 2, 2), vec![table(8, 2)]),
        (op(8, 16, 1), vec![table(8, 2)]),
    ] {
        let inputs = [vec![qkv.clone()], rest].concat();
        assert!(op.reference(&inputs).is_err(), "{op:?}");
    }
}

/// Heads that are turned by the angles of the base 100.
pub fn rotary(positions: Vec<u32>, columns: usize, head_width: usize) -> Rotary {
    let angles = Angles::new(&frequencies(100.0, head_width), &positions);
    Rotary { positions, columns, angles }
}

#[test]
fn turning_by_position_is_right() {
    for (width, columns, head_width) in [(12, 8, 4), (6, 6, 2), (7, 6, 6)] {
        let make = || rotary(vec![0, 1, 2, 0, 5], columns, head_width);
        check(make, &[random(&[5, width], 0)]);
    }
}

#[test]
fn angles_are_scaled_as_transformers_scales_them() {
    // Computed by transformers' `_compute_llama3_parameters` and its linear scaling.
    let scaled = |scaling: Scaling| -> Vec<f64> {
        frequencies(10_000.0, 8).into_iter().map(|frequency| scaling.of(frequency)).collect()
    };
    assert_eq!(scaled(Scaling::Linear(4.0)), [0.25, 0.025, 0.0025, 0.00025]);
    let llama3 = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_positions: 1024.0 };
    let turns = 1024.0 * 0.01 / std::f64::consts::TAU;
    let share = (turns - 1.0) / 3.0;
    let middle = (1.0 - share) * 0.01 / 8.0 + share * 0.01;
    for (found, expected) in scaled(llama3).into_iter().zip([1.0, 0.1, middle, 0.001 / 8.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}

#[test]
fn gates_are_right() {
    for activation in [Activation::Gelu, Activation::Silu] {
        check(|| Gated { activation }, &[random(&[19, 10], 0)]);
    }
}

#[test]
fn the_cross_entropy_is_right() {
    let classes = || vec![2, 0, 1, 2];
    check(|| CrossEntropy { classes: classes(), weight: 0.25 }, &[random(&[4, 3], 0)]);
    let uniform = CrossEntropy { classes: vec![1], weight: 1.0 };
    let loss =
        values(&uniform.reference(&[Tensor::zeros((1, 3), DType::F64, &CPU).unwrap()]).unwrap());
    assert!((loss[0] - 3f64.ln()).abs() < 1e-12);
    let wrong = CrossEntropy { classes: vec![3], weight: 1.0 };
    assert!(wrong.reference(&[random(&[1, 3], 0)]).is_err(), "a fourth class of three");
}

#[test]
fn the_error_of_differences_is_right() {
    let make = || SquaredDifferenceError {
        pairs: vec![(0, 1), (2, 0), (1, 1)],
        differences: vec![1.0, -2.0, 0.5],
        weight: 0.25,
    };
    check(make, &[random(&[3, 1], 0)]);
    let found = make().reference(&[Tensor::new(&[1f64, 0.5, -1.0], &CPU).unwrap()]).unwrap();
    assert!((values(&found)[0] - 0.25 * (0.25 + 0.0 + 0.25)).abs() < 1e-12);
}

#[test]
fn what_two_passes_say_is_held_against_each_other() {
    check(|| Divergence { weight: 0.5 }, &[random(&[4, 3], 0), random(&[4, 3], 1)]);
    let x = random(&[4, 3], 0);
    let same = Divergence { weight: 1.0 }.reference(&[x.clone(), (&x + 1.0).unwrap()]).unwrap();
    assert!(values(&same)[0].abs() < 1e-12, "logits that differ by a constant say the same");
    let logits = |p: f64| Tensor::new(&[[p.ln(), (1.0 - p).ln()]], &CPU).unwrap();
    let far = Divergence { weight: 1.0 }.reference(&[logits(0.75), logits(0.25)]).unwrap();
    assert!((values(&far)[0] - 0.5 * 3f64.ln()).abs() < 1e-12, "KL is the same both ways here");
    check(|| SquaredDistance { weight: 0.5 }, &[random(&[4, 1], 0), random(&[4, 1], 1)]);
}

#[test]
fn the_cross_entropy_of_relevance_is_that_of_two_classes() {
    let (logit, share) = (0.75f32, 0.2f32);
    let (params, nodes) = parameters(&[Tensor::new(&[[logit]], &CPU).unwrap()]);
    let tape = Tape::training(None);
    let classes = either(&tape, &nodes[0]).unwrap();
    let loss = soft_cross_entropy(&tape, &classes, &[[0.0, 1.0 - share, share]], 1.0).unwrap();
    let yes = 1.0 / (1.0 + (-logit).exp());
    let expected = -share * yes.ln() - (1.0 - share) * (1.0 - yes).ln();
    assert!((loss.tensor().to_scalar::<f32>().unwrap() - expected).abs() < 1e-6);
    let mut gradients = Gradients::default();
    tape.backward(&loss, &mut gradients).unwrap();
    let gradient = values(gradients.get(params.id(0)).unwrap().tensor())[0];
    assert!((gradient - f64::from(yes - share)).abs() < 1e-6, "{gradient}");
    assert!(Either.reference(&[random(&[1, 3], 0)]).is_err());
}

#[test]
fn the_losses_of_classes_and_utilities_are_right() {
    let shares = || vec![0.2, 0.3, 0.5, 0.0, 1.0, 0.0];
    let soft = || SoftCrossEntropy { shares: shares(), weight: 0.25 };
    check(soft, &[random(&[2, 3], 0)]);
    let hard = CrossEntropy { classes: vec![1], weight: 0.5 };
    let one_hot = SoftCrossEntropy { shares: vec![0.0, 1.0, 0.0], weight: 0.5 };
    let logits = [random(&[1, 3], 1)];
    let [hard, soft] =
        [hard.reference(&logits), one_hot.reference(&logits)].map(|it| values(&it.unwrap()));
    assert!((hard[0] - soft[0]).abs() < 1e-12);

    check(|| ExpectedUtility, &[random(&[4, 3], 2)]);
    let far = Tensor::new(&[[0f64, 0.0, 900.0], [900.0, 900.0, 0.0]], &CPU).unwrap();
    assert_eq!(values(&ExpectedUtility.reference(&[far]).unwrap()), [1.0, -0.5]);

    check(|| ContinuationRatio, &[random(&[4, 2], 3)]);
    let even = values(
        &ContinuationRatio.reference(&[Tensor::zeros((1, 2), DType::F64, &CPU).unwrap()]).unwrap(),
    );
    let shares = even.iter().map(|logarithm| logarithm.exp());
    assert!(
        shares.zip([0.5, 0.25, 0.25]).all(|(found, expected)| (found - expected).abs() < 1e-12)
    );
    let far = Tensor::new(&[[800f64, -800.0]], &CPU).unwrap();
    assert_eq!(values(&ContinuationRatio.reference(&[far]).unwrap()), [-800.0, 0.0, -800.0]);
    assert!(ContinuationRatio.reference(&[random(&[1, 3], 0)]).is_err());
}

fn log_probabilities_of(targets: &[u32], chunk: usize) -> LogProbabilities {
    let (targets, precision) = (targets.to_vec(), Precision::F32);
    LogProbabilities { targets, precision, chunk, packed_weights: None }
}

#[test]
fn log_probabilities_are_right_whatever_the_chunks() {
    let targets = [3, 0, 6, 3, 2];
    let inputs = [random(&[5, 4], 0), random(&[7, 4], 1)];
    for chunk in [1, 2, 3, 7, 2048] {
        check(|| log_probabilities_of(&targets, chunk), &inputs);
    }
    let wrong = log_probabilities_of(&[7, 0, 0, 0, 0], 3);
    assert!(wrong.reference(&inputs).is_err(), "an eighth token of seven");
    assert!(log_probabilities_of(&[1], 3).reference(&inputs).is_err(), "one token for five rows");
}

#[test]
fn a_weighted_sum_is_right() {
    check(|| WeightedSum { weights: vec![0.5, -1.0, 0.0] }, &[random(&[3], 0)]);
}

/// The loss of a language model with a table of more than one chunk, and its gradients.
fn large_loss(precision: Precision, threads: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (params, nodes) = parameters(&[random(&[300, 40], 0), random(&[4500, 40], 1)]);
    let targets: Vec<u32> = (0..300).map(|row| row * 7919 % 4500).collect();
    let weights: Vec<f32> = (0..300).map(|row| row as f32 / 300.0 - 0.3).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let tape = Tape::training(None).with_precision(precision);
        let loss = language_loss(&tape, &nodes[0], &nodes[1], &targets, &weights).unwrap();
        let mut gradients = Gradients::default();
        tape.backward(&loss, &mut gradients).unwrap();
        (
            values(loss.tensor()),
            gradients.of(&params).map(|(_, sum)| values(sum.tensor())).collect(),
        )
    })
}

#[test]
fn the_loss_of_a_language_model_depends_on_neither_threads_nor_the_rows_beside() {
    for precision in [Precision::F32, Precision::Bf16] {
        let one = large_loss(precision, 1);
        assert!(one == large_loss(precision, 2) && one == large_loss(precision, 5));
    }
    let (_, nodes) = parameters(&[random(&[300, 40], 0), random(&[4500, 40], 1)]);
    let targets: Vec<u32> = (0..300).map(|row| row * 7919 % 4500).collect();
    let tape = Tape::inference();
    let all = values(log_probabilities(&tape, &nodes[0], &nodes[1], &targets).unwrap().tensor());
    for row in [0, 17, 299] {
        let state = Node::constant(&nodes[0].tensor().narrow(0, row, 1).unwrap());
        let target = &targets[row..=row];
        let alone = log_probabilities(&tape, &state, &nodes[1], target).unwrap();
        // cuBLAS has other kernels for other numbers of rows.
        let (alone, within) =
            (values(alone.tensor())[0], if device().is_cpu() { 0.0 } else { 1e-6 });
        assert!((alone - all[row]).abs() <= within * all[row].abs(), "{alone} and {}", all[row]);
    }
}

#[test]
fn the_loss_of_a_language_model_in_bfloat16_rounds_its_factors_and_nothing_else() {
    let (exact, rounded) = (large_loss(Precision::F32, 2), large_loss(Precision::Bf16, 2));
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!((exact.0[0] / rounded.0[0] - 1.0).abs() < 1e-2 && exact.0 != rounded.0);
    for (exact, rounded) in exact.1.iter().zip(&rounded.1) {
        let far: Vec<f64> = exact.iter().zip(rounded).map(|(a, b)| a - b).collect();
        assert!(length(&far) < 2e-2 * length(exact), "{}", length(&far) / length(exact));
    }
}

#[test]
fn attention_survives_scores_of_any_size() {
    let large = (random(&[4, 4], 0) * 300.0).unwrap();
    let attention = attention(1, &[4], &[4], None);
    let weights = random(&[4, 4], 2);
    let (result, gradients) =
        on_tape(attention, &[large.clone(), Tensor::cat(&[&large, &large], 1).unwrap()], &weights);
    assert!(result.iter().chain(gradients.iter().flatten()).all(|x| x.is_finite()));
}

#[test]
fn looking_rows_up_is_right() {
    let ids = || vec![vec![2, 0, 2, 4], vec![1, 1, 0, 1]];
    for scale in [1.0, 0.75] {
        check(|| Lookup { ids: ids(), scale }, &[random(&[5, 3], 0), random(&[2, 3], 1)]);
    }
}

#[test]
fn dropout_is_right() {
    check(|| Dropout { mask: mask(4, 0.25) }, &[random(&[40, 3], 0)]);
}

#[test]
fn the_squared_error_is_right() {
    check(|| SquaredError { targets: vec![1.0, -1.0, 0.0], weight: 0.25 }, &[random(&[3, 1], 0)]);
}

#[test]
fn large_operations_do_not_depend_on_the_number_of_threads() {
    let (x, w, b) = (random(&[700, 96], 0), random(&[200, 96], 1), random(&[200], 2));
    let residual = random(&[700, 200], 7);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let layer = layer(Epilogue::AddResidual(Some(mask(7, 0.1))));
            let linear = on_tape(
                layer,
                &[&x, &w, &b, &residual].map(Tensor::clone),
                &random(&[700, 200], 3),
            );
            let norm = [x.clone(), random(&[96], 4), random(&[96], 5)];
            (linear, on_tape(Normalise { eps: 1e-12 }, &norm, &random(&[700, 96], 6)))
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

#[test]
fn dropout_drops_the_share_it_is_asked_to_and_keeps_the_expectation() {
    for probability in [0.1f32, 0.5] {
        let mut numbers = vec![1f32; 1 << 20];
        mask(6, probability).apply(0, &mut numbers);
        let dropped = numbers.iter().filter(|x| **x == 0.0).count() as f64 / numbers.len() as f64;
        let mean = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / numbers.len() as f64;
        assert!((dropped - f64::from(probability)).abs() < 2e-3, "{dropped} of {probability}");
        assert!((mean - 1.0).abs() < 3e-3, "mean {mean}");
    }
}

#[test]
fn a_mask_is_the_same_from_any_position_on() {
    let mut whole = vec![1f32; 2000];
    mask(8, 0.5).apply(0, &mut whole);
    for start in [1, 255, 256, 511, 512, 700] {
        let mut part = vec![1f32; 2000 - start];
        mask(8, 0.5).apply(start, &mut part);
        assert!(part == whole[start..], "from {start} on");
    }
}

#[test]
fn dropout_masks_differ_between_passes_and_places_and_repeat_for_the_same() {
    let draw = |pass: u64, place: usize| {
        let tape = Tape::training(Some(Noise::new(3, pass)));
        let mask = (0..=place).map(|_| tape.dropout_mask(0.5).unwrap()).last().unwrap();
        let mut numbers = vec![1f32; 4096];
        mask.apply(0, &mut numbers);
        numbers
    };
    let agreement =
        |a: &[f32], b: &[f32]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / 4096.0;
    assert_eq!(draw(1, 0), draw(1, 0));
    for (pass, place) in [(1, 1), (2, 0), (1 << 40, 0)] {
        let share = agreement(&draw(1, 0), &draw(pass, place));
        assert!((share - 0.5).abs() < 0.05, "pass {pass} place {place}: {share}");
    }
}

#[test]
fn an_inference_tape_neither_drops_nor_records() {
    assert!(Tape::inference().dropout_mask(0.5).is_none());
    assert!(Tape::training(None).dropout_mask(0.5).is_none());
    assert!(Tape::training(Some(Noise::new(0, 0))).dropout_mask(0.0).is_none());
}

#[test]
fn gradients_of_several_passes_add_up() {
    let table = random(&[6, 2], 0);
    let (params, nodes) = parameters(&[table]);
    let mut gradients = Gradients::default();
    for ids in [vec![1, 4], vec![4, 0, 4]] {
        let tape = Tape::training(None);
        let weights = Tensor::ones((ids.len(), 2), DType::F32, device()).unwrap();
        let rows = tape.apply(Lookup { ids: vec![ids], scale: 1.0 }, &[&nodes[0]]).unwrap();
        let loss = tape.apply(Weighted { weights }, &[&rows]).unwrap();
        tape.backward(&loss, &mut gradients).unwrap();
    }
    let sum = gradients.get(params.id(0)).unwrap().dense(params.var(0).shape()).unwrap();
    assert_eq!(
        sum.to_vec2::<f32>().unwrap().concat(),
        [1., 1., 1., 1., 0., 0., 0., 0., 3., 3., 0., 0.]
    );
}

/// `a * b`, number by number.
#[derive(Debug)]
struct Product;

impl Op for Product {
    fn reference(&self, inputs: &[Tensor]) -> candle_core::Result<Tensor> {
        &inputs[0] * &inputs[1]
    }
}

#[test]
fn two_networks_on_one_tape_keep_their_gradients_apart() {
    let (first, second) = (random(&[3, 4], 1), random(&[3, 4], 2));
    let ((a, a_nodes), (b, b_nodes)) =
        (parameters(std::slice::from_ref(&first)), parameters(std::slice::from_ref(&second)));
    let tape = Tape::training(None);
    let product = tape.apply(Product, &[&a_nodes[0], &b_nodes[0]]).unwrap();
    let weights = Tensor::ones((3, 4), DType::F32, device()).unwrap();
    let loss = tape.apply(Weighted { weights }, &[&product]).unwrap();
    let mut gradients = Gradients::default();
    tape.backward(&loss, &mut gradients).unwrap();
    let gradient = |params: &Params| -> Vec<Vec<f64>> {
        gradients.of(params).map(|(_, sum)| values(sum.tensor())).collect()
    };
    let rounded = |tensor: &Tensor| vec![values(&tensor.to_dtype(DType::F32).unwrap())];
    assert_eq!(gradient(&a), rounded(&second));
    assert_eq!(gradient(&b), rounded(&first));
}

#[test]
fn parameters_kept_in_bfloat16_compute_in_f32_what_they_are_rounded_to() {
    let sizes: [(&str, &[usize]); 2] = [("weight", &[6, 4]), ("bias", &[6])];
    let tensors = sizes.map(|(name, size)| (name.to_string(), random(size, 8)));
    let layer = |tensors: HashMap<String, Tensor>, dtype: DType| {
        let loader = Loader::new(tensors, 0, 0.0, device());
        let layer = Linear::load(&loader.required("").frozen(dtype), 4, 6).unwrap();
        (layer, loader.finish().0)
    };
    let rounded = |(name, tensor): &(String, Tensor)| {
        let narrow = tensor.to_dtype(DType::BF16).unwrap();
        (name.clone(), narrow.to_dtype(DType::F32).unwrap())
    };
    let (wide, _) = layer(tensors.iter().map(rounded).collect(), DType::F32);
    let (narrow, params) = layer(tensors.clone().into(), DType::BF16);
    assert!(params.iter().all(|(_, var)| var.dtype() == DType::BF16));
    let x = random(&[3, 4], 9).to_dtype(DType::F32).unwrap().to_device(device()).unwrap();
    let x = Node::constant(&x);
    for tape in [Tape::inference(), Tape::training(None)] {
        let [a, b] =
            [&wide, &narrow].map(|layer| values(layer.forward(&tape, &x).unwrap().tensor()));
        assert_eq!(a, b);
    }
}

#[test]
fn what_is_frozen_gets_no_gradient_and_does_not_move() {
    let tensors = HashMap::from(["w", "f"].map(|name| (name.to_string(), random(&[2, 2], 3))));
    let loader = Loader::new(tensors, 0, 0.0, device());
    let scope = loader.required("");
    let trained = scope.param("w", (2, 2), Init::Zeros).unwrap();
    let frozen = scope.frozen(DType::F32).param("f", (2, 2), Init::Zeros).unwrap();
    let (params, _) = loader.finish();
    let before: Vec<Vec<f64>> = params.iter().map(|(_, var)| values(var)).collect();
    let mut optimiser = AdamW::new(&params, TrainSettings::default().adamw()).unwrap();
    let tape = Tape::training(None);
    let product = tape.apply(Product, &[&trained, &frozen]).unwrap();
    let weights = Tensor::ones((2, 2), DType::F32, device()).unwrap();
    let loss = tape.apply(Weighted { weights }, &[&product]).unwrap();
    let mut gradients = Gradients::default();
    tape.backward(&loss, &mut gradients).unwrap();
    assert!(gradients.get(params.id(1)).is_none());
    optimiser.step(&params, &gradients, 0.1, 1.0).unwrap();
    let after: Vec<Vec<f64>> = params.iter().map(|(_, var)| values(var)).collect();
    assert!(before[0] != after[0] && before[1] == after[1]);
    let names: Vec<String> = optimiser.state(&params).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mean.w", "square.w"]);
}

#[test]
fn each_parameter_has_its_own_rate_and_the_means_follow_the_parameters() {
    let inputs = [random(&[2, 2], 3), random(&[2, 2], 3)];
    let (params, nodes) = parameters(&inputs);
    let settings = AdamWSettings { weight_decay: 0.1, ..TrainSettings::default().adamw() };
    let mut optimiser = AdamW::new(&params, settings).unwrap().with_rates(&[1.0, 0.25]);
    let average = Average::new(&params, 0.75).unwrap();
    let weights = Tensor::ones((2, 2), DType::F32, device()).unwrap();
    let mut means = values(&inputs[0]);
    let place = |index: usize| values(params.var(index));
    for step in 1..=40 {
        let before = [place(0), place(1)];
        let mut gradients = Gradients::default();
        for node in &nodes {
            let tape = Tape::training(None);
            let loss = tape.apply(Weighted { weights: weights.clone() }, &[node]).unwrap();
            tape.backward(&loss, &mut gradients).unwrap();
        }
        optimiser.step(&params, &gradients, 0.01, 0.0).unwrap();
        average.update(&params, step).unwrap();
        let moved = |index: usize, rate: f64| {
            let kept = before[index].iter().map(|x| x * (1.0 - 0.01 * rate * 0.1));
            kept.zip(place(index)).map(|(kept, now)| now - kept).collect::<Vec<f64>>()
        };
        for (whole, quarter) in moved(0, 1.0).iter().zip(moved(1, 0.25)) {
            assert!((whole / 4.0 - quarter).abs() < 1e-6, "{whole} {quarter}");
        }
        let decay = 0.75f64.min((1 + step) as f64 / (10 + step) as f64);
        for (mean, now) in means.iter_mut().zip(place(0)) {
            *mean = decay * *mean + (1.0 - decay) * now;
        }
    }
    let own = place(0);
    let shown = average.shown(&params, || place(0)).unwrap();
    assert!(shown.iter().zip(&means).all(|(found, mean)| (found - mean).abs() < 1e-5));
    assert!(place(0) == own && shown != own, "they come back");
}
