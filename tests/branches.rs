//! Several replies to one prompt, which is read once: the same numbers as with a copy of the prompt
//! before each.

use valuenet::nn::attention::{Attention, BranchedAttention, Mask};
use valuenet::nn::gradients::Gradients;
use valuenet::nn::tape::Tape;
use valuenet::text::PackedBatch;
use valuenet::text::prompt::branches::Branches;
use valuenet::text::prompt::dialogue::Prompt;

use crate::golden::{distance, numbers, pack};
use crate::language::Golden;
use crate::ops::{check, offsets, random};

#[test]
fn branched_attention_is_right() {
    let causal = |heads, key_value_heads, lengths: &[usize]| Attention {
        key_value_heads,
        mask: Mask::Causal,
        ..Attention::new(heads, offsets(lengths), offsets(lengths))
    };
    for (heads, keys, width) in [(2, 2, 3), (4, 2, 2)] {
        // A text of four rows, three that go on from some of it, and one of its own.
        let prefixes = [None, Some((0, 2)), Some((0, 4)), Some((0, 2)), None];
        let own = causal(heads, keys, &[4, 1, 3, 2, 3]);
        let make = || BranchedAttention::new(&own, prefixes.into()).unwrap();
        check(make, &[random(&[13, (heads + 2 * keys) * width], 0)]);
    }
    let own = causal(1, 1, &[2, 3]);
    for wrong in [[None, Some((0, 3))], [None, Some((1, 1))], [Some((2, 1)), Some((0, 1))]] {
        assert!(BranchedAttention::new(&own, wrong.into()).is_err(), "{wrong:?}");
    }
}

/// Prompts that begin with one another, and one that does not, with two replies each.
fn answered(golden: &Golden) -> Vec<(Prompt, Vec<Vec<u32>>)> {
    let sequences = golden.sequences();
    let longest = sequences.iter().max_by_key(|ids| ids.len()).unwrap();
    let other = sequences.iter().find(|ids| ids[..2] != longest[..2]).unwrap();
    let prompt = |ids: &[u32]| {
        let segments = ids.iter().map(|id| id % 2).collect();
        let segments = (golden.name == "gpt2").then_some((segments, 5));
        Prompt { ids: ids.into(), segments, cut: 0 }
    };
    let reply = |first: u32| vec![vec![first, 4, 7], vec![first + 1]];
    vec![
        (prompt(&longest[..2]), reply(3)),
        (prompt(&longest[..6]), reply(8)),
        (prompt(&other[..2]), reply(5)),
    ]
}

#[test]
fn what_prompts_share_stands_once() {
    let of = |ids: &[u32]| Prompt { ids: ids.into(), segments: None, cut: 0 };
    let prompts = [of(&[1, 2]), of(&[1, 2, 3]), of(&[9])];
    let replies = vec![vec![4, 5], vec![6]];
    let answered: Vec<_> = prompts.iter().map(|prompt| (prompt, replies.as_slice())).collect();
    let Branches { batch, targets } = Branches::new(&answered);
    assert_eq!(batch.ids, [1, 2, 3, 4, 5, 6, 4, 5, 6, 9, 4, 5, 6]);
    assert_eq!(batch.positions, [0, 1, 2, 2, 3, 2, 3, 4, 3, 0, 1, 2, 1]);
    assert_eq!(targets, [3, 4, 5, 6, 7, 8, 10, 11, 12]);
    let before: Vec<Option<usize>> =
        targets.iter().map(|&row| batch.row_before(row as usize)).collect();
    assert_eq!(before, [1, 3, 1, 2, 6, 2, 9, 10, 9].map(Some));
    assert_eq!(batch.row_before(9), None);
}

#[test]
fn replies_to_a_prompt_that_is_read_once_have_the_same_loss_and_gradients() {
    for golden in Golden::all() {
        let answered = answered(&golden);
        let views: Vec<_> = answered.iter().map(|(it, replies)| (it, &replies[..])).collect();
        let Branches { batch, targets } = Branches::new(&views);
        let weights: Vec<f32> = (0..targets.len()).map(|i| 0.1 * i as f32 - 0.4).collect();
        let mut rows = vec![0.0; batch.ids.len()];
        targets.iter().zip(&weights).for_each(|(&row, &weight)| rows[row as usize] = weight);

        let mut copies = Vec::new();
        let (mut segments, mut copied_rows, mut next) = (Vec::new(), Vec::new(), weights.iter());
        for (prompt, replies) in &answered {
            for reply in replies {
                copies.push([&prompt.ids[..], reply].concat());
                let (of_prompt, own) = prompt.segments.clone().unwrap_or_default();
                segments.extend([of_prompt, vec![own; reply.len()]].concat());
                copied_rows.extend(vec![0.0; prompt.ids.len()]);
                copied_rows.extend(next.by_ref().take(reply.len()));
            }
        }
        let segments = (golden.name == "gpt2").then_some(segments);
        let copied = PackedBatch { segments, ..pack(&copies) };

        let learned = |batch: &PackedBatch, weights: &[f32]| {
            let tape = Tape::training(None);
            let loss = golden.model.network().loss(&tape, batch, weights).unwrap();
            let mut gradients = Gradients::default();
            tape.backward(&loss, &mut gradients).unwrap();
            (numbers(&loss)[0], gradients)
        };
        let ((loss, shared), (expected, own)) =
            (learned(&batch, &rows), learned(&copied, &copied_rows));
        assert!((loss / expected - 1.0).abs() < 1e-5, "{}: {loss}, not {expected}", golden.name);
        let params = golden.model.network().params();
        for index in 0..params.len() {
            let of = |gradients: &Gradients| {
                let shape = params.var(index).shape();
                let dense = gradients.get(params.id(index)).unwrap().dense(shape).unwrap();
                dense.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            let (found, expected) = (of(&shared), of(&own));
            let largest = expected.iter().fold(1e-4f32, |most, x| most.max(x.abs()));
            let far = distance(&found, &expected) / largest;
            assert!(far < 1e-4, "{}: parameter {index} is {far:e} off", golden.name);
        }
    }
}
