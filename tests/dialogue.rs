//! Conversations: every format read and broken, what is written, candidates, counts, the verbs.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use valuenet::data::conversation::candidates::{self, OTHERS, draw};
use valuenet::data::conversation::empathetic::EMOTIONS;
use valuenet::data::conversation::normalize::{normalized, words};
use valuenet::data::conversation::stats::stats;
use valuenet::data::conversation::{self, Conversation, Place, Speaker, Turn, to_json_lines};
use valuenet::data::dialogue;
use valuenet::error::{Kind, Result};

use crate::support::{assert_fails, folder, stderr, stdout, valuenet, write};

fn read(text: impl AsRef<[u8]>) -> Result<Vec<Conversation>> {
    conversation::read(Path::new("d"), text.as_ref())
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

fn turn(speaker: Speaker, text: &str, candidates: &[&str]) -> Turn {
    Turn { speaker, text: text.into(), candidates: owned(candidates) }
}

fn other(text: &str) -> Turn {
    turn(Speaker::Other, text, &[])
}

fn own(text: &str) -> Turn {
    turn(Speaker::Own, text, &[])
}

/// What all formats can say.
fn sailor(place: Place) -> Conversation {
    Conversation {
        place,
        id: None,
        split: None,
        persona: owned(&["i sail every summer .", "i have two cats ."]),
        partner_persona: Vec::new(),
        emotion: None,
        situation: None,
        turns: vec![
            other("hello , who are you ?"),
            turn(Speaker::Own, "a sailor .", &["no idea .", "who ?", "a sailor ."]),
            other("do you like the sea ?"),
            own("very much ."),
        ],
    }
}

const CONVAI2: &str = "\
1 your persona: i sail every summer .
2 your persona: i have two cats .
3 hello , who are you ?\ta sailor .\t\tno idea .|who ?|a sailor .
4 do you like the sea ?\tvery much .
";

const TRANSFER: &str = r#"{"train": [], "valid": [{
  "personality": ["i sail every summer .", "i have two cats ."],
  "utterances": [
    {"candidates": ["no idea .", "who ?", "a sailor ."], "history": ["hello , who are you ?"]},
    {"candidates": ["very much ."],
     "history": ["hello , who are you ?", "a sailor .", "do you like the sea ?"]}
  ]
}]}"#;

const JSON_LINE: &str = concat!(
    r#"{"persona": ["i sail every summer .", "i have two cats ."], "turns": ["#,
    r#"{"who": "other", "text": "hello , who are you ?"}, "#,
    r#"{"who": "self", "text": "a sailor .", "candidates": ["no idea .", "who ?", "a sailor ."]}, "#,
    r#"{"who": "other", "text": "do you like the sea ?"}, {"who": "self", "text": "very much ."}]}"#,
    "\n"
);

const HEADER: &str = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n";

#[test]
fn all_formats_say_the_same() {
    assert_eq!(read(CONVAI2).unwrap(), [sailor(Place::Line(1))]);
    assert_eq!(read(JSON_LINE).unwrap(), [sailor(Place::Line(1))]);
    let expected = Conversation {
        split: Some("valid".into()),
        ..sailor(Place::Entry { part: "valid", number: 1 })
    };
    assert_eq!(read(TRANSFER).unwrap(), [expected]);
    // Line ends, a byte order mark, blank lines, and blanks around texts change nothing.
    for text in [CONVAI2, TRANSFER, JSON_LINE] {
        let windows = format!("\u{feff}{}\r\n", text.replace('\n', "\r\n"));
        assert_eq!(read(&windows).unwrap(), read(text).unwrap(), "{text}");
        let blank = format!("{text}\n\n");
        assert_eq!(read(&blank).unwrap(), read(text).unwrap(), "{text}");
    }
}

