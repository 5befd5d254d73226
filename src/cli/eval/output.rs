//! The forms in which an eval report is written: JSON always, and a page, JUnit XML and Markdown where asked for.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::files::write;
use crate::cli::say::say;
use crate::evals::{Report, page};

#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct OutputArgs {
    /// Also write the report as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write it as JUnit XML, for CI systems
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also write it as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write all of them into this folder, as report.json, .html, .xml and .md
    #[arg(long, value_name = "FOLDER")]
    out_dir: Option<PathBuf>,
}

impl OutputArgs {
    /// Where the JSON goes, if the folder says.
    pub(super) fn json(&self) -> Option<PathBuf> {
        self.out_dir.as_ref().map(|folder| folder.join("report.json"))
    }

    /// Writes what was asked for but the JSON. `failing` are the gates that did not hold.
    pub(super) fn write(&self, reports: &[Report], failing: &[String]) -> anyhow::Result<()> {
        let title = reports.first().map_or("", |report| report.suite.name.as_str());
        let title = format!("{title}: eval report");
        for file in self.named(self.html.as_deref(), "report.html") {
            put(&file, &page(&title, reports))?;
        }
        for file in self.named(self.markdown.as_deref(), "report.md") {
            let texts: Vec<String> = reports.iter().map(Report::markdown).collect();
            put(&file, &texts.join("\n"))?;
        }
        for file in self.named(self.junit.as_deref(), "report.xml") {
            match reports {
                [report] => put(&file, &report.junit(failing))?,
                // A folder gets what there is; who named the file is told why there is none.
                _ if self.junit.is_none() => {}
                _ => bail!("--junit takes one report, and this run has {}", reports.len()),
            }
        }
        Ok(())
    }

    fn named(&self, own: Option<&Path>, name: &str) -> impl Iterator<Item = PathBuf> {
        own.map(Path::to_owned).into_iter().chain(self.out_dir.as_ref().map(|folder| folder.join(name)))
    }
}

fn put(file: &Path, text: &str) -> anyhow::Result<()> {
    write(file, text.as_bytes())?;
    say(&format!("report: {}\n", file.display()))
}
