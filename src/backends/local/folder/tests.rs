//! What folders say, in both layouts, and every way in which they are refused.

use super::*;
use crate::backends::local::families::{Form, assemble, read};