#[test]
fn a_listener_replies_to_a_speaker_who_tells_of_an_emotion() {
    let text = format!(
        "{HEADER}\
         hit:1_conv:2,1,proud,I \"won\"_comma_ at last.,7,It was \"me\"_comma_ me_pipe_you.,5|5|5_2|2|2,\n\
         hit:1_conv:2,2,proud,I \"won\"_comma_ at last.,3,Well done! ,5|5|5_2|2|2,\n\
         hit:1_conv:9,1,sad,Rain_comma_ again.,3,It rains.,,,why?|so?\n\
         hit:1_conv:9,2,sad,Rain_comma_ again.,7,It does_comma_ yes.,,,why_comma_ so?|It does_comma_ yes.|so?\n"
    );
    let found = read(&text).unwrap();
    let conversation = |line, id: &str, emotion: &str, situation: &str, turns| Conversation {
        place: Place::Line(line),
        id: Some(id.into()),
        emotion: Some(emotion.into()),
        situation: Some(situation.into()),
        persona: Vec::new(),
        turns,
        ..sailor(Place::Line(0))
    };
    let expected = [
        conversation(
            2,
            "hit:1_conv:2",
            "proud",
            "I \"won\", at last.",
            vec![other("It was \"me\", me|you."), own("Well done!")],
        ),
        conversation(
            4,
            "hit:1_conv:9",
            "sad",
            "Rain, again.",
            vec![
                other("It rains."),
                turn(Speaker::Own, "It does, yes.", &["why, so?", "so?", "It does, yes."]),
            ],
        ),
    ];
    assert_eq!(found, expected);
    assert_eq!(read(text.replace('\n', "\r\n")).unwrap(), expected);
    assert!(EMOTIONS.is_sorted());
}

#[test]
fn nobody_speaks_where_there_is_silence() {
    let convai = "1 your persona: i knit .\n2 __SILENCE__\thello !\n3 hi .\tbye .\n";
    let turns = [own("hello !"), other("hi ."), own("bye .")];
    assert_eq!(read(convai).unwrap()[0].turns, turns);
    let transfer = r#"{"train": [{"personality": ["i knit ."], "utterances": [
        {"candidates": ["no", "hello !"], "history": ["__ SILENCE __"]},
        {"candidates": ["no", "bye ."], "history": ["__ SILENCE __", "hello !", "hi ."]}]}]}"#;
    let found = &read(transfer).unwrap()[0].turns;
    assert_eq!(
        found.iter().map(|turn| &turn.text).collect::<Vec<_>>(),
        ["hello !", "hi .", "bye ."]
    );
    let without = transfer.replace("\"__ SILENCE __\", ", "").replace("\"__ SILENCE __\"", "");
    assert_eq!(&read(without).unwrap()[0].turns, found);
}

#[test]
fn convai2_names_both_personas_and_may_give_rewards() {
    let text = "1 partner's persona: i bake .\n2 your persona: i knit .\n3 a\tb\t0\n4 c\td\t1.5\te|d\n5 f\tg\th|g\n\
                1 i\tj\n";
    let found = read(text).unwrap();
    assert_eq!(
        (&found[0].persona, &found[0].partner_persona),
        (&owned(&["i knit ."]), &owned(&["i bake ."]))
    );
    let candidates: Vec<usize> =
        found[0].examples().map(|example| example.reply().candidates.len()).collect();
    assert_eq!(candidates, [0, 2, 2]);
    assert_eq!((found.len(), &found[1].place, found[1].persona.len()), (2, &Place::Line(6), 0));
}

#[test]
fn an_example_is_each_own_utterance_with_what_was_said_before() {
    let conversation = sailor(Place::Line(1));
    let examples: Vec<_> = conversation.examples().collect();
    let texts: Vec<&str> = examples.iter().map(|one| one.reply().text.as_str()).collect();
    assert_eq!(texts, ["a sailor .", "very much ."]);
    assert_eq!(examples[0].history(), &conversation.turns[..1]);
    assert_eq!(examples[1].history(), &conversation.turns[..3]);
}

#[test]
fn the_reward_takes_the_own_speaker_of_every_format() {
    let of = |text: &str| dialogue::read(Path::new("d"), text.as_bytes()).unwrap();
    for text in [CONVAI2, TRANSFER, JSON_LINE] {
        let found = of(text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].persona.len()), (1, 2));
        assert_eq!(found[0].utterances, ["a sailor .", "very much ."]);
    }
    let nobody = TRANSFER.replace("\"i sail every summer .\", \"i have two cats .\"", "");
    let error = dialogue::read(Path::new("d"), nobody.as_bytes()).unwrap_err();
    let says = "d: dialogue 1 of \"valid\": the dialogue that begins here has no persona sentence";
    assert_eq!(error.to_string(), says);
}

