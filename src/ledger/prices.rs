//! What models cost. The table that ships inside the binary, with the user's own file laid over it by exact model name.
//! Promises exact integer arithmetic, rounded up to the next micro-dollar, and that an unknown model has no price.
//! Deliberately has no fuzzy names and no default price: a wrong cost is worse than a missing one. Read once at start.

use std::collections::HashMap;
use std::path::Path;

use toml::{Table, Value};

use crate::chat::{Micros, Usage};
use crate::config::Problem;

/// The table that ships inside the binary.
const SHIPPED: &str = include_str!("prices.toml");
/// The only form that this version reads.
const SCHEMA_VERSION: i64 = 1;
/// Ten thousand dollars per million tokens: whoever writes more has taken a wrong unit.
const HIGHEST: i64 = 10_000_000_000;
/// Most models in one file.
const MOST_MODELS: usize = 10_000;
const HOW: &str = "must be a whole number of micro-dollars per million tokens ($2.50 per million is 2500000)";

/// Prices of one model, in micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Prompt tokens.
    pub input: u64,
    /// Prompt tokens read from the provider's cache; the price of `input` where the table names none.
    pub cached_input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
}

impl Price {
    /// The cost of `usage`: cached tokens are part of the prompt and reasoning part of the completion, so each token is
    /// priced once. Rounded up to the next micro-dollar; saturates at the highest amount.
    pub fn cost(&self, usage: &Usage) -> Micros {
        let cached = usage.cached_prompt.min(usage.prompt);
        let parts = [
            (usage.prompt - cached, self.input),
            (cached, self.cached_input),
            (usage.completion, self.output),
        ];
        // Two 64-bit factors fit 128 bits, and three such products do not overflow them at prices below `HIGHEST`.
        let total: u128 = parts.iter().map(|(count, price)| u128::from(*count) * u128::from(*price)).sum();
        Micros(i64::try_from(total.div_ceil(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// One line of the table: prices, and those of requests whose prompt is longer than a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    price: Price,
    long: Option<(u64, Price)>,
}

/// The prices of all known models.
#[derive(Clone, Debug)]
pub struct Prices {
    models: HashMap<String, Entry>,
    as_of: String,
}

impl Prices {
    /// The shipped table with `file`, where there is one, laid over it.
    ///
    /// # Errors
    /// Every problem of the file, each with file and key.
    pub fn load(file: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let mut prices = parse(SHIPPED, Path::new("prices.toml (in the binary)"))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| vec![named(path, "ledger.prices", format!("cannot be read: {error}"))])?;
            let own = parse(&text, path)?;
            prices.models.extend(own.models);
            prices.as_of = own.as_of;
        }
        Ok(prices)
    }

    /// The prices that hold for `usage` of `model`; `None` when the model is not in the table.
    pub fn of(&self, model: &str, usage: &Usage) -> Option<Price> {
        let entry = self.models.get(model)?;
        match entry.long {
            Some((above, long)) if usage.prompt > above => Some(long),
            Some(_) | None => Some(entry.price),
        }
    }

    /// The cost of `usage` of `model`; `None`, never 0, when the model is not in the table.
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<Micros> {
        Some(self.of(model, usage)?.cost(usage))
    }

    /// Whether the model has a price.
    pub fn knows(&self, model: &str) -> bool {
        self.models.contains_key(model)
    }

    /// The day that the table (the user's own, where there is one) says it holds for.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }
}

fn named(file: &Path, key: &str, message: String) -> Problem {
    Problem { file: Some(file.to_path_buf()), key: Some(key.to_owned()), message }
}

/// Collects what is wrong with one file, so that all of it is reported at once.
struct Reader<'a> {
    file: &'a Path,
    problems: Vec<Problem>,
}

fn parse(text: &str, file: &Path) -> Result<Prices, Vec<Problem>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        vec![Problem::file(file, format!("is not a price table: {}", error.message()))]
    })?;
    let mut reader = Reader { file, problems: vec![] };
    let mut prices = Prices { models: HashMap::new(), as_of: String::new() };
    if table.get("schema-version").and_then(Value::as_integer) != Some(SCHEMA_VERSION) {
        reader.blame("schema-version", format!("must be {SCHEMA_VERSION}"));
    }
    for (key, value) in &table {
        match (key.as_str(), value) {
            ("schema-version", _) | ("source", Value::String(_)) => {}
            ("as-of", Value::String(day)) => prices.as_of.clone_from(day),
            ("as-of", Value::Datetime(day)) => prices.as_of = day.to_string(),
            ("models", Value::Table(models)) => prices.models = reader.models(models),
            ("as-of" | "source", _) => reader.blame(key, "must be text".to_owned()),
            ("models", _) => reader.blame(key, "must be a table of models".to_owned()),
            _ => reader.blame(
                key,
                "is not a key of a price table: schema-version, as-of, source, models".to_owned(),
            ),
        }
    }
    if prices.as_of.is_empty() {
        reader.blame("as-of", "is missing: the day that the prices hold for".to_owned());
    }
    if reader.problems.is_empty() { Ok(prices) } else { Err(reader.problems) }
}

