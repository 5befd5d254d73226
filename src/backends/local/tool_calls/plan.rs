//! What one request's tools mean for the local model: how calls are constrained and how they are read back.
//! Promises: a required call comes out, whatever the model; arguments obey a strict function's schema or the request is
//! refused; a schema that cannot be compiled and need not be obeyed still gives objects, and costs no other function its
//! own.

use std::sync::Arc;

use serde_json::{Value, json};

use super::grammar::{Free, Rules, SpecialId, arguments};
use super::{Form, Reading};
use crate::backends::local::constraint::{
    ConstraintError, Grammars, json_schema, with_options, without_patterns,
};
use crate::chat::{ChatRequest, ResponseFormat, ToolChoice};

/// What an answer must obey and how it is read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where tools may be called.
    pub(crate) reading: Option<Reading>,
    /// In `llguidance`'s JSON form, under the name by which it is kept; none where generation stays free.
    pub(crate) grammar: Option<Arc<str>>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unplanned {
    /// A tool is no function.
    NoFunction,
    /// The schema of a function that must be obeyed, or called, cannot be enforced.
    Schema(ConstraintError),
    /// The response format cannot be enforced.
    Format(ConstraintError),
}

/// Plans the answers of a model that writes calls in `form`, or `one_call` a turn, to a request that offers tools.
/// Compiles grammars, which may take tens of milliseconds: not for an async thread.
pub(crate) fn plan(
    form: Form,
    one_call: bool,
    request: &ChatRequest,
    special: SpecialId<'_>,
    grammars: &Grammars,
) -> Result<Plan, Unplanned> {
    let tools = &request.tools;
    let functions: Option<Vec<&Value>> = tools.offered.iter().map(|tool| tool.get("function")).collect();
    let mut functions = functions.ok_or(Unplanned::NoFunction)?;
    if let ToolChoice::Function(only) = &tools.choice {
        functions.retain(|function| function["name"] == only.as_str());
    }
    let strict = check_strict(&functions)?;
    let names =
        functions.iter().filter_map(|function| function["name"].as_str().map(str::to_owned)).collect();
    let free = match &tools.choice {
        ToolChoice::Required | ToolChoice::Function(_) => Free::Nothing,
        ToolChoice::Auto | ToolChoice::Never => beside(&request.response_format, grammars)?,
    };
    // A named function is called once, as OpenAI documents it; nor are more calls made than the template takes back.
    let one = one_call || tools.one_at_a_time || matches!(tools.choice, ToolChoice::Function(_));
    let rules = Rules { form, functions, free, one, special };
    let grammar = compile(&rules, strict, grammars)?;
    let marks = form.marks().filter_map(|mark| Some((special(mark)?, mark))).collect();
    let beside_json = matches!(rules.free, Free::Json(_));
    let reading = Reading { form, names, vouched: grammar.is_some(), beside_json, one, marks };
    Ok(Plan { reading: Some(reading), grammar })
}

/// Whether any function is strict; the schemas of those that are must be ones, and what they become can be enforced.
fn check_strict(functions: &[&Value]) -> Result<bool, Unplanned> {
    let mut strict = functions.iter().filter(|function| function["strict"] == true).peekable();
    let any = strict.peek().is_some();
    for function in strict.filter(|function| !function["parameters"].is_null()) {
        json_schema(&function["parameters"], true).map_err(Unplanned::Schema)?;
        json_schema(&arguments(function), true).map_err(Unplanned::Schema)?;
    }
    Ok(any)
}

/// What may be said in place of calls.
fn beside(format: &ResponseFormat, grammars: &Grammars) -> Result<Free, Unplanned> {
    let (schema, strict) = match format {
        ResponseFormat::Text => return Ok(Free::Text),
        ResponseFormat::JsonObject => (json!({ "type": "object" }), true),
        ResponseFormat::JsonSchema { schema, strict } => (Value::clone(schema), *strict),
    };
    let (schema, _) = grammars.of_schema(&schema, strict).map_err(Unplanned::Format)?;
    Ok(Free::Json(with_options(&schema, strict)))
}

/// Why a strict function is refused where calls are no sure thing.
const NOT_FREE: &str = "with this model a strict function can be enforced only where a call is required";

fn compile(rules: &Rules<'_>, strict: bool, grammars: &Grammars) -> Result<Option<Arc<str>>, Unplanned> {
    let mut compiled = compile_once(rules, false, grammars);
    if compiled.is_err() && rules.functions.iter().any(|function| !is_strict(function)) {
        let functions = loosened(rules);
        let looser = with_functions(rules, functions.iter().collect(), rules.free.clone());
        compiled = compile_once(&looser, false, grammars).or_else(|_| compile_once(rules, true, grammars));
    }
    match compiled {
        Ok(None) if strict => Err(Unplanned::Schema(ConstraintError::Unsupported(NOT_FREE))),
        Err(_) if !strict && matches!(rules.free, Free::Text) => Ok(None),
        compiled => compiled.map_err(Unplanned::Schema),
    }
}

/// The compiled grammar of these rules; none where generation stays free.
fn compile_once(
    rules: &Rules<'_>,
    simple: bool,
    grammars: &Grammars,
) -> Result<Option<Arc<str>>, ConstraintError> {
    let Some(lark) = rules.grammar(simple) else { return Ok(None) };
    let grammar: Arc<str> = json!({ "grammars": [{ "lark_grammar": lark }] }).to_string().into();
    grammars.prepare(&grammar).map(Some)
}

/// The same rules for other functions.
fn with_functions<'a>(rules: &Rules<'a>, functions: Vec<&'a Value>, free: Free) -> Rules<'a> {
    Rules { form: rules.form, functions, free, one: rules.one, special: rules.special }
}

/// The functions, those that need not be obeyed without the patterns of their schemas, which may be written in ways that no
/// grammar follows. Which of them it is would cost a grammar for each to find out.
fn loosened(rules: &Rules<'_>) -> Vec<Value> {
    let loosen = |function: &&Value| match is_strict(function) {
        true => Value::clone(function),
        false => with_parameters(function, without_patterns(&function["parameters"])),
    };
    rules.functions.iter().map(loosen).collect()
}

fn with_parameters(function: &Value, schema: Value) -> Value {
    let mut function = function.clone();
    if let Some(fields) = function.as_object_mut() {
        fields.insert("parameters".to_owned(), schema);
    }
    function
}

fn is_strict(function: &Value) -> bool {
    function["strict"] == true
}
