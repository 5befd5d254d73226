//! The text that the classifier reads: all instructions, then the last user turn, joined by a blank line.
//! A task often stands in the system message and its input in the user's, and the classifier was trained on both
//! together. Earlier turns are left out: they say little of how hard the next answer is, and cost tokens.

use std::borrow::Cow;

use crate::chat::{Message, Role};

/// Instructions (`system`, `developer`) and the last user turn; without a user turn the last turn that holds text.
/// A request of one user message gives exactly its text.
pub(super) fn classifier_text(messages: &[Message]) -> String {
    let instructions =
        messages.iter().filter(|message| matches!(message.role, Role::System | Role::Developer));
    let mut text = String::new();
    for part in
        instructions.chain(last_turn(messages)).flat_map(Message::texts).filter(|part| !part.is_empty())
    {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(part);
    }
    text
}

/// What the user asks: the last user turn's text; without a user turn the last turn that holds text.
pub(super) fn asked(messages: &[Message]) -> Cow<'_, str> {
    let mut parts = last_turn(messages).into_iter().flat_map(Message::texts).filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (None, _) => Cow::Borrowed(""),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => {
            let parts: Vec<&str> = [first, second].into_iter().chain(parts).collect();
            Cow::Owned(parts.join("\n\n"))
        }
    }
}

fn last_turn(messages: &[Message]) -> Option<&Message> {
    let user = messages.iter().rfind(|message| message.role == Role::User);
    user.or_else(|| messages.iter().rfind(|message| !is_instruction(message) && has_text(message)))
}

fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn has_text(message: &Message) -> bool {
    message.texts().any(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Part;

    fn text_of(messages: &[(Role, &str)]) -> String {
        let messages: Vec<Message> =
            messages.iter().map(|(role, text)| Message::text(*role, *text)).collect();
        classifier_text(&messages)
    }

    #[test]
    fn one_user_message_is_its_own_text() {
        assert_eq!(text_of(&[(Role::User, " What is 2 + 2?\n")]), " What is 2 + 2?\n");
    }

    #[test]
    fn instructions_come_first_and_earlier_turns_are_left_out() {
        let text = text_of(&[
            (Role::System, "Answer with a label."),
            (Role::User, "first question"),
            (Role::Assistant, "first answer"),
            (Role::Developer, "Labels: a, b."),
            (Role::User, "second question"),
            (Role::Tool, "a tool's result"),
        ]);
        assert_eq!(text, "Answer with a label.\n\nLabels: a, b.\n\nsecond question");
    }

    #[test]
    fn without_a_user_turn_the_last_turn_with_text_is_read() {
        assert_eq!(
            text_of(&[(Role::Assistant, "so far"), (Role::Tool, "result"), (Role::Assistant, "")]),
            "result"
        );
        assert_eq!(text_of(&[(Role::System, "only this")]), "only this");
    }

    #[test]
    fn pictures_leave_no_trace_and_text_parts_are_joined() {
        let mut message = Message::text(Role::User, "above");
        message.content.extend([Part::Image, Part::Text(String::new()), Part::Text("below".to_owned())]);
        assert_eq!(asked(std::slice::from_ref(&message)), "above\n\nbelow");
        assert_eq!(classifier_text(&[message]), "above\n\nbelow");
    }

    #[test]
    fn what_is_asked_leaves_instructions_and_tools_out() {
        let messages = [
            Message::text(Role::System, "Be brief."),
            Message::text(Role::User, "question"),
            Message::text(Role::Tool, "result"),
        ];
        assert_eq!(asked(&messages), "question");
        assert_eq!(asked(&messages[..1]), "");
    }
}
