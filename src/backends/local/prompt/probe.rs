//! What a chat template does with a conversation, measured where its folder is read: words that nobody can guess are
//! rendered, and what stands in the text is shown. Promises: a template that only mentions tools, or drops instructions
//! or results without a word, is found out. How calls are written is not measured: the template's marks tell.

use serde_json::{Value, json};

use super::turns;
use crate::backends::local::template::{Scene, Template};
use crate::backends::local::tool_calls::Form;

/// A template, and what it does.
pub(super) struct Measured {
    pub(super) template: Template,
    /// The form of calls; none where offered tools are not shown.
    pub(super) form: Option<Form>,
    /// Tools are shown as a text of the system turn and nowhere else, and calls as part of what the assistant said.
    pub(super) in_turns: bool,
    /// A system turn is shown.
    pub(super) instructions: bool,
    /// A tool's result is shown.
    pub(super) results: bool,
    /// One call of a turn is shown, and several are refused or not all of them shown.
    pub(super) one_call: bool,
}

impl Measured {
    /// Measures what `template` does; renders a few short conversations.
    pub(super) fn new(template: Template) -> Self {
        let probe = Probe { template: &template, secret: format!("{:032x}", rand::random::<u128>()) };
        let form = Form::of(template.source());
        let at_top = form.is_some() && probe.shows_tools();
        let in_turns = form == Some(Form::Phi4) && !at_top && probe.shows_tools_in_turns();
        let tools = if at_top { vec![probe.tool()] } else { vec![] };
        let calls = |count| probe.render(probe.calls(count, turns::result_role(in_turns)), tools.clone());
        let (one, two) = (calls(1), calls(2));
        let shows = |text: &Option<String>, what| text.as_ref().is_some_and(|text| probe.is_in(text, what));
        Self {
            form: form.filter(|_| at_top || in_turns),
            in_turns,
            instructions: probe.shows_instructions(),
            // What it refuses it does not drop.
            results: one.is_none() || shows(&one, "result0"),
            one_call: shows(&one, "call0") && !(shows(&two, "call0") && shows(&two, "call1")),
            template,
        }
    }
}

/// Renders words that end in a secret.
struct Probe<'t> {
    template: &'t Template,
    secret: String,
}

impl Probe<'_> {
    fn word(&self, what: &str) -> String {
        format!("{what}_{}", self.secret)
    }

    fn is_in(&self, text: &str, what: &str) -> bool {
        text.contains(&self.word(what))
    }

    fn turn(&self, role: &str, what: &str) -> Value {
        json!({ "role": role, "content": self.word(what) })
    }

    fn tool(&self) -> Value {
        let parameters = json!({ "type": "object", "properties": {} });
        let name = self.word("tool");
        let function = json!({ "name": name, "description": "Probes.", "parameters": parameters });
        json!({ "type": "function", "function": function })
    }

    fn render(&self, messages: Vec<Value>, tools: Vec<Value>) -> Option<String> {
        self.template.render(&Scene { messages, tools, ..Scene::default() }).ok()
    }

    fn shows_tools(&self) -> bool {
        let (system, user) = (self.turn("system", "instructions"), self.turn("user", "question"));
        let rendered = |messages| self.render(messages, vec![self.tool()]);
        [vec![user.clone()], vec![system, user]]
            .into_iter()
            .any(|messages| rendered(messages).is_some_and(|text| self.is_in(&text, "tool")))
    }

    fn shows_tools_in_turns(&self) -> bool {
        let mut messages = vec![self.turn("user", "question")];
        turns::offer(&mut messages, &[self.tool()]);
        self.render(messages, vec![]).is_some_and(|text| self.is_in(&text, "tool"))
    }

    /// Where even a question alone is refused, nothing is known, and nothing held against it.
    fn shows_instructions(&self) -> bool {
        let (system, user) = (self.turn("system", "instructions"), self.turn("user", "question"));
        match self.render(vec![system, user.clone()], vec![]) {
            Some(text) => self.is_in(&text, "instructions"),
            None => self.render(vec![user], vec![]).is_none(),
        }
    }

    /// A question, so many calls in one turn, and their results.
    fn calls(&self, count: usize, result_role: &str) -> Vec<Value> {
        // Some templates want nine letters and digits.
        let id = |at: usize| format!("probe{at:04}");
        let call = |at| {
            let function = json!({ "name": self.word(&format!("call{at}")), "arguments": {} });
            json!({ "id": id(at), "type": "function", "function": function })
        };
        let calls: Vec<Value> = (0..count).map(call).collect();
        let assistant = json!({ "role": "assistant", "content": "", "tool_calls": calls });
        let results = (0..count).map(|at| {
            let content = self.word(&format!("result{at}"));
            json!({ "role": result_role, "tool_call_id": id(at), "content": content })
        });
        [self.turn("user", "question"), assistant].into_iter().chain(results).collect()
    }
}
