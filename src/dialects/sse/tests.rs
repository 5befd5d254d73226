//! The decoder against the standard's own examples, every split of them, and streams that never end a line.

use super::*;

/// Decodes `text` cut into pieces of `size` bytes.
fn decode(text: &[u8], size: usize) -> Vec<(Option<String>, String)> {
    let mut decoder = Decoder::new();
    let mut frames = vec![];
    for piece in text.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = decoder.next_frame().unwrap() {
            let event = frame.event.map(|name| String::from_utf8(name.to_vec()).unwrap());
            frames.push((event, String::from_utf8(frame.data.to_vec()).unwrap()));
        }
    }
    frames
}

fn data(frames: &[(Option<String>, String)]) -> Vec<&str> {
    frames.iter().map(|(_, data)| data.as_str()).collect()
}

#[test]
fn c6_every_line_end_comment_name_and_bom_is_read_as_the_standard_says() {
    let cases: &[(&str, &[&str])] = &[
        ("data: a\n\ndata: b\n\n", &["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("data: a\r\rdata: b\r\r", &["a", "b"]),
        ("data: a\r\n\ndata: b\n\r\n", &["a", "b"]),
        ("\u{feff}data: a\n\n", &["a"]),
        ("data: \u{feff}a\n\n", &["\u{feff}a"]),
        (": keep-alive\n\ndata: a\n: more\n\n", &["a"]),
        ("data: YHOO\ndata: +2\ndata: 10\n\n", &["YHOO\n+2\n10"]),
        ("data\n\ndata\ndata\n\ndata:", &["", "\n"]),
        ("data:test\n\ndata: test\n\ndata:  test\n\n", &["test", "test", " test"]),
        ("id: 1\nretry: 100\ndata: a\nid\n\nunknown: x\n\n", &["a"]),
        ("Data: no\ndatax: no\n\ndata: a:b: c\n\n", &["a:b: c"]),
        ("data: {\"x\":\"ä🦀\"}\n\n", &["{\"x\":\"ä🦀\"}"]),
        ("data: unfinished\n", &[]),
    ];
    for (text, want) in cases {
        for size in 1..=text.len() {
            assert_eq!(data(&decode(text.as_bytes(), size)), *want, "{text:?} in pieces of {size}");
        }
    }
}

#[test]
fn c6_event_names_belong_to_one_event() {
    let frames =
        decode(b"event: error\ndata: x\n\ndata: y\n\nevent: lost\n\ndata: z\n\nevent:\ndata: w\n\n", 3);
    let names: Vec<_> = frames.iter().map(|(name, _)| name.as_deref()).collect();
    assert_eq!(names, [Some("error"), None, None, None]);
    assert_eq!(data(&frames), ["x", "y", "z", "w"]);
}

#[test]
fn an_event_within_one_read_is_not_copied() {
    let read = Bytes::from_static(b"data: abc\n\ndata: def\n\n");
    let mut decoder = Decoder::new();
    decoder.push(read.clone());
    for _ in 0..2 {
        let frame = decoder.next_frame().unwrap().unwrap();
        assert!(read.as_ptr_range().contains(&frame.data.as_ptr()));
    }
}

#[test]
fn undrained_reads_are_kept() {
    let mut decoder = Decoder::new();
    decoder.push(Bytes::from_static(b"data: a\n\nda"));
    decoder.push(Bytes::from_static(b"ta: b\n\n"));
    assert_eq!(decoder.next_frame().unwrap().unwrap().data, "a");
    assert_eq!(decoder.next_frame().unwrap().unwrap().data, "b");
    assert_eq!(decoder.next_frame().unwrap(), None);
}

#[test]
fn c7_a_line_that_never_ends_is_refused_within_the_cap() {
    let mut decoder = Decoder::new();
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    decoder.push(Bytes::from_static(b"data: "));
    let mut taken = 0;
    loop {
        match decoder.next_frame() {
            Ok(None) => {
                taken += piece.len();
                assert!(taken <= MAX_BYTES + piece.len());
                assert!(decoder.carry.capacity() <= 3 * MAX_BYTES);
                decoder.push(piece.clone());
            }
            Ok(Some(_)) => panic!("there is no event in this"),
            Err(TooLong) => break,
        }
    }
    assert!(taken >= MAX_BYTES - piece.len());
}

#[test]
fn c7_a_long_line_in_one_read_and_endless_data_lines_are_refused() {
    let mut decoder = Decoder::new();
    decoder.push(Bytes::from([b"data: ".as_slice(), &vec![b'x'; MAX_BYTES], b"\n\n"].concat()));
    assert_eq!(decoder.next_frame(), Err(TooLong));

    let mut decoder = Decoder::new();
    let lines = Bytes::from(b"data: 0123456789\n".repeat(8 * 1024));
    let refused = (0..32).any(|_| {
        decoder.push(lines.clone());
        decoder.next_frame().is_err()
    });
    assert!(refused);
}

#[test]
fn c7_an_event_just_under_the_cap_passes() {
    let payload = vec![b'x'; MAX_BYTES - "data: ".len()];
    let mut decoder = Decoder::new();
    decoder.push(Bytes::from([b"data: ".as_slice(), &payload, b"\n\n"].concat()));
    assert_eq!(decoder.next_frame().unwrap().unwrap().data.len(), payload.len());
}

#[test]
fn c7_comments_for_ever_hold_no_memory() {
    let mut decoder = Decoder::new();
    for _ in 0..10_000 {
        decoder.push(Bytes::from_static(b": keep-alive\n\n:"));
        assert_eq!(decoder.next_frame(), Ok(None));
        decoder.push(Bytes::from_static(b"\n"));
        assert_eq!(decoder.next_frame(), Ok(None));
    }
    assert!(decoder.carry.capacity() < 64 * 1024);
}
