//! The report as Markdown, for a pull request or a wiki: the findings first, then the figures.

use std::fmt::Write as _;

use super::form::{Kind, Report};
use super::text::{dollars, interval, ms, number};

impl Report {
    /// The report as GitHub-flavoured Markdown. Names are escaped; no answer is in it.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, to: &mut String) -> std::fmt::Result {
        let suite = cell(&format!("{} {}", self.suite.name, self.suite.version));
        writeln!(to, "# {suite}\n\n{} of {} rows, {}.", self.done, self.of, cell(&self.at))?;
        if self.done < self.of {
            writeln!(to, "\n**Stopped early: the figures hold for these rows only.**")?;
        }
        if let Some(remote) = &self.remote {
            writeln!(to, "\nRemote tier: {}.", cell(&remote.to_string()))?;
        }
        writeln!(to)?;
        for finding in &self.findings {
            writeln!(to, "- {}", cell(&finding.text))?;
        }
        self.subject_table(to)?;
        self.ranking_table(to)?;
        self.task_table(to)?;
        writeln!(to, "\n<details><summary>What the figures hold for</summary>\n")?;
        for (name, hash) in self.hashes.named() {
            writeln!(to, "- {}: `{}`", cell(&name), cell(hash))?;
        }
        writeln!(to, "\n</details>")
    }

    fn subject_table(&self, to: &mut String) -> std::fmt::Result {
        writeln!(to, "\n| subject | quality | 95 % | n | unscored | local | cost | p50 | p95 |")?;
        writeln!(to, "|---|--:|---|--:|--:|--:|--:|--:|--:|")?;
        for it in &self.subjects {
            let cells = [
                cell(&it.name),
                number(it.quality),
                interval(it.ci),
                it.n.to_string(),
                it.unscored.to_string(),
                percent(it.local_share),
                dollars(it.cost_micros),
                ms(it.total_ms_p50),
                ms(it.total_ms_p95),
            ];
            writeln!(to, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    fn ranking_table(&self, to: &mut String) -> std::fmt::Result {
        if self.curves.is_empty() {
            return Ok(());
        }
        writeln!(to, "\n| ranking | APGR | CPT(50) | CPT(80) | area |\n|---|--:|--:|--:|--:|")?;
        for it in &self.curves {
            let shares = [percent(it.cpt50), percent(it.cpt80)].join(" | ");
            writeln!(to, "| {} | {} | {shares} | {:.3} |", cell(&it.name), number(it.apgr), it.area)?;
        }
        Ok(())
    }

    fn task_table(&self, to: &mut String) -> std::fmt::Result {
        writeln!(to, "\n| subject | task | quality | 95 % | n |\n|---|---|--:|---|--:|")?;
        for it in self.subjects.iter().filter(|it| it.kind != Kind::Rival) {
            for task in &it.by_task {
                let (subject, name, ci) = (cell(&it.name), cell(&task.name), interval(task.ci));
                writeln!(to, "| {subject} | {name} | {:.3} | {ci} | {:.0} |", task.quality, task.n)?;
            }
        }
        Ok(())
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// A text that can neither end a cell nor start markup.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => cell.extend(['\\', letter]),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '&' => cell.push_str("&amp;"),
            '\n' | '\r' => cell.push(' '),
            other => cell.push(other),
        }
    }
    cell
}
