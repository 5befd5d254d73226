//! docs/FAMILIES.md, and the tests that hold it against what really passes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::measure::{Outcome, TOKENS, measure};
use super::{FAMILIES, FORMS, Family};

/// With this in the environment, `the_page_is_what_the_families_say` writes the page instead of comparing it.
const WRITE: &str = "CROSSOVER_WRITE_FAMILIES";

const INTRO: &str = "";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FAMILIES.md")
}

/// A family's row.
fn row(family: &Family, outcomes: &[Outcome]) -> String {
    let mut row = format!("| {} |", family.title);
    for outcome in outcomes {
        let cell = match outcome {
            Outcome::Equal => "yes",
            Outcome::Absent => "",
            Outcome::Fails(_) => "no",
        };
        let _ = write!(row, " {cell} |");
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn try_all() {
        for family in &FAMILIES {
            if !super::super::fixtures().join(family.folder).exists() {
                continue;
            }
            let outcomes = measure(family).await;
            for (form, outcome) in FORMS.iter().zip(&outcomes) {
                eprintln!("{} {:?} {:?}", family.folder, form, outcome);
            }
            eprintln!("{}", row(family, &outcomes));
        }
    }
}
