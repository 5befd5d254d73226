//! Personal data that must be found, and everyday text that must not be taken for it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialects::openai_chat::parse_request;

fn kind(text: &str) -> Pii {
    scan_text(text.as_bytes())
}

fn all_are(expected: Pii, texts: &[&str]) {
    for text in texts {
        assert_eq!(kind(text), expected, "{text}");
        assert_eq!(kind(&format!("Please note: {text}, thanks.")), expected, "in a sentence: {text}");
        assert_eq!(kind(&format!("first line\n{text}\nlast line")), expected, "on its own line: {text}");
        // In an address such a space counts as a letter.
        if !text.contains('@') {
            assert_eq!(kind(&text.replace(' ', "\u{a0}")), expected, "with no-break spaces: {text}");
        }
    }
}

#[test]
fn finds_email_addresses() {
    all_are(
        Pii::Email,
        &[
            "ana@example.org",
            "ana.maria+news@mail.example.co.uk",
            "<o'brien@example.com>",
            "jörg@bücher.example",
            "mailto:a@b.de",
            "ANA@EXAMPLE.ORG",
        ],
    );
}

#[test]
fn finds_phone_numbers() {
    all_are(
        Pii::Phone,
        &[
            "+49 170 1234567",
            "+1 (212) 555-0123",
            "+442079460958",
            "(212) 555-0123",
            "212-555-0123",
            "212.555.0123",
            "1-212-555-0123",
            "030 12345678",
            "0170/1234567",
            "07911 123456",
            "0049 170 1234567",
            "06 12 34 56 78",
            "phone: 5551234567",
            "Tel. 4412345",
        ],
    );
}

#[test]
fn finds_phone_numbers_that_a_word_announces() {
    all_are(
        Pii::Phone,
        &[
            "my phone number is 5551234567",
            "by phone at 5551234567",
            "call me back at 5551234567",
            "{\"mobile_phone\": \"5551234567\"}",
            "phone\\n5551234567",
            "Mobile (home): 5551234567",
            "Telefonnummer: 4412345",
            "teléfono 5551234567",
            "Tel. (030) 1234567",
            "Tel. 0170 / 123 45 67",
            "phone number was 5551234567",
            "my mobile number's 5551234567",
            "phone ext. 5551234567",
            "Phone (Ana): 5551234567",
            "Mobile phone of Dr Smith: 5551234567",
            "call me tomorrow: 5551234567",
            "{\"phone\":{\"value\":\"5551234567\"}}",
        ],
    );
}

#[test]
fn finds_phone_numbers_before_other_numbers() {
    all_are(
        Pii::Phone,
        &[
            "Ana +49 170 1234567 10115 Berlin",
            "+491701234567 4711",
            "Tel. 0170 1234567 10115 Berlin",
            "Tel. 4412345 10115 1234567890",
            "Anna 0170 1234567 1985-03-12",
            "0049 170 1234567 10115 Berlin",
            "06 12 34 56 78 75001 Paris",
        ],
    );
}

#[test]
fn finds_numbers_behind_a_comma() {
    all_are(Pii::SocialSecurity, &["id,ssn,card\n1,078-05-1120,4111111111111111"]);
    all_are(Pii::PaymentCard, &["[7,4111111111111111]"]);
    all_are(Pii::Phone, &["zip,phone\n10115,212-555-0123"]);
}

#[test]
fn finds_payment_cards() {
    all_are(
        Pii::PaymentCard,
        &[
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "5555555555554444",
            "3782 822463 10005",
            "378282246310005",
            "3056 930902 5904",
            "6011111111111117",
            "4111 1111 1111 1111 12/27",
        ],
    );
}

#[test]
fn finds_ibans() {
    all_are(
        Pii::Iban,
        &[
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB82 WEST 1234 5698 7654 32",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NL91ABNA0417164300",
            "NO93 8601 1117 947",
            "SA0380000000608010167519",
            "DE89 3704 0044 0532 0130 00 EUR",
        ],
    );
}

#[test]
fn finds_social_security_numbers() {
    all_are(Pii::SocialSecurity, &["078-05-1120", "SSN 219-09-9999"]);
}

