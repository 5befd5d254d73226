//! The report as one page that needs nothing else: no script, no request, pictures drawn here as SVG, for light and
//! dark screens and for paper. Every name is escaped, and no answer is in it. Each picture's figures stand below it.

mod bars;
mod chart;
mod curve;
mod latency;
mod page;
mod reliability;

pub(super) use self::page::escape;
pub use self::page::page;

#[cfg(test)]
mod tests;
