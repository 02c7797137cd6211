//! `vocab.json` with `merges.txt`: byte-level byte pairs (Radford et al., 2019), where a GPT-2, a
//! RoBERTa or a BART comes without `tokenizer.json`.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

use crate::error::{Error, Result};

/// The tokens that stand for no text, in GPT-2 and in RoBERTa and BART.
const SPECIAL: [&str; 6] = ["<|endoftext|>", "<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/// Reads `vocab.json` and what stands beside it: `merges.txt`, `added_tokens.json` if there is one,
/// and whether a text begins as after a space from `tokenizer_config.json`.
///
/// # Errors
/// If a file cannot be read, or they do not fit each other.
pub(super) fn read(vocabulary: &Path) -> Result<Tokenizer> {
    let beside = |name| vocabulary.with_file_name(name);
    let json = |path: &Path| {
        let text = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
        serde_json::from_slice::<serde_json::Value>(&text)
            .map_err(|error| Error::file(path, format!("not a JSON file: {error}")))
    };
    let model = model(vocabulary, &beside("merges.txt"))?;
    let settings = json(&beside("tokenizer_config.json"));
    let space = settings.ok().and_then(|settings| settings["add_prefix_space"].as_bool());
    let added = beside("added_tokens.json");
    let tokens = if added.exists() { in_order(&added, &json(&added)?)? } else { Vec::new() };
    let tokenizer = tokenizer(model, space.unwrap_or(false), &tokens);
    let tokenizer = tokenizer.map_err(|error| {
        Error::file(vocabulary, format!("no tokenizer can be made of it: {error}"))
    })?;
    match tokens.iter().find(|(id, token)| tokenizer.token_to_id(token) != Some(*id)) {
        Some((id, token)) => {
            let what = format!("{token:?} cannot have the id {id} after those in vocab.json");
            Err(Error::file(added, what).help(UNFIT))
        }
        None => Ok(tokenizer),
    }
}

/// What a user can do when files do not fit each other.
const UNFIT: &str = "vocab.json, merges.txt and added_tokens.json must come from the same model";

/// The pairs that are merged, and the pieces that they make.
fn model(vocabulary: &Path, merges: &Path) -> Result<BPE> {
    if let Some(missing) = [vocabulary, merges].into_iter().find(|path| !path.is_file()) {
        return Err(Error::file(missing, "no such file").help("vocab.json needs merges.txt"));
    }
    let unfit = |path: &Path, what: String| Error::file(path, what).help(UNFIT);
    let (pieces, pairs) = BPE::read_file(&vocabulary.to_string_lossy(), &merges.to_string_lossy())
        .map_err(|error| unfit(vocabulary, format!("not a vocabulary of byte pairs: {error}")))?;
    // The builder panics at some of these.
    let is_unknown = |(a, b): &&(String, String)| !pieces.contains_key(&format!("{a}{b}"));
    if let Some((a, b)) = pairs.iter().find(is_unknown) {
        return Err(unfit(merges, format!("what {a:?} and {b:?} make is not in vocab.json")));
    }
    let model = BPE::builder().vocab_and_merges(pieces, pairs).build();
    model.map_err(|error| unfit(merges, format!("it does not fit vocab.json: {error}")))
}

/// Refuses a `tokenizer.json` with pairs that `tokenizers` panics at: those that make more letters
/// than any piece has, or that have no room for the mark of a piece within a word.
///
/// # Errors
/// A sentence that names the pair.
pub(super) fn check_json(text: &[u8]) -> Result<(), String> {
    const KEY: &[u8] = b"\"merges\"";
    if !text.windows(KEY.len()).any(|part| part == KEY) {
        return Ok(()); // other kinds of tokenizers, whose files can be large
    }
    let json: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let model = &json["model"];
    let (Some(pieces), Some(pairs)) = (model["vocab"].as_object(), model["merges"].as_array())
    else {
        return Ok(());
    };
    let longest = pieces.keys().map(String::len).max().unwrap_or(0);
    let mark = model["continuing_subword_prefix"].as_str().map_or(0, str::len);
    let both = |pair: &serde_json::Value| match pair.as_str() {
        Some(line) => line.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string())),
        None => Some((pair[0].as_str()?.to_string(), pair[1].as_str()?.to_string())),
    };
    let is_unfit = |(a, b): &(String, String)| b.len() < mark || a.len() + b.len() > longest + mark;
    match pairs.iter().filter_map(both).find(is_unfit) {
        Some((a, b)) => Err(format!("what {a:?} and {b:?} make is not in its vocabulary")),
        None => Ok(()),
    }
}

