//! Tokens back to text, in both spellings.

use serde_json::json;

use super::*;

fn pieces(pieces: &[&[u8]]) -> Vec<String> {
    let mut detokenizer = Detokenizer { held: vec![], leading_space_dropped: false };
    pieces.iter().map(|piece| detokenizer.push(piece)).collect()
}

#[test]
fn c20_a_character_split_over_tokens_comes_out_whole() {
    let crab = "🦀".as_bytes();
    assert_eq!(pieces(&[b"a", &crab[..1], &crab[1..3], &crab[3..]]), ["a", "", "", "🦀"]);
    let euro = "x€y".as_bytes();
    assert_eq!(pieces(&[&euro[..2], &euro[2..]]), ["x", "€y"]);
}

#[test]
fn c20_every_split_of_a_text_gives_the_text_and_no_replacement_character() {
    let text = "ä€🦀 é漢字\u{200d}👩‍🚀.";
    let bytes = text.as_bytes();
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let parts = pieces(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| !part.contains('\u{FFFD}')));
        }
    }
}

#[test]
fn c20_bytes_that_are_no_text_are_dropped_not_replaced() {
    assert_eq!(pieces(&[b"a\xFF", b"b", b"\xE2\x82", b"c", b"\x80d"]).concat(), "abcd");
    assert_eq!(pieces(&[b"half \xF0\x9F"]), ["half "]);
}

#[test]
fn a_real_replacement_character_passes() {
    assert_eq!(pieces(&["\u{FFFD}".as_bytes()]), ["\u{FFFD}"]);
}

#[test]
fn the_alphabet_of_gpt2_covers_every_byte_once() {
    let letters = (0..=0x17F_u32).filter_map(char::from_u32);
    let mut bytes: Vec<u8> = letters.filter_map(byte_of).collect();
    bytes.sort_unstable();
    assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    assert_eq!((byte_of('Ġ'), byte_of('Ċ'), byte_of('A')), (Some(b' '), Some(b'\n'), Some(b'A')));
}

#[test]
fn sentencepiece_tokens_are_spelled() {
    let mut bytes = vec![];
    for token in ["▁hi", "<0xE2>", "<0x82>", "<0xAC>", "<0xZZ>"] {
        spell(Spelling::SentencePiece, token, &mut bytes);
    }
    assert_eq!(String::from_utf8(bytes).unwrap(), " hi€<0xZZ>");
}

#[test]
fn a_leading_space_goes_where_the_decoder_takes_it() {
    let replace = json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " });
    let strip = json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 });
    let (bytes, fuse) = (json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" }));
    let sequence = |steps: &[&Value]| json!({ "type": "Sequence", "decoders": steps });
    let metaspace = |scheme: &str| {
        drops_leading_space(&json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme }))
    };
    let (plain, stripped) =
        (sequence(&[&replace, &bytes, &fuse]), sequence(&[&replace, &bytes, &fuse, &strip]));
    let added = json!([{ "id": 0, "content": "▁▁", "special": false, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false }]);
    for (decoder, added, text) in [
        (&plain, json!([]), "  x"),
        (&stripped, json!([]), " x"),
        (&plain, added.clone(), "  x"),
        (&stripped, added, " x"),
    ] {
        let model = json!({ "type": "BPE", "vocab": { "▁▁": 0, "x": 1 }, "merges": [] });
        let file = json!({ "version": "1.0", "added_tokens": added, "decoder": decoder, "model": model });
        let tokenizer = Tokenizer::from_bytes(file.to_string()).unwrap();
        let mut vocabulary = Vocabulary::of(&tokenizer).unwrap();
        vocabulary.reach(&tokenizer, 4).unwrap();
        assert_eq!((vocabulary.len(), vocabulary.bytes(3)), (4, &b""[..]));
        let mut detokenizer = Detokenizer::new(&vocabulary);
        let told = [0, 1].map(|id| detokenizer.push(vocabulary.bytes(id)));
        assert_eq!(told.concat(), text, "{decoder}");
    }
    assert_eq!(["always", "first", "never"].map(metaspace), [true, true, false]);
}

#[test]
fn tokens_past_a_gap_in_the_ids_are_read_as_far_as_the_graph_goes() {
    let added = |id: u32, content: &str, special: bool| {
        json!({ "id": id, "content": content, "special": special, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false })
    };
    let model = json!({ "type": "BPE", "vocab": { "a": 0, "b": 1, "<t>": 7, "<s>": 8 }, "merges": [] });
    let file = json!({ "version": "1.0", "added_tokens": [added(7, "<t>", false), added(8, "<s>", true)],
        "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false },
        "model": model });
    let tokenizer = Tokenizer::from_bytes(file.to_string()).unwrap();
    let mut vocabulary = Vocabulary::of(&tokenizer).unwrap();
    assert_eq!(vocabulary.len(), 4);
    vocabulary.reach(&tokenizer, 12).unwrap();
    assert_eq!((vocabulary.len(), vocabulary.longest()), (12, 3));
    assert_eq!([7, 8, 11].map(|id| vocabulary.bytes(id)), [&b"<t>"[..], b"", b""]);
    assert_eq!(vocabulary.name(8), b"<s>");
}

#[test]
fn unknown_decoders_are_refused_by_name() {
    let error = spelling(&json!({"type": "CTC"})).unwrap_err();
    assert!(error.contains("CTC"));
}