/// Asserts that each text is refused as bad data with a remedy, in these words from the start.
fn assert_refused(cases: &[(&str, &str)]) {
    for (text, says) in cases {
        let error = read(text).unwrap_err();
        assert!(error.to_string().starts_with(says), "{text:?}: {error}");
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.advice().is_some(), "{text:?}");
    }
}

#[test]
fn convai2_that_is_broken_is_refused_by_its_line() {
    assert_refused(&[
        ("", "d: there is no dialogue in this file"),
        ("your persona: i knit .", "d:1: this is no dialogue"),
        ("1 your persona: a\nx b\tc", "d:2: this is no dialogue"),
        ("1 your persona: a\n-2 b\tc", "d:2: this is no dialogue"),
        (
            "1 your persona: a\n2 only one column",
            "d:2: neither a persona sentence nor two utterances",
        ),
        ("1 your persona: a\n2 b\tc\t0\td|c\te", "d:2: 5 columns, and there are four at most"),
        ("1 your persona: \n2 b\tc", "d:1: the persona sentence is blank"),
        ("1 partner's persona:\n2 b\tc", "d:1: the partner's persona sentence is blank"),
        ("1 your persona: a\n2 \tc", "d:2: the partner's utterance is blank"),
        ("1 your persona: a\n2 b\t ", "d:2: the own utterance is blank"),
        ("1 your persona: a\n2 b\tc\tmany", "d:2: the reward \"many\" is not a number"),
        ("1 a\tb\t\td|e", "d:1: the last candidate is not the reply"),
        ("1 a\tb\t\td||b", "d:1: candidate 2 is blank"),
        ("1 a\tb\t\tb", "d:1: the reply is the only candidate"),
        (
            "1 your persona: a\n2 your persona: b\n1 c\td",
            "d:1: the dialogue that begins here has no utterance",
        ),
        ("1 a\tb\n1 your persona: c\n", "d:2: the dialogue that begins here has no utterance"),
    ]);
}