#[test]
fn finds_numbers_with_typographic_hyphens() {
    for hyphen in '\u{2010}'..='\u{2015}' {
        for (text, found) in [
            ("212-555-0123", Pii::Phone),
            ("078-05-1120", Pii::SocialSecurity),
            ("4111-1111-1111-1111", Pii::PaymentCard),
        ] {
            assert_eq!(kind(&text.replace('-', &hyphen.to_string())), found, "{text} with {hyphen}");
        }
    }
}

#[test]
fn leaves_other_text_alone() {
    all_are(
        Pii::Absent,
        &[
            "",
            "What is the capital of France?",
            // signs that are no address
            "@override fn and user@localhost and a @ b and @@@@",
            "git@github.com:owner/name.git",
            "x@y and a@b.c and a@.com and a@b..com",
            // cards: wrong check digit, no issuer, part of a longer number, a fraction
            "4111111111111112",
            "1234567890123456",
            "411111111111111111111111",
            "0.4111111111111111",
            "id4111111111111111",
            "0000000000000000",
            "4444 4444 4444 444",
            // IBANs: wrong remainder, too short, lower case
            "DE89370400440532013001",
            "DE89 3704",
            "AB12 CD34",
            // social security numbers: never given out, or another form
            "000-12-3456",
            "666-12-3456",
            "912-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123-45-67890",
            "123-45-6789-1",
            // numbers of everyday life
            "2024-01-15 12:30:00",
            "01-02-2024",
            "01.02.2024 08:15",
            "1,234,567.89",
            "3.14159265358979",
            "192.168.100.200",
            "version 1.2.3.4",
            "1 2 3 4 5 6 7 8 9 10 11 12",
            "100 200 3000 40000",
            "0101 1010 0110 1111",
            "0123456789",
            "5551234567",
            "1700000000",
            "x = 5+12345678",
            "2 + 2 = 4, 12 +34",
            "order no. 88-1293/B of 3 licences",
            "call 555",
            "the hotel has 1234567 rooms",
            "978-3-16-148410-0",
            "123 456 7890",
            "1,234,5678,90123",
            "3,14159265358979",
            "06 07 08 09 10 11 12 13 14 15 16",
            "0730 0800 0830 0900 1000 1030 1100",
            // words that announce nothing, and days
            "Tell me about 2024-01-15",
            "Can you tell me if 1000003 is prime?",
            "My phone broke on 2024-01-15",
            "the cells divide 10000000 times",
            "Where is my phone? 1000003 is prime",
            "phone: 2024-01-15 12:30",
            "Fax 15.01.2024",
        ],
    );
}

#[test]
fn leaves_spans_amounts_and_escaped_text_alone() {
    all_are(
        Pii::Absent,
        &[
            "Tel Aviv (1990–1995)",
            "mobile: 1000–2000 users",
            "12\u{202f}345\u{202f}678 inhabitants",
            r"https:\/\/example.org\/2024\/01\/15",
            r"[\u0030-\u0039]+@[a-z]",
        ],
    );
}

#[test]
fn too_much_text_counts_as_present() {
    let texts = || ["short", "and more"].into_iter().map(Cow::Borrowed);
    assert_eq!(scan_all(texts(), 13), Pii::Absent);
    assert_eq!(scan_all(texts(), 12), Pii::Unknown);
    assert!(Pii::Unknown.counts_as_present());
    assert!(!Pii::Absent.counts_as_present());
}

