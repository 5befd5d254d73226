//! The report as JUnit XML, which CI systems show beside unit tests: one case a task of every judged subject, one more
//! for all its rows, and one for every gate that did not hold.

use std::fmt::Write as _;

use super::form::{Kind, Report, SubjectReport};
use super::html::escape;
use super::slices::Slice;

impl Report {
    /// The report as JUnit XML. `failing` says what did not hold, in sentences; each is a failed case. A subject with
    /// nothing judged is a skipped case, never a passed one.
    pub fn junit(&self, failing: &[String]) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a string cannot fail.
        let _ = self.write_junit(failing, &mut text);
        text
    }

    fn write_junit(&self, failing: &[String], to: &mut String) -> std::fmt::Result {
        let judged: Vec<&SubjectReport> =
            self.subjects.iter().filter(|subject| subject.kind == Kind::Judged).collect();
        let cases: usize = judged.iter().map(|it| it.by_task.len() + 1).sum();
        let skipped = judged.iter().filter(|it| it.n == 0).count();
        let (tests, failures) = (cases + failing.len(), failing.len());
        let suite = escape(&format!("{} {}", self.suite.name, self.suite.version)).into_owned();
        writeln!(to, r#"<testsuites tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}">"#)?;
        writeln!(
            to,
            r#" <testsuite name="{suite}" tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}" timestamp="{}">"#,
            escape(&self.at)
        )?;
        writeln!(to, "  <properties>")?;
        for (name, hash) in self.hashes.named() {
            writeln!(to, r#"   <property name="{}" value="{}"/>"#, escape(&name), escape(hash))?;
        }
        if let Some(remote) = &self.remote {
            writeln!(to, r#"   <property name="remote" value="{}"/>"#, escape(&remote.to_string()))?;
        }
        writeln!(to, "  </properties>")?;
        for subject in judged {
            subject_cases(&suite, subject, to)?;
        }
        for problem in failing {
            let problem = escape(problem);
            writeln!(to, r#"  <testcase classname="{suite}.gate" name="{problem}">"#)?;
            writeln!(to, r#"   <failure message="{problem}"/>"#)?;
            writeln!(to, "  </testcase>")?;
        }
        writeln!(to, " </testsuite>\n</testsuites>")
    }
}

fn subject_cases(suite: &str, subject: &SubjectReport, to: &mut String) -> std::fmt::Result {
    let class = format!("{suite}.{}", escape(&subject.name));
    if subject.n == 0 {
        writeln!(
            to,
            r#"  <testcase classname="{class}" name="all rows"><skipped message="nothing could be judged"/></testcase>"#
        )?;
    } else {
        let said = [
            format!("quality {:.3}", subject.quality.unwrap_or_default()),
            format!("rows {}, unscored {}", subject.n, subject.unscored),
        ];
        let said = said.join("; ");
        writeln!(
            to,
            r#"  <testcase classname="{class}" name="all rows"><system-out>{said}</system-out></testcase>"#
        )?;
    }
    for Slice { name, quality, n, .. } in &subject.by_task {
        let name = escape(name);
        writeln!(
            to,
            r#"  <testcase classname="{class}" name="{name}"><system-out>quality {quality:.3}; rows {n:.0}</system-out></testcase>"#
        )?;
    }
    Ok(())
}
