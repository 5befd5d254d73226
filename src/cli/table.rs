//! A plain table for terminals: columns as wide as their widest cell, numbers and amounts to the right.
//! Counts characters, not display cells, and deliberately draws no frames: it should paste well into a text.

use std::fmt;

/// Rows under headers. Printed by `to_string()`, with a line break after every row.
pub(crate) struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new<S: Into<String>>(headers: impl IntoIterator<Item = S>) -> Self {
        Self { headers: headers.into_iter().map(Into::into).collect(), rows: vec![] }
    }

    /// Adds a row; cells that are missing stay empty, cells beyond the last header are left out.
    pub(crate) fn row<S: Into<String>>(mut self, cells: impl IntoIterator<Item = S>) -> Self {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.headers.len(), String::new());
        self.rows.push(cells);
        self
    }

    fn column(&self, at: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[at].as_str())
    }
}

/// Whether a cell reads as a number: an amount, a share, a time with its unit, or the dash of a missing one.
fn is_number(cell: &str) -> bool {
    let rest = cell.trim_start_matches(['-', '+', '$', '<', '~']);
    cell.is_empty() || cell == "-" || rest.starts_with(|first: char| first.is_ascii_digit())
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<(usize, bool)> = (0..self.headers.len())
            .map(|at| {
                let widest = self.column(at).map(|cell| cell.chars().count()).max().unwrap_or(0);
                let numbers = !self.rows.is_empty() && self.column(at).all(is_number);
                (widest.max(self.headers[at].chars().count()), numbers)
            })
            .collect();
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            let mut line = String::new();
            for (cell, (width, numbers)) in row.iter().zip(&columns) {
                let gap = width - cell.chars().count();
                let (before, after) = if *numbers { (gap, 0) } else { (0, gap) };
                line.extend(std::iter::repeat_n(' ', before));
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', after + 2));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let table = Table::new(["policy", "requests", "cost", "p50"])
            .row(["balanced", "1204", "$1.250000", "12 ms"])
            .row(["über", "7", "-$0.000001", "-"])
            .row(["short"]);
        let expected = "\
policy    requests        cost    p50
balanced      1204   $1.250000  12 ms
über             7  -$0.000001      -
short
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_table_without_rows_is_its_headers() {
        assert_eq!(Table::new(["a", "b"]).to_string(), "a  b\n");
    }
}
