//! Phrases that name a task, and work that only mentions one.

use super::*;

/// Of a request that is one message.
fn guess(text: &str) -> Option<Task> {
    super::guess(text, text)
}

#[test]
fn recognises_labelling() {
    for text in [
        "Classify the message into one of these labels: a, b.\n\nMessage: my card is gone\nLabel:",
        "Is the sentiment of this text good? I loved it",
        "You label support messages. Allowed labels: refund, card. Answer with the label only.",
        "my card is gone\n\nChoose exactly one category (card, refund) for the text above.",
        "  WHICH OF THE FOLLOWING INTENTS fits best?",
    ] {
        assert_eq!(guess(text), Some(Task::Classification), "{text}");
    }
}

#[test]
fn recognises_extraction() {
    for text in [
        "Extract name and date from the text and return JSON.\n\nText: Ana comes on Monday.",
        "Return a JSON object with the keys name, date. Use null when a value is missing.",
        "From the sentence below pull out the city.",
    ] {
        assert_eq!(guess(text), Some(Task::Extraction), "{text}");
    }
}

#[test]
fn reads_the_end_of_a_long_text() {
    let text = format!("{}\n\nChoose exactly one label: spam, ham.", "lorem ipsum ".repeat(500));
    assert_eq!(guess(&text), Some(Task::Classification));
}

#[test]
fn leaves_other_work_alone() {
    for text in [
        "",
        "What is the capital of France?",
        "Write a program that can classify images.",
        "Explain how to extract features from audio.",
        "How do I extract a zip file?",
        "The reclassify button is broken, what now?",
        "Prove that the labels: a, b are distinct.",
    ] {
        assert_eq!(guess(text), None, "{text}");
    }
}

#[test]
fn other_work_is_left_alone_behind_instructions_that_name_no_task() {
    let behind = |system: &str, asked: &str| super::guess(&format!("{system}\n\n{asked}"), asked);
    let program = "Write a program that can classify images.";
    assert_eq!(behind("You are a helpful assistant.", program), None);
    assert_eq!(behind("You are a helpful assistant.", " how do I extract a zip file?"), None);
    let labelling = "You label messages. Labels: code, images. Answer with the label.";
    for asked in [program, "how do I get a new pin", "my card is gone"] {
        assert_eq!(behind(labelling, asked), Some(Task::Classification), "{asked}");
    }
    let asked = "Classify the message as spam or ham: buy now";
    assert_eq!(behind("You are a helpful assistant.", asked), Some(Task::Classification));
    assert_eq!(super::guess(labelling, ""), Some(Task::Classification), "instructions alone");
}

#[test]
fn phrases_begin_with_a_small_letter() {
    for phrase in CLASSIFICATION.iter().chain(EXTRACTION) {
        assert!(phrase.starts_with(|first: char| first.is_ascii_lowercase()), "{phrase}");
    }
}

#[test]
fn the_first_phrase_counts() {
    assert_eq!(guess("Extract the city, then classify it."), Some(Task::Extraction));
    assert_eq!(guess("Which category: with the fields a, b?"), Some(Task::Classification));
}

#[test]
fn names_round_trip() {
    for task in Task::ALL {
        assert_eq!(Task::parse(task.label()), Some(task));
    }
    assert_eq!(Task::parse("poetry"), None);
}
