//! The space that some tokenizers put before the first word of a text and before no later piece (`Metaspace` with the
//! scheme `first`). Promises: a prompt, whose pieces are encoded apart, gets it where its text would, and nowhere else.
//! Spaces that a normaliser puts before every piece are the tokenizer's own affair.

use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

/// Makes the tokenizer put no such space, and gives what it writes for one. None where it puts none, or one before
/// every piece.
pub(super) fn take(tokenizer: &mut Tokenizer) -> Option<char> {
    let mut own = tokenizer.get_pre_tokenizer()?.clone();
    let steps: &mut [PreTokenizerWrapper] = match &mut own {
        PreTokenizerWrapper::Sequence(steps) => steps.as_mut(),
        one => std::slice::from_mut(one),
    };
    let space = steps.iter_mut().find_map(|step| match step {
        PreTokenizerWrapper::Metaspace(step) if step.prepend_scheme == PrependScheme::First => {
            step.set_prepend_scheme(PrependScheme::Never);
            Some(step.get_replacement())
        }
        _ => None,
    })?;
    tokenizer.with_pre_tokenizer(Some(own));
    Some(space)
}

/// Puts it before a prompt's first piece, unless that begins with a space or with a token of its own.
pub(super) fn put(space: char, text: &mut String, controls: &[String]) {
    let is_apart = controls.iter().any(|token| text.starts_with(token.as_str()));
    if !is_apart && !text.starts_with([' ', space]) {
        text.insert(0, space);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokenizers::Tokenizer;

    use crate::backends::local::folder::Folder;
    use crate::backends::local::prompt::Prompter;
    use crate::backends::local::tests::{request, starter};
    use crate::chat::{Message, Role};

    /// A tokenizer's file: a few letters in SentencePiece's spelling, one special token, and one that only steers.
    fn file(normalizer: &Value, pre_tokenizer: &Value) -> String {
        let added = |id: u32, content: &str, special: bool| {
            json!({ "id": id, "content": content, "special": special, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false })
        };
        let vocabulary = json!({ "</s>": 0, "<|c|>": 1, "▁": 2, "a": 3, "b": 4, "▁a": 5 });
        let replace = json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " });
        let decoders = json!([replace, { "type": "ByteFallback" }, { "type": "Fuse" }]);
        let file = json!({
            "version": "1.0",
            "added_tokens": [added(0, "</s>", true), added(1, "<|c|>", false)],
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": { "type": "BPE", "vocab": vocabulary, "merges": [["▁", "a"]] },
        });
        file.to_string()
    }

    #[test]
    fn a_space_is_put_where_the_tokenizer_puts_it_in_the_whole_text() {
        let metaspace = |scheme: &str| {
            json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme,
                "split": false })
        };
        let first = metaspace("first");
        let replace = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
        let prepend = json!({ "type": "Prepend", "prepend": "▁" });
        let turns = "{% for message in messages %}{{ message.content }}</s>{% endfor %}a";
        let home = tempfile::tempdir().unwrap();
        let mut folder = Folder::read(&starter()).unwrap();
        folder.tokenizer = home.path().join("tokenizer.json");
        for (normalizer, pre_tokenizer) in [
            (Value::Null, first.clone()),
            (Value::Null, json!({ "type": "Sequence", "pretokenizers": [first] })),
            (Value::Null, metaspace("always")),
            (json!({ "type": "Sequence", "normalizers": [prepend, replace] }), Value::Null),
        ] {
            let file = file(&normalizer, &pre_tokenizer);
            std::fs::write(&folder.tokenizer, &file).unwrap();
            let reference = Tokenizer::from_bytes(&file).unwrap();
            for begin in ["", "a", " a", "▁a", "ab a", "</s>a", "<|c|>a"] {
                folder.template = format!("{begin}{turns}");
                let (prompter, _) = Prompter::load(&folder).unwrap();
                let words = ["a b", " a", "ba"].map(|text| Message::text(Role::User, text));
                let expected = reference.encode(format!("{begin}a b</s> a</s>ba</s>a"), false).unwrap();
                let ids = prompter.encode(&request(words.into())).unwrap();
                assert_eq!(ids, expected.get_ids(), "{begin:?} with {pre_tokenizer}, {normalizer}");
            }
        }
    }
}