#[test]
fn transfer_learning_json_that_is_broken_is_refused_by_its_dialogue() {
    let dialogue = |personality: &str, utterances: &str| {
        format!(r#"{{"train": [{{"personality": {personality}, "utterances": {utterances}}}]}}"#)
    };
    let of = |utterances: &str| dialogue(r#"["a"]"#, utterances);
    let first = r#"{"candidates": ["x", "b"], "history": ["h"]}"#;
    let second =
        |history: &str| of(&format!(r#"[{first}, {{"candidates": ["y"], "history": {history}}}]"#));
    let cases = [
        ("{\"train\": [".to_string(), "d:1: dialogue 1: EOF while parsing"),
        (
            "{\"train\": 3}".to_string(),
            "d:1: invalid type: integer `3`, expected a list of dialogues",
        ),
        ("{\"train\": [], \"extra\": []}".into(), "d:1: unknown field `extra`"),
        ("{\"train\": []}".into(), "d: there is no dialogue in this file"),
        (
            "{\"train\": [],\n\"valid\": [{\"utterances\": []}]}".into(),
            "d:2: dialogue 1: missing field `personality`",
        ),
        (
            format!(
                "{{\"valid\": [{{\"personality\": [], \"utterances\": [{first}]}},\n{{\"personality\": 1}}]}}"
            ),
            "d:2: dialogue 2: invalid type: integer `1`",
        ),
        (of("[]"), "d: dialogue 1 of \"train\": the dialogue that begins here has no utterance"),
        (
            dialogue(r#"["a", " "]"#, "[]"),
            "d: dialogue 1 of \"train\": sentence of \"personality\" 2 is blank",
        ),
        (
            of(r#"[{"candidates": [], "history": ["h"]}]"#),
            "d: dialogue 1 of \"train\": utterance 1: \"candidates\" is empty",
        ),
        (
            of(r#"[{"candidates": ["x", ""], "history": ["h"]}]"#),
            "d: dialogue 1 of \"train\": utterance 1: the last candidate, which is the reply, is blank",
        ),
        (
            of(r#"[{"candidates": ["", "b"], "history": ["h"]}]"#),
            "d: dialogue 1 of \"train\": utterance 1: candidate 1 is blank",
        ),
        (
            of(r#"[{"candidates": ["b"], "history": [" "]}]"#),
            "d: dialogue 1 of \"train\": utterance 1: the last of \"history\" is blank",
        ),
        (
            of(r#"[{"candidates": ["b"], "history": ["h", "i", "j"]}]"#),
            "d: dialogue 1 of \"train\": utterance 1: \"history\" goes on with 3 utterances, not one",
        ),
        (
            second(r#"["h", "b"]"#),
            "d: dialogue 1 of \"train\": utterance 2: \"history\" goes on with 0",
        ),
        (
            second(r#"["h", "x", "k"]"#),
            "d: dialogue 1 of \"train\": utterance 2: \"history\" does not begin with that",
        ),
        (
            second(r#"["k"]"#),
            "d: dialogue 1 of \"train\": utterance 2: \"history\" does not begin with that",
        ),
    ];
    assert_refused(&cases.each_ref().map(|(text, says)| (text.as_str(), *says)));
}

#[test]
fn json_lines_that_are_broken_are_refused_by_their_line() {
    let turns = |turns: &str| format!("\n{{\"turns\": [{turns}]}}");
    let cases = [
        ("\n{\"persona\": [\"a\"".to_string(), "d:2: EOF while parsing a list"),
        ("{}".into(), "d:1: missing field `turns` or `utterances`"),
        ("{\"turns\": [], \"utterances\": []}".into(), "d:1: both `turns` and `utterances`"),
        (
            "{\"persona\": \"a\", \"utterances\": []}".into(),
            "d:1: invalid type: string \"a\", expected a sequence",
        ),
        ("{\"utterances\": []}".into(), "d:1: the dialogue that begins here has no utterance"),
        ("{\"utterances\": [\"a\", \"\\t\"]}".into(), "d:1: utterance 2 is blank"),
        (
            "{\"persona\": [\"\"], \"utterances\": [\"a\"]}".into(),
            "d:1: persona sentence 1 is blank",
        ),
        (
            "{\"partner_persona\": [\"\"], \"utterances\": [\"a\"]}".into(),
            "d:1: partner's persona sentence 1 is blank",
        ),
        ("{\"emotion\": \" \", \"utterances\": [\"a\"]}".into(), "d:1: `emotion` is blank"),
        (
            "{\"situation\": 3, \"utterances\": [\"a\"]}".into(),
            "d:1: invalid type: integer `3`, expected a string",
        ),
        (
            turns("{\"who\": \"me\", \"text\": \"a\"}"),
            "d:2: unknown variant `me`, expected `self` or `other`",
        ),
        (turns("{\"who\": \"self\"}"), "d:2: missing field `text`"),
        (turns("{\"who\": \"self\", \"text\": \" \"}"), "d:2: utterance 1 is blank"),
        (
            turns("{\"who\": \"self\", \"text\": \"a\", \"candidate\": []}"),
            "d:2: unknown field `candidate`",
        ),
        (
            turns("{\"who\": \"other\", \"text\": \"a\", \"candidates\": [\"b\", \"a\"]}"),
            "d:2: utterance 1 has candidates, but is the other's",
        ),
        (
            turns("{\"who\": \"self\", \"text\": \"a\", \"candidates\": [\"a\", \"b\"]}"),
            "d:2: utterance 1: the last candidate is not the reply",
        ),
        ("{\"utterances\": [\"a\"]} {}".into(), "d:1: trailing characters"),
    ];
    assert_refused(&cases.each_ref().map(|(text, says)| (text.as_str(), *says)));
}

#[test]
fn empathetic_dialogues_that_are_broken_are_refused_by_their_line() {
    let of = |rows: &[&str]| HEADER.to_string() + &rows.join("\n");
    let (first, second) = ("c:1,1,sad,p,0,a,,", "c:1,2,sad,p,1,b,,");
    let cases = [
        (
            "conv_id,utterance,context\n".to_string(),
            "d:1: the header is \"conv_id,utterance,context\", not",
        ),
        (HEADER.into(), "d: there is no dialogue in this file"),
        (of(&["c:1,1,sad,p,0,a,"]), "d:2: 7 cells, and there are 8 or 9"),
        (of(&[first, "c:1,2,sad,p,1,b, and a comma,,x,y"]), "d:3: 10 cells, and there are 8 or 9"),
        (of(&[",1,sad,p,0,a,,"]), "d:2: conv_id is blank"),
        (of(&["c:1,one,sad,p,0,a,,"]), "d:2: the utterance_idx \"one\" is not a number"),
        (of(&[second]), "d:2: utterance 2 of c:1, where 1 should be"),
        (of(&[first, "c:1,3,sad,p,0,a,,"]), "d:3: utterance 3 of c:1, where 2 should be"),
        (of(&[first, first]), "d:3: utterance 1 of c:1, where 2 should be"),
        (
            of(&[first, second, "c:2,1,sad,p,0,a,,", "c:1,3,sad,p,0,a,,"]),
            "d:5: c:1 goes on, which began on line 2",
        ),
        (of(&["c:1,1,gleeful,p,0,a,,"]), "d:2: the context \"gleeful\" is none of the 32 emotions"),
        (of(&[first, "c:1,2,proud,p,1,b,,"]), "d:3: the context of c:1 was another before"),
        (of(&[first, "c:1,2,sad,q,1,b,,"]), "d:3: the prompt of c:1 was another before"),
        (of(&["c:1,1,sad, ,0,a,,"]), "d:2: the prompt is blank"),
        (of(&[first, "c:1,2,sad,p,1, ,,"]), "d:3: the utterance is blank"),
        (of(&[first, "c:1,2,sad,p,1,b,,,x||y"]), "d:3: a candidate is blank"),
    ];
    assert_refused(&cases.each_ref().map(|(text, says)| (text.as_str(), *says)));
}

#[test]
fn bytes_that_are_no_text_are_refused_with_what_to_do() {
    let says = |bytes: &[u8]| {
        let error = read(bytes).unwrap_err();
        (error.to_string(), error.advice().unwrap().to_string())
    };
    let (what, help) = says(b"1 your persona: a\n2 caf\xe9\tb\n");
    assert_eq!(what, "d:2: the byte 0xe9 is not UTF-8");
    assert!(help.contains("Latin-1"));
    let (what, help) = says(&[0x1f, 0x8b, 8, 0]);
    assert_eq!(what, "d: the file is compressed, and damaged");
    assert_eq!(help, "it may be cut off: copy or download it again");
    assert_eq!(says(&[0xff, 0xfe, b'1', 0]).0, "d: the file is UTF-16");
}

/// Conversations of words, with and without all that they may have.
fn conversations() -> impl Strategy<Value = Vec<Conversation>> {
    let text = || "[a-z]{1,3}( [a-z,.'\"|]{1,6}){0,3}";
    let optional = || prop::option::of(text());
    let turns = prop::collection::vec((any::<bool>(), text()), 1..8);
    let personas = || prop::collection::vec(text(), 0..3);
    let one = (optional(), optional(), personas(), personas(), optional(), optional(), turns);
    let one = one.prop_map(|(id, emotion, persona, partner_persona, situation, split, turns)| {
        let turn = |(is_own, text): (bool, String)| {
            let speaker = if is_own { Speaker::Own } else { Speaker::Other };
            Turn { speaker, text, candidates: Vec::new() }
        };
        let split = split.map(|split| split[..1].into());
        Conversation {
            place: Place::Line(0),
            id,
            split,
            persona,
            partner_persona,
            emotion,
            situation,
            turns: turns.into_iter().map(turn).collect(),
        }
    });
    prop::collection::vec(one, 1..10)
}

fn numbered(mut conversations: Vec<Conversation>) -> Vec<Conversation> {
    let places = conversations.iter_mut().zip(1..);
    places.for_each(|(conversation, line)| conversation.place = Place::Line(line));
    conversations
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(conversations in conversations(), seed: u64) {
        let mut conversations = numbered(conversations);
        let _ = draw(&mut conversations, 1, seed);
        let text = to_json_lines(&conversations).unwrap();
        prop_assert_eq!(read(text).unwrap(), conversations);
    }

    #[test]
    fn candidates_are_different_utterances_of_other_dialogues(
        conversations in conversations(), count in 1usize..6, seed: u64
    ) {
        let mut given = conversations.clone();
        match draw(&mut given, count, seed) {
            Err(error) => prop_assert!(error.to_string().contains("different utterances"), "{error}"),
            Ok(choice) => {
                prop_assert_eq!(choice.replies, conversations.iter().flat_map(|one| one.examples()).count());
                prop_assert_eq!(choice.drawn, choice.replies);
                for (number, conversation) in given.iter().enumerate() {
                    let elsewhere: HashSet<&String> = conversations
                        .iter()
                        .enumerate()
                        .filter(|(other, one)| *other != number && one.split == conversation.split)
                        .flat_map(|(_, other)| other.turns.iter().map(|turn| &turn.text))
                        .collect();
                    for reply in conversation.examples().map(|example| example.reply()) {
                        let (gold, others) = reply.candidates.split_last().unwrap();
                        prop_assert_eq!(gold, &reply.text);
                        prop_assert_eq!(others.len(), count);
                        prop_assert!(others.iter().all(|other| elsewhere.contains(other)));
                        let kinds: HashSet<String> = reply.candidates.iter().map(|text| normalized(text)).collect();
                        prop_assert_eq!(kinds.len(), count + 1, "{:?}", reply.candidates);
                    }
                }
                let mut again = conversations;
                prop_assert_eq!(draw(&mut again, count, seed).unwrap(), choice);
                prop_assert_eq!(again, given);
            }
        }
    }
}

/// As many dialogues of two utterances, all different.
fn many(count: usize) -> String {
    let line =
        |number: usize| format!("1 your persona: i am {number} .\n2 q {number}\tr {number}\n");
    (0..count).map(line).collect()
}

#[test]
fn candidates_depend_on_the_seed_and_are_drawn_from_all() {
    let draw = |seed| {
        let mut conversations = read(many(40)).unwrap();
        let choice = draw(&mut conversations, OTHERS, seed).unwrap();
        (conversations, choice.hash)
    };
    let (first, other) = (draw(1), draw(2));
    assert_ne!(first.1, other.1);
    let drawn = |conversations: &[Conversation]| -> HashSet<String> {
        let replies = conversations.iter().flat_map(|one| one.examples()).map(|one| one.reply());
        replies.flat_map(|reply| reply.candidates[..OTHERS].to_vec()).collect()
    };
    // 760 draws of 80 utterances: each stays out with a chance of some 6e-5.
    assert_eq!(drawn(&first.0).len(), 80);
}

#[test]
fn candidates_that_are_there_stay_and_count_in_the_hash() {
    let mut conversations = read(CONVAI2.to_string() + &many(3)).unwrap();
    let before = conversations[0].turns[1].candidates.clone();
    let choice = draw(&mut conversations, 2, 1).unwrap();
    assert_eq!((choice.replies, choice.drawn), (5, 4));
    assert_eq!(conversations[0].turns[1].candidates, before);
    // python: hashlib.sha256(b'["no idea .","who ?","a sailor ."]\n').hexdigest()
    let only = read(CONVAI2).unwrap();
    assert_eq!(
        candidates::hash(&only),
        "891c861c3a96acb38a1ed7a513613d2e8dd8104b189ab1c10299196501056ea2"
    );
    let error = draw(&mut read(many(3)).unwrap(), 5, 1).unwrap_err();
    assert!(error.to_string().contains("have only 4 different utterances"), "{error}");
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn words_are_those_that_parlai_compares() {
    // Worked out with Python's re and ParlAI's two patterns.
    for (text, expected) in [
        ("I'm a big fan of the Beatles!", "i m big fan of beatles"),
        ("A-Team", "team"),
        ("the the the", ""),
        ("it’s “the” end… of the…road", "it’s “ ” end… of …road"),
        ("an_apple a1 the2 THE", "apple a1 the2"),
        ("  \u{a0}Ünder\u{2003}tHe É  ", "ünder é"),
        ("", ""),
    ] {
        assert_eq!(normalized(text), expected, "{text}");
        assert_eq!(words(text).join(" "), expected);
    }
}

#[test]
fn the_program_draws_candidates_and_counts_dialogues() {
    let folder = folder();
    let file = write(folder.path(), "talk.txt", many(30));
    let out = folder.path().join("out.jsonl");
    let run = |more: &[&str]| {
        let (file, out) = (file.display().to_string(), out.display().to_string());
        valuenet(["dialogue", "candidates", &file, "-o", &out].iter().chain(more))
    };
    let output = run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut expected = read(many(30)).unwrap();
    let choice = draw(&mut expected, 19, 1).unwrap();
    assert!(stderr(&output).contains("candidates drawn for 30 of 30 replies (seed 1)"));
    assert!(stderr(&output).contains(&choice.hash));
    // The same in every version, or reports could not be compared; worked out again with Python's
    // hashlib and json.
    let hash = "25b8775a48122718beefeba447d83bcb01aa04e9224046199a4acb7fe9560fb2";
    assert_eq!(choice.hash, hash);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), to_json_lines(&expected).unwrap());
    assert_fails(&run(&["--count", "59"]), 2, &["have only 58 different utterances", "--count"]);

    let stats = |path: &Path, format: &str| {
        stdout(&valuenet(["data", "stats", &path.display().to_string(), "--format", format]))
    };
    insta::assert_snapshot!("dialogue_stats_table", stats(&out, "table"));
    insta::assert_snapshot!("dialogue_stats_csv", stats(&file, "csv"));
    let both = write(
        folder.path(),
        "both",
        TRANSFER.replacen(
            "[]",
            "[{\"personality\": [], \"utterances\": [{\"candidates\": [\"a\"], \"history\": []}]}]",
            1,
        ),
    );
    insta::assert_snapshot!("dialogue_stats_json", stats(&both, "json"));
    let broken = write(folder.path(), "broken", CONVAI2.replace("very much .", ""));
    let output = valuenet(["data", "stats", &broken.display().to_string()]);
    assert_fails(&output, 3, &["broken:4: the own utterance is blank", "help: "]);
    let packed = write(folder.path(), "packed.gz", [0x1f, 0x8b, 8, 0]);
    let output = valuenet(["data", "stats", &packed.display().to_string()]);
    assert_fails(&output, 3, &["packed.gz: the file is compressed, and damaged"]);
}

/// A file of a dataset beside ValueNet, unpacked if its name says so.
fn real(name: &str) -> Vec<Conversation> {
    let place = std::env::var_os("VALUENET_DATA").expect("VALUENET_DATA is not set");
    let path = Path::new(&place).join("..").join(name);
    let bytes = match name.ends_with(".gz") {
        true => Command::new("gzip").arg("-dc").arg(&path).output().unwrap().stdout,
        false => std::fs::read(&path).unwrap(),
    };
    conversation::read(&path, bytes.as_slice()).unwrap()
}

#[test]
#[ignore = "needs the real datasets beside VALUENET_DATA"]
fn the_published_dialogues_are_counted() {
    for (name, dialogues, replies, personas, own, partner) in [
        ("valid_self_original", 1_000, 7_801, 680, 4_483, 0),
        ("valid_self_revised", 1_000, 7_801, 655, 4_483, 0),
        ("valid_both_original", 1_000, 7_801, 680, 4_483, 4_495),
        ("train_first189_self_original", 189, 1_393, 188, 841, 0),
        ("train_xpersona1000_self_original", 1_000, 7_316, 938, 4_477, 0),
    ] {
        let found = stats(&real(&format!("personachat/{name}_no_cands.txt"))).pop().unwrap();
        assert_eq!((found.dialogues, found.replies), (dialogues, replies), "{name}");
        // In that file the own speaker begins: the partner is silent at first.
        let silent = if name.starts_with("train_xpersona") { 1_000 } else { 0 };
        assert_eq!((found.turns, found.with_candidates), (2 * replies - silent, 0), "{name}");
        let sentences = (found.personas, found.persona_sentences, found.partner_sentences);
        assert_eq!(sentences, (personas, own, partner), "{name}");
    }
    for (name, dialogues, turns, replies) in [
        ("train", 19_533, 84_169, 40_254),
        ("valid", 2_769, 12_074, 5_736),
        ("test", 2_546, 10_969, 5_257),
    ] {
        let found = stats(&real(&format!("empathetic/{name}.csv.gz"))).pop().unwrap();
        let counts = (found.dialogues, found.turns, found.replies, found.emotions);
        assert_eq!(counts, (dialogues, turns, replies, 32), "{name}");
    }
}

#[test]
#[ignore = "needs the real datasets beside VALUENET_DATA"]
fn every_published_reply_gets_candidates() {
    for name in ["personachat/valid_self_original_no_cands.txt", "empathetic/test.csv.gz"] {
        let mut conversations = real(name);
        let choice = draw(&mut conversations, OTHERS, 1).unwrap();
        assert_eq!(choice.drawn, choice.replies);
        let text = to_json_lines(&conversations).unwrap();
        let again = conversation::read(Path::new(name), text.as_bytes()).unwrap();
        assert_eq!(candidates::hash(&again), choice.hash);
    }
}
