//! What a gateway says, read strictly: responses, error envelopes, event streams, metrics and ledger rows.

use std::path::Path;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Response;
use serde_json::{Map, Value};

/// One response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap() }
    }

    /// A header that stands there once; empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        assert!(self.headers.get_all(name).iter().count() <= 1, "{name} stands twice");
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn string(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// The error of a refusal with this status, after a look at the envelope and the headers that each must have.
    pub(crate) fn error(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        assert!(self.header("x-request-id").starts_with("req_"), "{self:?}");
        envelope(&self.json())
    }

    /// The stable code of a refusal with this status.
    pub(crate) fn code(&self, status: u16) -> String {
        self.error(status)["code"].as_str().unwrap().to_owned()
    }

    /// Seconds that the client is asked to wait.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap())
    }

    /// The data of each event of a stream.
    pub(crate) fn events(&self) -> Vec<String> {
        let head = (self.status, self.header("content-type"));
        assert_eq!(head, (200, "text/event-stream; charset=utf-8"), "{self:?}");
        assert!(self.header("x-request-id").starts_with("req_"));
        let text = self.string();
        assert!(text.ends_with("\n\n"), "the last event is whole");
        let data = |event: &str| event.strip_prefix("data: ").map(str::to_owned);
        let events = text.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
        events.map(|event| data(event).unwrap_or_else(|| panic!("no event: {event}"))).collect()
    }

    /// The chunks of a whole stream, without its `[DONE]`.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let mut events = self.events();
        assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{self:?}");
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    /// The chunks of a broken stream, and the error it ends with.
    pub(crate) fn broken(&self) -> (Vec<Value>, Value) {
        let events = self.events();
        assert!(!events.iter().any(|event| event == "[DONE]"), "a broken answer looks whole: {self:?}");
        let mut chunks: Vec<Value> =
            events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        let last = chunks.pop().unwrap();
        (chunks, envelope(&last))
    }
}

/// The error of an envelope with all four keys.
pub(crate) fn envelope(body: &Value) -> Value {
    let error = body["error"].as_object().unwrap_or_else(|| panic!("no envelope: {body}"));
    let mut keys: Vec<_> = error.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["code", "message", "param", "type"], "{body}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert!(error["type"].is_string() && error["code"].is_string(), "{body}");
    Value::Object(error.clone())
}

/// The text of the first choice.
pub(crate) fn text(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

/// The samples of one scrape.
pub(crate) struct Samples(Vec<Sample>);

/// Name, labels and value of one series.
type Sample = (String, Vec<(String, String)>, f64);

impl Samples {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect())
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.0.len()
    }

    /// The sum over all series of `crossover_{name}` with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |own: &[(String, String)], (name, value): &(&str, &str)| {
            own.iter().any(|(n, v)| n == name && v == value)
        };
        let named = self.0.iter().filter(|(n, ..)| n.strip_prefix("crossover_") == Some(name));
        // An empty sum of floats is -0.
        named.filter(|(_, own, _)| labels.iter().all(|label| has(own, label))).map(|(.., v)| v).sum::<f64>()
            + 0.0
    }

    /// Every value of a label in the series of `crossover_{name}`.
    pub(crate) fn values(&self, name: &str, label: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(n, ..)| n.strip_prefix("crossover_") == Some(name));
        named.flat_map(|(_, own, _)| own).filter(|(n, _)| n == label).map(|(_, v)| v.as_str()).collect()
    }
}

/// `name{label="value",...} number`, with every escape undone.
fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = head.split_once('{') else { return Some((head.to_owned(), vec![], value)) };
    let mut rest = rest;
    let mut labels = vec![];
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, c) => text.push(c),
            }
        };
        labels.push((label.trim_start_matches(',').to_owned(), text));
        rest = &after[end + 1..];
    }
    (rest == "}").then(|| (name.to_owned(), labels, value))
}

/// Every row of a ledger file, by column, in the order of arrival; none while there is no ledger.
pub(crate) fn rows(file: &Path) -> Vec<Value> {
    use rusqlite::types::ValueRef;
    let Ok(connection) =
        rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
    else {
        return vec![];
    };
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let Ok(mut statement) = connection.prepare("SELECT * FROM outcomes ORDER BY at_ms, id") else {
        return vec![];
    };
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        let mut all = Map::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get_ref(at)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap().into(),
                ValueRef::Blob(_) => panic!("a blob in {name}"),
            };
            let value = match value {
                Value::String(text) if name == "attempts" => serde_json::from_str(&text).unwrap(),
                value => value,
            };
            all.insert(name.clone(), value);
        }
        Ok(Value::Object(all))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}
