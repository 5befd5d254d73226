//! Reads a TOML table field by field and keeps going: every wrong type and unknown key becomes a problem with its key.

use std::path::Path;

use toml::{Table, Value};

use crate::config::Problem;

/// Where problems of one file go.
pub(super) struct Problems<'a> {
    file: &'a Path,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(super) fn of(file: &'a Path) -> Self {
        Self { file, found: vec![] }
    }

    pub(super) fn add(&mut self, key: &str, message: impl Into<String>) {
        self.found.push(Problem {
            file: Some(self.file.to_path_buf()),
            key: Some(key.to_owned()),
            message: message.into(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}

/// What a field may hold.
pub(super) trait Field: Sized {
    /// What is expected, for the message.
    const WHAT: &'static str;
    /// The value, where it is of the right type.
    fn read(value: Value) -> Option<Self>;
}

impl Field for String {
    const WHAT: &'static str = "a text";
    fn read(value: Value) -> Option<Self> {
        if let Value::String(text) = value { Some(text) } else { None }
    }
}

impl Field for bool {
    const WHAT: &'static str = "true or false";
    fn read(value: Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Field for u32 {
    const WHAT: &'static str = "a whole number of at least 0";
    fn read(value: Value) -> Option<Self> {
        value.as_integer().and_then(|number| Self::try_from(number).ok())
    }
}

impl Field for f32 {
    const WHAT: &'static str = "a number";
    fn read(value: Value) -> Option<Self> {
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
        number.is_finite().then_some(number as Self)
    }
}

impl Field for Vec<String> {
    const WHAT: &'static str = "a list of texts";
    fn read(value: Value) -> Option<Self> {
        let Value::Array(items) = value else { return None };
        items.into_iter().map(String::read).collect()
    }
}

impl Field for Table {
    const WHAT: &'static str = "a table";
    fn read(value: Value) -> Option<Self> {
        if let Value::Table(table) = value { Some(table) } else { None }
    }
}

impl Field for Vec<Table> {
    const WHAT: &'static str = "a list of tables";
    fn read(value: Value) -> Option<Self> {
        let Value::Array(items) = value else { return None };
        items.into_iter().map(Table::read).collect()
    }
}

impl Field for Value {
    const WHAT: &'static str = "a value";
    fn read(value: Value) -> Option<Self> {
        Some(value)
    }
}

/// One table, being emptied.
pub(super) struct Fields {
    table: Table,
    path: String,
}

impl Fields {
    /// A table that stands at `path` (empty for the file itself).
    pub(super) fn new(table: Table, path: &str) -> Self {
        Self { table, path: path.to_owned() }
    }

    /// The dotted key of one of its fields.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field out, where it is there and of the right type.
    pub(super) fn take<T: Field>(&mut self, name: &str, problems: &mut Problems<'_>) -> Option<T> {
        let value = self.table.remove(name)?;
        let found = value.type_str();
        let read = T::read(value);
        if read.is_none() {
            problems.add(&self.key(name), format!("must be {}, is a wrong {found}", T::WHAT));
        }
        read
    }

    /// Takes a field out that must be there.
    pub(super) fn need<T: Field>(&mut self, name: &str, problems: &mut Problems<'_>) -> Option<T> {
        if !self.table.contains_key(name) {
            problems.add(&self.key(name), format!("is missing: {} is needed", T::WHAT));
        }
        self.take(name, problems)
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Takes the next field out, whichever it is.
    pub(super) fn next(&mut self) -> Option<(String, Value)> {
        let name = self.table.keys().next()?.clone();
        self.table.remove_entry(&name)
    }

    /// What is left is unknown.
    pub(super) fn finish(self, known: &str, problems: &mut Problems<'_>) {
        for name in self.table.keys() {
            problems.add(&self.key(name), format!("is no key that this version knows; known here: {known}"));
        }
    }
}
