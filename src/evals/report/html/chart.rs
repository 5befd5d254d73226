//! What all pictures are drawn with: a plotting area with axes, lines, marks and a title for those who cannot see it.

use std::fmt::Write as _;

use super::escape;

/// Room around the plotting area, in the picture's own units.
#[derive(Clone, Copy)]
pub(super) struct Margins {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// A picture with linear axes.
pub(super) struct Plot {
    width: f64,
    height: f64,
    margins: Margins,
    x: (f64, f64),
    y: (f64, f64),
    body: String,
}

impl Plot {
    pub(super) fn new(size: (f64, f64), margins: Margins, x: (f64, f64), y: (f64, f64)) -> Self {
        Self { width: size.0, height: size.1, margins, x, y, body: String::new() }
    }

    pub(super) fn at_x(&self, x: f64) -> f64 {
        let span = self.width - self.margins.left - self.margins.right;
        self.margins.left + (x - self.x.0) / (self.x.1 - self.x.0) * span
    }

    pub(super) fn at_y(&self, y: f64) -> f64 {
        let span = self.height - self.margins.top - self.margins.bottom;
        self.height - self.margins.bottom - (y - self.y.0) / (self.y.1 - self.y.0) * span
    }

    /// Ready SVG; names in it must be escaped already.
    pub(super) fn raw(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (self.at_x(from.0), self.at_y(from.1), self.at_x(to.0), self.at_y(to.1));
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    pub(super) fn path(&mut self, class: &str, dashes: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut shape = String::new();
        for (x, y) in points {
            let _ = write!(shape, "{:.1},{:.1} ", self.at_x(x), self.at_y(y));
        }
        let dashes =
            if dashes.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dashes}""#) };
        let _ = write!(self.body, r#"<polyline class="{class}"{dashes} points="{}"/>"#, shape.trim_end());
    }

    pub(super) fn circle(&mut self, class: &str, at: (f64, f64), radius: f64, title: &str) {
        let (x, y) = (self.at_x(at.0), self.at_y(at.1));
        let _ = write!(
            self.body,
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}"><title>{}</title></circle>"#,
            escape(title)
        );
    }

    /// Text at a place of the data, moved by `shift` in the picture's units.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), shift: (f64, f64), text: &str) {
        let (x, y) = (self.at_x(at.0) + shift.0, self.at_y(at.1) + shift.1);
        let _ = write!(self.body, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(text));
    }

    /// Grid lines with their labels, and the axes' names.
    pub(super) fn axes(&mut self, x: (&str, &[f64]), y: (&str, &[f64]), label: fn(f64) -> String) {
        for tick in x.1 {
            self.line("grid", (*tick, self.y.0), (*tick, self.y.1));
            self.text("soft mid", (*tick, self.y.0), (0.0, 16.0), &label(*tick));
        }
        for tick in y.1 {
            self.line("grid", (self.x.0, *tick), (self.x.1, *tick));
            self.text("soft end", (self.x.0, *tick), (-7.0, 4.0), &label(*tick));
        }
        self.line("axis", (self.x.0, self.y.0), (self.x.1, self.y.0));
        self.line("axis", (self.x.0, self.y.0), (self.x.0, self.y.1));
        let middle = f64::midpoint(self.x.0, self.x.1);
        self.text("mid", (middle, self.y.0), (0.0, 36.0), x.0);
        let (at_x, at_y) = (13.0, f64::midpoint(self.at_y(self.y.0), self.at_y(self.y.1)));
        let _ = write!(
            self.body,
            r#"<text class="mid" x="{at_x}" y="{at_y:.1}" transform="rotate(-90 {at_x} {at_y:.1})">{}</text>"#,
            escape(y.0)
        );
    }

    /// The picture with its caption; `said` is what it shows, in words.
    pub(super) fn figure(&self, title: &str, caption: &str, said: &str) -> String {
        format!(
            "<figure{}><figcaption><b>{}</b>{}</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg></figure>\n",
            if self.width > 800.0 { " class=broad" } else { "" },
            escape(title),
            escape(caption),
            self.width,
            self.height,
            escape(said),
            self.body
        )
    }
}

/// A key: one sample of every line or mark with its name, wrapped to the width.
pub(super) fn key(entries: &[(String, String)], x: f64, y: f64, width: f64) -> String {
    let mut svg = String::new();
    let (mut at_x, mut at_y) = (x, y);
    for (sample, name) in entries {
        let wide = 38.0 + 7.2 * name.chars().count() as f64;
        if at_x + wide > x + width && at_x > x {
            (at_x, at_y) = (x, at_y + 18.0);
        }
        let _ = write!(
            svg,
            r#"<g transform="translate({at_x:.1} {at_y:.1})">{sample}<text x="26" y="4">{}</text></g>"#,
            escape(name)
        );
        at_x += wide;
    }
    svg
}

/// A line as a key shows it.
pub(super) fn sample_line(class: &str, dashes: &str) -> String {
    format!(r#"<line class="line {class}" stroke-dasharray="{dashes}" x1="0" y1="0" x2="20" y2="0"/>"#)
}

/// A filled box as a key shows it.
pub(super) fn sample_box(class: &str) -> String {
    format!(r#"<rect class="bar {class}" x="6" y="-5" width="11" height="10" rx="2"/>"#)
}

/// Round numbers inside `lo` to `hi`, about `count` of them.
pub(super) fn ticks(lo: f64, hi: f64, count: usize) -> Vec<f64> {
    let rough = (hi - lo) / count as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return vec![lo];
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|step| *step >= rough - 1e-12);
    let step = step.unwrap_or(10.0 * power);
    let first = (lo / step - 1e-9).ceil() as i64;
    let last = (hi / step + 1e-9).floor() as i64;
    (first..=last).map(|at| at as f64 * step).collect()
}

pub(super) fn percent(value: f64) -> String {
    let value = value * 100.0;
    if (value - value.round()).abs() < 0.05 { format!("{value:.0} %") } else { format!("{value:.1} %") }
}

/// A long name, cut where the picture has no room for it.
pub(super) fn short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
