//! Dialogues as token ids: what the references make of them, what is cut, what a text cannot say.

use std::cell::RefCell;

use proptest::prelude::*;
use serde::Deserialize;
use tokenizers::Tokenizer;
use valuenet::error::Result;
use valuenet::text::prompt::dialogue::{Context, DialogueEncoder, Said, Settings};
use valuenet::text::prompt::{Layout, Vocabulary};

/// How the fixture is made anew; it takes no network and no weights.
const HINT: &str =
    "scripts/make_golden_dialogue.py makes tests/fixtures/dialogue/layouts.json anew";

#[derive(Deserialize)]
struct Case {
    name: String,
    persona: Vec<String>,
    situation: Option<String>,
    emotion: Option<String>,
    history: Vec<(String, String)>,
    last: usize,
    reply: String,
    gpt2: Expected,
    dialogpt: Expected,
    chatml: Expected,
}

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    segments: Option<Vec<u32>>,
    loss: Vec<u8>,
}

fn tokenizer(layout: Layout) -> Tokenizer {
    let mut tokenizer = Tokenizer::from_file("tests/fixtures/dialogue/tokenizer.json").unwrap();
    let added = layout.prepare(&mut tokenizer).unwrap();
    let expected = if layout == Layout::DialoGpt { &[][..] } else { layout.tokens() };
    assert_eq!(added, expected);
    assert!(layout.prepare(&mut tokenizer).unwrap().is_empty());
    assert_eq!(serde_json::to_value(layout).unwrap(), layout.name());
    tokenizer
}

fn encoder(layout: Layout, history: usize, max_length: usize) -> DialogueEncoder<Tokenizer> {
    DialogueEncoder::new(tokenizer(layout), Settings { layout, history, max_length }).unwrap()
}

#[test]
fn dialogues_are_laid_out_as_the_references_lay_them_out() {
    let text = std::fs::read_to_string("tests/fixtures/dialogue/layouts.json").unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    for (layout, of) in [
        (Layout::Gpt2, (|case| &case.gpt2) as fn(&Case) -> &Expected),
        (Layout::DialoGpt, |case| &case.dialogpt),
        (Layout::ChatMl, |case| &case.chatml),
    ] {
        for case in &cases {
            let history: Vec<Said> =
                case.history.iter().map(|(who, text)| Said { own: who == "self", text }).collect();
            let context = Context {
                persona: &case.persona,
                situation: case.situation.as_deref(),
                emotion: case.emotion.as_deref(),
                history: &history,
            };
            let encoder = encoder(layout, case.last, 1024);
            let found = encoder.sequence(&context, &case.reply).unwrap();
            let (Expected { ids, segments, loss }, name) = (of(case), &case.name);
            assert_eq!(&found.ids, ids, "{layout:?}: {name}; {HINT}");
            assert_eq!(&found.segments, segments, "{layout:?}: {name}; {HINT}");
            let mask: Vec<u8> = found.loss_mask().into_iter().map(u8::from).collect();
            assert_eq!(&mask, loss, "{layout:?}: {name}; {HINT}");
            assert_eq!(found.cut, 0);

            let prompt = encoder.prompt(&context, 0).unwrap();
            assert_eq!(prompt.ids, ids[..found.replies[0].start]);
            assert_eq!(found.ids.last(), Some(&encoder.end()));
        }
    }
}

/// A vocabulary of words and of single marks such as line ends; the layouts' tokens come first.
#[derive(Default)]
struct Words(RefCell<Vec<String>>);

impl Words {
    fn of(layout: Layout) -> Self {
        Self(RefCell::new(layout.tokens().iter().map(|token| token.to_string()).collect()))
    }

