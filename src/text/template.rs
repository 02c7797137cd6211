//! What stands around a text.

use tokenizers::Tokenizer;
use tokenizers::processors::template::TemplateProcessing;

/// What puts `[CLS]` before a text and `[SEP]` behind it.
pub(super) fn classifier_template(tokenizer: &Tokenizer) -> tokenizers::Result<TemplateProcessing> {
    let id = |token: &str| {
        let id = tokenizer.token_to_id(token).map(|id| (token.to_string(), id));
        id.ok_or_else(|| format!("the vocabulary has no {token}"))
    };
    let builder = TemplateProcessing::builder()
        .try_single("[CLS] $A [SEP]")?
        .try_pair("[CLS] $A [SEP] $B:1 [SEP]:1")?
        .special_tokens(vec![id("[CLS]")?, id("[SEP]")?])
        .build()?;
    Ok(builder)
}
