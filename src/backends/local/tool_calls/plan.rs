//! What one request's tools mean for the local model: how calls are constrained and how they are read back.
//! Promises: a required call comes out, whatever the model; arguments obey a strict function's schema or the request is
//! refused; a schema that cannot be compiled and need not be obeyed still gives objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::grammar::{Free, Rules, SpecialId};
use super::{Form, Reading};
use crate::chat::{ResponseFormat, ToolChoice, Tools};

/// How a request's calls are made and found.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) reading: Reading,
    /// What the answer must obey, in `llguidance`'s JSON form; none where generation stays free.
    pub(crate) grammar: Option<Arc<str>>,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unplanned {
    /// A tool is no function.
    NoFunction,
    /// The schema of a strict function cannot be enforced.
    Schema,
    /// The response format cannot be enforced beside tools.
    Format,
}

/// Plans the answers of a model that writes calls in `form`; none where no tool may be called. `prepare` compiles a
/// grammar and says whether it can be used; it may take a while.
pub(crate) fn plan(
    form: Form,
    tools: &Tools,
    format: &ResponseFormat,
    special: SpecialId<'_>,
    prepare: &dyn Fn(&Arc<str>) -> bool,
) -> Result<Option<Plan>, Unplanned> {
    if tools.offered.is_empty() || tools.choice == ToolChoice::Never {
        return Ok(None);
    }
    let functions: Option<Vec<&Value>> = tools.offered.iter().map(|tool| tool.get("function")).collect();
    let mut functions = functions.ok_or(Unplanned::NoFunction)?;
    if let ToolChoice::Function(only) = &tools.choice {
        functions.retain(|function| function["name"] == only.as_str());
    }
    let names =
        functions.iter().filter_map(|function| function["name"].as_str().map(str::to_owned)).collect();
    let free = match (&tools.choice, format) {
        (ToolChoice::Required | ToolChoice::Function(_), _) => Free::Nothing,
        (_, ResponseFormat::Text) => Free::Text,
        (_, ResponseFormat::JsonObject) => Free::Json(json!({ "type": "object" })),
        (_, ResponseFormat::JsonSchema { schema, .. }) => Free::Json(Value::clone(schema)),
    };
    // A named function is called once, as OpenAI documents it.
    let one = tools.one_at_a_time || matches!(tools.choice, ToolChoice::Function(_));
    let strict = functions.iter().any(|function| function["strict"] == true);
    let rules = Rules { form, functions, free, one, special };
    let attempts = if strict { &[false][..] } else { &[false, true] };
    let compiled = attempts.iter().find_map(|simple| {
        let lark = rules.grammar(*simple)?;
        let grammar: Arc<str> = json!({ "grammars": [{ "lark_grammar": lark }] }).to_string().into();
        prepare(&grammar).then_some(grammar)
    });
    let marks = form.marks().filter_map(|mark| Some((special(mark)?, mark))).collect();
    let reading = Reading { form, names, vouched: compiled.is_some(), one, marks };
    match (compiled, rules.free) {
        (None, Free::Text) if !strict || form.is_bare() => Ok(Some(Plan { reading, grammar: None })),
        (None, Free::Json(_)) if !strict => Err(Unplanned::Format),
        (None, _) => Err(Unplanned::Schema),
        (grammar, _) => Ok(Some(Plan { reading, grammar })),
    }
}