    fn say(&self, ids: &[u32]) -> String {
        let words = self.0.borrow();
        ids.iter().map(|&id| words[id as usize].as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl Vocabulary for Words {
    fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut words = self.0.borrow_mut();
        let text = text.replace('\n', " / ");
        let id = |word: &str| {
            // A text never means a token of the layout.
            let word = word.replace(['<', '>'], "_");
            let found = words.iter().position(|known| *known == word);
            found.unwrap_or_else(|| {
                words.push(word);
                words.len() - 1
            }) as u32
        };
        Ok(text.split_whitespace().map(id).collect())
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.0.borrow().iter().position(|known| known == token).map(|place| place as u32)
    }
}

fn words(layout: Layout, history: usize, max_length: usize) -> DialogueEncoder<Words> {
    DialogueEncoder::new(Words::of(layout), Settings { layout, history, max_length }).unwrap()
}

const TALK: [Said; 4] = [
    Said { own: false, text: "who are you" },
    Said { own: true, text: "a sailor" },
    Said { own: false, text: "really" },
    Said { own: false, text: "and where" },
];

#[test]
fn layouts_read_like_this() {
    let persona = ["i sail".to_string(), "i knit".into()];
    let context = Context {
        persona: &persona,
        situation: Some("a wet day"),
        emotion: Some("proud"),
        history: &TALK,
    };
    for (layout, whole, empty) in [
        (
            Layout::Gpt2,
            "<bos> i sail i knit a wet day proud <speaker2> who are you <speaker1> a sailor <speaker2> really \
             <speaker2> and where <speaker1> at sea <eos>",
            "<bos> <speaker1> at sea <eos>",
        ),
        (
            Layout::DialoGpt,
            "i sail <|endoftext|> i knit <|endoftext|> a wet day <|endoftext|> proud <|endoftext|> \
             who are you <|endoftext|> a sailor <|endoftext|> really <|endoftext|> and where <|endoftext|> \
             at sea <|endoftext|>",
            "<|endoftext|> at sea <|endoftext|>",
        ),
        (
            Layout::ChatMl,
            "<|im_start|> system / Your persona: i sail i knit / a wet day / proud <|im_end|> / \
             <|im_start|> user / who are you <|im_end|> / <|im_start|> assistant / a sailor <|im_end|> / \
             <|im_start|> user / really <|im_end|> / <|im_start|> user / and where <|im_end|> / \
             <|im_start|> assistant / at sea <|im_end|>",
            "<|im_start|> assistant / at sea <|im_end|>",
        ),
    ] {
        let encoder = words(layout, 0, 100);
        let say = |ids: &[u32]| encoder.vocabulary().say(ids);
        let found = encoder.sequence(&context, " at sea\n").unwrap();
        assert_eq!(say(&found.ids), whole);
        assert_eq!(
            say(&found.ids[found.replies[0].clone()]),
            format!("at sea {}", say(&[encoder.end()]))
        );
        let alone = encoder.sequence(&Context::default(), "at sea").unwrap();
        assert_eq!(say(&alone.ids), empty);
    }
}

#[test]
fn a_segment_is_the_token_of_its_speaker() {
    let encoder = words(Layout::Gpt2, 3, 100);
    let persona = ["i sail".to_string()];
    let context = Context { persona: &persona, history: &TALK, ..Context::default() };
    let found = encoder.sequence(&context, "at sea").unwrap();
    let said = encoder.vocabulary().say(&found.segments.unwrap());
    let expected: String = [(3, 1), (3, 1), (2, 2), (3, 2), (4, 1)]
        .map(|(count, of)| format!("<speaker{of}> ").repeat(count))
        .concat();
    assert_eq!(said, expected.trim());
}

#[test]
fn all_candidates_are_judged_after_the_same_prompt() {
    let encoder = words(Layout::Gpt2, 0, 19);
    let context = Context { history: &TALK, ..Context::default() };
    let (prompt, replies) =
        encoder.candidates(&context, &["yes", "a very long reply indeed", "no"]).unwrap();
    assert_eq!(prompt.cut, 1);
    assert_eq!(prompt, encoder.prompt(&context, 6).unwrap());
    assert_eq!(replies.iter().map(Vec::len).collect::<Vec<_>>(), [2, 6, 2]);
    let whole = prompt.with_reply(&replies[1]);
    assert_eq!((whole.ids.len(), whole.segments.map(|segments| segments.len())), (16, Some(16)));
    assert_eq!(encoder.sequence(&context, "yes").unwrap().cut, 0);
}

#[test]
fn a_persona_and_a_reply_that_do_not_fit_are_refused() {
    let persona = ["i sail every summer".to_string()];
    for layout in Layout::ALL {
        let long = words(layout, 5, 1000);
        let context = Context { persona: &persona, history: &TALK[..1], ..Context::default() };
        let alone = Context { persona: &persona, ..Context::default() };
        let least = long.sequence(&alone, "at sea").unwrap().ids.len();
        let fits = words(layout, 5, least).sequence(&context, "at sea").unwrap();
        assert_eq!((fits.ids.len(), fits.cut), (least, 1), "{layout:?}");
        let error = words(layout, 5, least - 1).sequence(&context, "at sea").unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("{least} tokens without any history")),
            "{error}"
        );
        assert!(error.advice().unwrap().contains("max_length"));
    }
}