impl Reader<'_> {
    fn blame(&mut self, key: &str, message: String) {
        self.problems.push(named(self.file, key, message));
    }

    fn models(&mut self, models: &Table) -> HashMap<String, Entry> {
        if models.len() > MOST_MODELS {
            self.blame("models", format!("has more than {MOST_MODELS} models"));
            return HashMap::new();
        }
        let mut entries = HashMap::with_capacity(models.len());
        for (name, value) in models {
            let key = format!("models.\"{name}\"");
            let Some(fields) = value.as_table() else {
                self.blame(&key, "must be a table with input and output".to_owned());
                continue;
            };
            if let Some(entry) = self.entry(&key, fields) {
                entries.insert(name.clone(), entry);
            }
        }
        entries
    }

    fn entry(&mut self, key: &str, fields: &Table) -> Option<Entry> {
        let price = self.price(key, fields, "long");
        let long = match fields.get("long") {
            None => None,
            Some(Value::Table(long)) => {
                let within = format!("{key}.long");
                let above = self.number(&within, long, "above", "must be a whole number of prompt tokens");
                if above.is_none() && !long.contains_key("above") {
                    self.blame(&format!("{within}.above"), "is missing".to_owned());
                }
                above.zip(self.price(&within, long, "above"))
            }
            Some(_) => {
                self.blame(&format!("{key}.long"), "must be a table".to_owned());
                None
            }
        };
        Some(Entry { price: price?, long })
    }

    /// The three prices of a table in which `other` is the only further key.
    fn price(&mut self, key: &str, fields: &Table, other: &str) -> Option<Price> {
        for field in fields.keys() {
            if !["input", "cached-input", "output", other].contains(&field.as_str()) {
                let known = format!("is not a key here: input, cached-input, output, {other}");
                self.blame(&format!("{key}.{field}"), known);
            }
        }
        for field in ["input", "output"] {
            if !fields.contains_key(field) {
                self.blame(&format!("{key}.{field}"), format!("is missing; {HOW}"));
            }
        }
        let input = self.number(key, fields, "input", HOW);
        let cached = self.number(key, fields, "cached-input", HOW);
        let output = self.number(key, fields, "output", HOW);
        Some(Price { input: input?, cached_input: cached.or(input)?, output: output? })
    }

    fn number(&mut self, key: &str, fields: &Table, field: &str, how: &str) -> Option<u64> {
        let value = fields.get(field)?;
        let number = value
            .as_integer()
            .filter(|number| (0..=HIGHEST).contains(number))
            .and_then(|n| u64::try_from(n).ok());
        if number.is_none() {
            self.blame(&format!("{key}.{field}"), format!("is {value}, {how}, from 0 to {HIGHEST}"));
        }
        number
    }
}

#[cfg(test)]
mod tests;