/// The tokens of `added_tokens.json` with their ids, which are their order.
fn in_order(path: &Path, json: &serde_json::Value) -> Result<Vec<(u32, String)>> {
    let id_of = |(token, id): (&String, &serde_json::Value)| {
        Some((u32::try_from(id.as_u64()?).ok()?, token.clone()))
    };
    let ids: Option<Vec<(u32, String)>> =
        json.as_object().and_then(|tokens| tokens.iter().map(id_of).collect());
    let mut ids = ids.ok_or_else(|| Error::file(path, "not an object of tokens and their ids"))?;
    ids.sort();
    Ok(ids)
}

/// The tokenizer that transformers makes of a GPT-2's files, or of a RoBERTa's if the vocabulary
/// has a start and an end of its own.
fn tokenizer(
    model: BPE,
    add_prefix_space: bool,
    added: &[(u32, String)],
) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(add_prefix_space)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let known = SPECIAL.into_iter().filter(|token| tokenizer.token_to_id(token).is_some());
    let names = known.chain(added.iter().map(|(_, token)| token.as_str()));
    let as_token = |name: &str| {
        // The space before a word that is to be guessed is a part of it.
        AddedToken::from(name, SPECIAL.contains(&name)).lstrip(name == "<mask>")
    };
    let tokens: Vec<AddedToken> = names.map(as_token).collect();
    tokenizer.add_tokens(tokens)?;
    let numbered = |token: &str| Some((token.to_string(), tokenizer.token_to_id(token)?));
    if let (Some(start), Some(end)) = (numbered("<s>"), numbered("</s>")) {
        let roberta = RobertaProcessing::new(end, start).add_prefix_space(add_prefix_space);
        tokenizer.with_post_processor(Some(roberta));
    }
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    /// The letters that bytes are written as, and some pairs of them.
    fn vocabulary(special: &[&str]) -> (Vec<String>, Vec<(&'static str, &'static str)>) {
        let mut letters: Vec<String> =
            ByteLevel::alphabet().into_iter().map(String::from).collect();
        letters.sort();
        let pairs = vec![("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("\u{120}", "w")];
        let made = pairs.iter().map(|(a, b)| format!("{a}{b}"));
        let special = special.iter().map(|token| token.to_string());
        (special.chain(letters).chain(made).collect(), pairs)
    }

    fn write(folder: &Path, pieces: &[String], pairs: &[(&str, &str)]) -> std::io::Result<()> {
        let ids: serde_json::Map<String, Json> =
            pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), json!(id))).collect();
        let lines: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
        std::fs::write(folder.join("vocab.json"), Json::Object(ids).to_string())?;
        std::fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{lines}"))
    }

    /// The `tokenizer.json` that transformers writes for the same pieces and pairs.
    fn json_form(special: &[&str], processor: &Json) -> tokenizers::Result<Tokenizer> {
        let (pieces, pairs) = vocabulary(special);
        let tokens = special.iter().enumerate().map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": *token == "<mask>",
                "rstrip": false, "normalized": false, "special": true})
        });
        let byte_level = |space: bool| {
            json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true,
                "use_regex": true})
        };
        let ids: serde_json::Map<String, Json> =
            pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), json!(id))).collect();
        let text = json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
            "added_tokens": tokens.collect::<Vec<_>>(),
            "pre_tokenizer": byte_level(false), "decoder": byte_level(true),
            "post_processor": processor,
            "model": {"type": "BPE", "vocab": ids,
                "merges": pairs.iter().map(|(a, b)| format!("{a} {b}")).collect::<Vec<_>>()},
        });
        Tokenizer::from_bytes(text.to_string())
    }

    const TEXTS: [&str; 6] = [
        "hello hell, he'll",
        "  two  spaces and\ttabs ",
        "Caf\u{e9} \u{4f60}\u{597d} \u{1f600}",
        "",
        "who <mask> hello<|endoftext|></s>",
        "[POWER] hello world",
    ];

    #[test]
    fn pieces_and_pairs_in_two_files_give_the_ids_of_one() -> tokenizers::Result<()> {
        let gpt2 = json!(null);
        let roberta = json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
            "trim_offsets": true, "add_prefix_space": false});
        let kinds: [(&[&str], &Json); 2] =
            [(&["<|endoftext|>"], &gpt2), (&["<s>", "<pad>", "</s>", "<unk>", "<mask>"], &roberta)];
        for (special, processor) in kinds {
            let folder = tempfile::tempdir()?;
            let (pieces, pairs) = vocabulary(special);
            write(folder.path(), &pieces, &pairs)?;
            let (two, one) =
                (read(&folder.path().join("vocab.json"))?, json_form(special, processor)?);
            for text in TEXTS {
                let [two_ids, one_ids] = [&two, &one].map(|tokenizer| {
                    let encoding = tokenizer.encode(text, true);
                    encoding.map(|encoding| encoding.get_ids().to_vec())
                });
                let ids = two_ids?;
                assert_eq!(ids, one_ids?, "{text}");
                assert_eq!(two.decode(&ids, true)?, one.decode(&ids, true)?, "{text}");
                assert_eq!(two.decode(&ids, false)?, one.decode(&ids, false)?, "{text}");
            }
        }
        Ok(())
    }

    #[test]
    fn tokens_that_were_added_later_have_the_ids_they_were_given() -> tokenizers::Result<()> {
        let folder = tempfile::tempdir()?;
        let (pieces, pairs) = vocabulary(&["<|endoftext|>"]);
        write(folder.path(), &pieces, &pairs)?;
        let path = folder.path().join("vocab.json");
        let (next, after) = (pieces.len() as u32, pieces.len() as u32 + 1);
        let added = folder.path().join("added_tokens.json");
        std::fs::write(&added, json!({"<b>": after, "<pad>": next}).to_string())?;
        let tokenizer = read(&path)?;
        let ids = ["<pad>", "<b>"].map(|token| tokenizer.token_to_id(token));
        assert_eq!(ids, [Some(next), Some(after)]);
        assert_eq!(tokenizer.decode(&[next, after], true)?, "<b>");
        for wrong in [json!({"<b>": after}), json!({"<b>": -1}), json!([1]), json!("x")] {
            std::fs::write(&added, wrong.to_string())?;
            let error = read(&path).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("added_tokens.json: "), "{error}");
        }
        Ok(())
    }

    #[test]
    fn a_text_may_begin_as_after_a_space() -> tokenizers::Result<()> {
        let folder = tempfile::tempdir()?;
        let (pieces, pairs) = vocabulary(&["<|endoftext|>"]);
        write(folder.path(), &pieces, &pairs)?;
        std::fs::write(folder.path().join("tokenizer_config.json"), "{\"add_prefix_space\":true}")?;
        let tokenizer = read(&folder.path().join("vocab.json"))?;
        let tokens = tokenizer.encode("world", true)?;
        assert_eq!(tokens.get_tokens(), ["\u{120}w", "o", "r", "l", "d"]);
        Ok(())
    }

    #[test]
    fn files_that_do_not_fit_each_other_are_an_error() -> tokenizers::Result<()> {
        let (pieces, pairs) = vocabulary(&[]);
        let told = |spoil: &dyn Fn(&Path) -> std::io::Result<()>| -> tokenizers::Result<String> {
            let folder = tempfile::tempdir()?;
            write(folder.path(), &pieces, &pairs)?;
            spoil(folder.path())?;
            let read = read(&folder.path().join("vocab.json"));
            Ok(read.err().map(|error| error.to_string()).unwrap_or_default())
        };
        let merges = |text: &'static str| {
            told(&move |folder: &Path| std::fs::write(folder.join("merges.txt"), text))
        };
        let missing = told(&|folder| std::fs::remove_file(folder.join("merges.txt")))?;
        assert!(missing.ends_with("merges.txt: no such file"), "{missing}");
        let longer = "hello hello\n"; // longer than any piece: the builder would panic
        assert!(merges(longer)?.ends_with("make is not in vocab.json"));
        assert!(merges("he llo\n")?.contains("it does not fit vocab.json"), "llo is no piece");
        assert!(merges("a b c\n")?.contains("not a vocabulary of byte pairs"));
        let list = told(&|folder| std::fs::write(folder.join("vocab.json"), "[]"))?;
        assert!(list.contains("vocab.json: not a vocabulary of byte pairs"), "{list}");
        Ok(())
    }
}