/// What is found in a request with these fields beside its messages.
fn beside(fields: &str) -> Pii {
    let messages = r#""messages":[{"role":"user","content":"What now?"}]"#;
    let body = |fields: String| scan_request(&parse_request(Bytes::from(fields)).unwrap());
    let [before, behind] = [
        body(format!(r#"{{"model":"auto",{fields},{messages}}}"#)),
        body(format!(r#"{{{messages},"model":"auto",{fields}}}"#)),
    ];
    assert_eq!(before, behind, "{fields}");
    before
}

fn tools(function: &Value) -> String {
    format!(r#""tools":{}"#, json!([{ "type": "function", "function": function }]))
}

fn schema(schema: &Value) -> String {
    let format = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": schema } });
    format!(r#""response_format":{format}"#)
}

#[test]
fn f25_what_stands_beside_the_messages_is_scanned_too() {
    let described = |text: &str| json!({ "type": "object", "properties": { "a": { "description": text } } });
    for fields in [
        tools(&json!({ "name": "send", "description": "Sends mail to ana@example.org" })),
        tools(&json!({ "name": "send", "parameters": described("such as ana@example.org") })),
        schema(&described("such as ana@example.org")),
        r#""metadata":{"customer":"ana@example.org"}"#.to_owned(),
        r#""metadata":{"customer":"ana\u0040example.org"}"#.to_owned(),
        r#""metadata":{"customer":"ana@example.org"},"metadata":{}"#.to_owned(),
        r#""metadata":{"a":"\"","ana@example.org":"b"}"#.to_owned(),
        r#""user":"ana@example.org""#.to_owned(),
        format!(r#""metadata":{}"ana@example.org"{}"#, "[".repeat(500), "]".repeat(500)),
    ] {
        assert_eq!(beside(&fields), Pii::Email, "{fields}");
    }
    // Behind an escape that a scanner would take for a letter.
    assert_eq!(beside(&tools(&json!({ "name": "a", "description": "Call\n+49 170 1234567" }))), Pii::Phone);
    assert_eq!(beside(r#""metadata":{"account":"DE89 3704 0044 0532 0130 00"}"#), Pii::Iban);
}

/// What is found in a request with this message before the last.
fn among(message: &str) -> Pii {
    let call = json!({ "id": "a", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let first = json!({ "role": "assistant", "tool_calls": [call] });
    let last = r#"{"role":"user","content":"What now?"}"#;
    let body = format!(r#"{{"model":"auto","messages":[{first},{message},{last}]}}"#);
    scan_request(&parse_request(Bytes::from(body)).unwrap())
}

fn called(arguments: &Value) -> String {
    let function = json!({ "name": "f", "arguments": arguments.to_string() });
    let call = json!({ "id": "b", "type": "function", "function": function });
    json!({ "role": "assistant", "tool_calls": [call] }).to_string()
}

fn with_part(part: &Value) -> String {
    json!({ "role": "user", "content": [{ "type": "text", "text": "hi" }, part] }).to_string()
}

#[test]
fn f25_what_nobody_reads_of_a_message_is_scanned_too() {
    let said = |part: &Value| json!({ "role": "assistant", "content": [part] }).to_string();
    let no_bytes = format!("{} ana@example.org", "A".repeat(99));
    let image = json!({ "url": "https://img.example/a.png?user=ana@example.org" });
    for message in [
        r#"{"role":"assistant","content":"ok","reasoning_content":"ask ana@example.org"}"#.to_owned(),
        r#"{"role":"assistant","content":"ok","reasoning_content":"ask ana\u0040example.org"}"#.to_owned(),
        r#"{"role":"user","content":"ok","x":"ana@example.org","x":""}"#.to_owned(),
        r#"{"role":"user","content":"ok","ana@example.org":1}"#.to_owned(),
        r#"{"role":"user","content":"ok","name":"ana@example.org"}"#.to_owned(),
        r#"{"role":"assistant","content":"ok","refusal":"ana@example.org"}"#.to_owned(),
        r#"{"role":"assistant","content":"ok","audio":{"id":"a","transcript":"ana@example.org"}}"#.to_owned(),
        r#"{"role":"assistant","tool_calls":[{"id":"b","note":"ana@example.org","note":""}]}"#.to_owned(),
        r#"{"role":"assistant","function_call":{"name":"f","x":"ana@example.org","x":""}}"#.to_owned(),
        said(&json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "ana@example.org" }] })),
        said(&json!({ "type": "thinking", "thinking": "ask\nana@example.org" })),
        called(&json!({ "to": "ana@example.org" })),
        with_part(&json!({ "type": "text", "text": "ana@example.org" })),
        with_part(&json!({ "type": "text", "text": "ok", "refusal": "ana@example.org" })),
        with_part(&json!({ "type": "image_url", "image_url": image })),
        with_part(&json!({ "type": "file", "file": { "filename": "ana@example.org.pdf" } })),
        with_part(&json!({ "type": "file", "file": { "file_data": no_bytes } })),
        with_file(&format!("data:application/pdf;name=ana@example.org;base64,{}", "A".repeat(64))),
    ] {
        assert_eq!(among(&message), Pii::Email, "{message}");
    }
    let note = json!({ "type": "text", "text": "hi", "metadata": "DE89 3704 0044 0532 0130 00" });
    assert_eq!(among(&with_part(&note)), Pii::Iban);
    // JSON within a JSON string: its own escapes stay.
    for (text, found) in [
        ("Hi,\n+49 170 1234567", Pii::Phone),
        ("Hi,\t(212) 555-0123", Pii::Phone),
        ("Hi,\n4111 1111 1111 1111", Pii::PaymentCard),
        ("Hi,\nDE89 3704 0044 0532 0130 00", Pii::Iban),
    ] {
        assert_eq!(among(&called(&json!({ "text": text }))), found, "{text}");
    }
}

#[test]
fn f25_escapes_within_a_text_hide_nothing() {
    let told = |text: &str| json!({ "role": "tool", "tool_call_id": "a", "content": text }).to_string();
    for (message, found) in [
        (told(r#"{"phone":"\u002B49 170 1234567"}"#), Pii::Phone),
        (told(r#"{"all":"{\"phone\":\"\\u002B49 170 1234567\"}"}"#), Pii::Phone),
        (told(r#"{"phone":"0170\/1234567"}"#), Pii::Phone),
        (told(r#"{"said":"\u201e0170 1234567\u201c"}"#), Pii::Phone),
        (told(r#"{"card":"\u00a04111 1111 1111 1111"}"#), Pii::PaymentCard),
        (told(r#"{"mail":"ana\u0040example.org"}"#), Pii::Email),
        (called(&json!({ "t": "\\u002B491701234567" })), Pii::Phone),
        // Half a character keeps the string from being decoded.
        (r#"{"role":"user","content":"ok","x":"\ud83d ana\u0040example.org"}"#.to_owned(), Pii::Email),
    ] {
        assert_eq!(among(&message), found, "{message}");
    }
}

fn with_file(data: &str) -> String {
    with_part(&json!({ "type": "file", "file": { "filename": "a", "file_data": data } }))
}

/// A file of this type, as base64.
fn file(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

#[test]
fn f25_files_that_are_text_are_scanned_too() {
    let short = "name,mail\nAnna,ana@example.org\n".as_bytes();
    let long = ["nobody,none\n".repeat(999).as_bytes(), short].concat();
    let mut wrapped = file("text/csv", &long);
    wrapped.insert_str(80, "\r\n");
    for data in [
        file("text/csv", short),
        file("text/csv", &long),
        file("TEXT/plain; charset=utf-8", &long).replace("data:", "DATA:").replace("base64", "BASE64"),
        file("application/json", br#"{"mail":"ana\u0040example.org"}"#),
        file("application/octet-stream", &long),
        file("application/vnd.ms-excel", &[b"name,mail\nJ\xf6rg,none\n", short].concat()),
        wrapped,
        BASE64_STANDARD.encode(short),
        BASE64_STANDARD.encode(&long).replace('=', ""),
        format!("data:text/plain,{}ana%40example.org", "none,".repeat(99)),
    ] {
        assert_eq!(among(&with_file(&data)), Pii::Email, "{data}");
    }
    let bare = format!("data:text/plain,{}4111111111111111", "none,".repeat(99));
    assert_eq!(among(&with_file(&bare)), Pii::PaymentCard);
    assert_eq!(among(&with_file(&file("text/csv", b"J\xf6rg,+49 170 1234567"))), Pii::Phone);
}

#[test]
fn a_file_that_says_it_is_text_and_cannot_be_read_counts_as_present() {
    let wide: Vec<u8> = "Ana,ana@example.org".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for data in [file("text/csv", &wide), "data:text/csv;base64,*".to_owned()] {
        assert_eq!(among(&with_file(&data)), Pii::Unknown, "{data}");
    }
    let pages = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\nana@example.org";
    for data in [file("text/csv", b"name,town\nAna,Berlin\n"), file("application/pdf", pages)] {
        assert_eq!(among(&with_file(&data)), Pii::Absent, "{data}");
    }
}

#[test]
fn strings_with_escapes_are_read_one_at_a_time() {
    let json = r#"{"a":"b\nc","d":"e","f\t":"#;
    let found: Vec<_> = beside::texts(Cow::Borrowed(json)).collect();
    assert_eq!(found, ["b\nc", "f\t", json]);
}

#[test]
fn plain_messages_and_the_bytes_of_media_are_left_alone() {
    let bytes = format!("AAAA{}", "4111".repeat(MAX_BYTES / 4 + 1));
    let address = format!("data:image/png;base64,{bytes}");
    for message in [
        called(&json!({ "city": "Paris", "at": "2026-01-15T12:30:00Z", "about": "one\ntwo" })),
        r#"{"role":"tool","tool_call_id":"a","content":"ok"}"#.to_owned(),
        r#"{"role":"assistant","content":"ok","reasoning_content":"2 + 2 = 4, so\n42"}"#.to_owned(),
        with_part(&json!({ "type": "image_url", "image_url": { "url": address, "detail": "low" } })),
        with_part(&json!({ "type": "input_audio", "input_audio": { "data": bytes, "format": "wav" } })),
        with_part(&json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": bytes } })),
    ] {
        assert_eq!(among(&message), Pii::Absent, "{}", &message[..message.len().min(200)]);
    }
}

#[test]
fn plain_fields_beside_the_messages_are_left_alone() {
    let parameters = json!({ "type": "object", "required": ["mail", "tel"], "properties": {
        "mail": { "type": "string", "pattern": "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$" },
        "tel": { "type": "string", "pattern": "^\\+?[0-9]{7,15}$", "maxLength": 16 },
        "n": { "type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64 } } });
    let about = "Sends \"mail\"\nand waits.";
    let function = json!({ "name": "send", "description": about, "parameters": parameters });
    for fields in [
        tools(&function),
        schema(&parameters),
        r#""metadata":{"trace":"1f0c1c3e-0123-4567-8901-123456789012"}"#.to_owned(),
        r#""metadata":{"at":"2026-01-15T12:30:00Z","by":"build 1.2.3"}"#.to_owned(),
        r#""temperature":0.25,"seed":12345678901234567,"logit_bias":{"50256":-100},"user":"u-81""#.to_owned(),
    ] {
        assert_eq!(beside(&fields), Pii::Absent, "{fields}");
    }
}

#[test]
fn a_body_that_cannot_be_read_counts_as_present() {
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"What now?"}]}"#;
    let mut asked = parse_request(Bytes::from(body)).unwrap();
    assert_eq!(scan_request(&asked), Pii::Absent);
    asked.original.body = Bytes::from_static(b"{\"messages\":");
    assert_eq!(scan_request(&asked), Pii::Unknown);
}

/// No input may panic, and every cut of a find is handled: the scanners look around, so ends are where they break.
#[test]
fn every_cut_of_every_find_is_safe() {
    let text = "DE89 3704 0044 0532 0130 00, a@b.de, +49 170 1234567, (212) 555-0123, 078-05-1120, 3782 822463 10005";
    let text = format!(r"{text}, \u002B49\u00a0170\u00a01234567, a\\u0040b.de, 0170\/1234567, 212–555–0123");
    for start in 0..text.len() {
        for end in start..=text.len() {
            let _ = scan_text(&text.as_bytes()[start..end]);
        }
    }
}

/// Look-around is bounded: ten times the text takes about ten times as long, also where every byte is a trigger.
#[test]
fn hostile_texts_stay_linear() {
    let plain = ["@", "a@", "+1", "1 ", "4111 ", "A", "DE89 ", "(212)", "0", "tel 1"];
    let spelled = ["\\", "\\u", "\\u0031", "\u{a0}", "–", "1–"];
    for unit in plain.into_iter().chain(spelled) {
        let text = unit.repeat(400_000 / unit.len());
        let started = std::time::Instant::now();
        let _ = scan_text(text.as_bytes());
        // A quadratic scan of 400 kB would take minutes.
        assert!(started.elapsed().as_secs() < 5, "{unit:?}");
    }
}