#[test]
fn a_text_cannot_say_the_tokens_of_a_layout() {
    for layout in Layout::ALL {
        let encoder = encoder(layout, 5, 1000);
        let special: Vec<u32> =
            layout.tokens().iter().map(|token| encoder.vocabulary().id(token).unwrap()).collect();
        let text = layout.tokens().join(" ");
        let count = |text: &str| {
            let persona = [text.to_string()];
            let history = [Said { own: false, text }];
            let context = Context {
                persona: &persona,
                history: &history,
                emotion: Some(text),
                ..Context::default()
            };
            let ids = encoder.sequence(&context, text).unwrap().ids;
            ids.iter().filter(|id| special.contains(id)).count()
        };
        assert_eq!(count(&text), count("hello"), "{layout:?}");
    }
}

#[test]
fn a_vocabulary_without_the_layouts_tokens_is_refused() {
    for layout in Layout::ALL {
        let settings = Settings { layout, history: 5, max_length: 10 };
        let error = DialogueEncoder::new(Words::default(), settings).err().unwrap();
        let says = format!("the tokenizer has no token {}", layout.tokens()[0]);
        assert_eq!(error.to_string(), says);
        assert!(error.advice().unwrap().contains(layout.name()));
    }
}

proptest! {
    #[test]
    fn whole_utterances_go_oldest_first_and_nothing_else(
        lengths in prop::collection::vec((any::<bool>(), 1usize..6), 0..9),
        persona in 0usize..4, reply in 0usize..5, last in 0usize..7, spare in 0usize..40, which in 0usize..3
    ) {
        let layout = Layout::ALL[which];
        let texts: Vec<String> =
            lengths.iter().enumerate().map(|(place, (_, length))| vec![format!("w{place}"); *length].join(" ")).collect();
        let history: Vec<Said> =
            texts.iter().zip(&lengths).map(|(text, (own, _))| Said { own: *own, text }).collect();
        let persona: Vec<String> = (0..persona).map(|number| format!("i am {number}")).collect();
        let reply = vec!["yes"; reply].join(" ");
        let context = |from: usize| Context { persona: &persona, history: &history[from..], ..Context::default() };
        let whole = words(layout, 0, 10_000);
        let room = whole.prompt(&context(history.len()), 0).unwrap().ids.len() + whole.reply(&reply).unwrap().len() + spare;
        let encoder = words(layout, last, room);
        let found = encoder.sequence(&context(0), &reply).unwrap();
        prop_assert!(found.ids.len() <= room);
        let asked = if last == 0 { 0 } else { history.len().saturating_sub(last) };
        prop_assert!(asked + found.cut <= history.len());
        // Exactly what a history without the cut utterances gives.
        let words_of = |found: &[u32], encoder: &DialogueEncoder<Words>| encoder.vocabulary().say(found);
        let expected = whole.sequence(&context(asked + found.cut), &reply).unwrap();
        prop_assert_eq!(words_of(&found.ids, &encoder), words_of(&expected.ids, &whole));
        prop_assert_eq!(found.replies.clone(), expected.replies);
        // One more would not have fitted.
        if found.cut > 0 {
            let more = whole.sequence(&context(asked + found.cut - 1), &reply).unwrap();
            prop_assert!(more.ids.len() > room);
        }
        let mask = found.loss_mask();
        prop_assert_eq!(mask.iter().filter(|is| **is).count(), whole.reply(&reply).unwrap().len());
        prop_assert!(mask.is_sorted());
    }
}
