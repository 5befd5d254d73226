//! The `x-crossover-*` request headers. A malformed, repeated or unknown one is refused, never ignored.

use http::{HeaderMap, HeaderValue};

use super::refusal::Refusal;
use crate::chat::{Control, Controls};

const PREFIX: &str = "x-crossover-";
const MAX_TAGS: usize = 16;

/// Reads all control headers.
pub(super) fn read(headers: &HeaderMap) -> Result<Controls, Refusal> {
    let mut controls = Controls::default();
    for name in headers.keys().filter(|name| name.as_str().starts_with(PREFIX)) {
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::header(name.as_str(), "stands twice; send it once."));
        };
        set(&mut controls, name.as_str(), value)?;
    }
    Ok(controls)
}

fn set(controls: &mut Controls, name: &str, value: &HeaderValue) -> Result<(), Refusal> {
    let text =
        value.to_str().map_err(|_| Refusal::header(name, "holds characters outside visible ASCII."))?.trim();
    match &name[PREFIX.len()..] {
        "route" => {
            let wanted = "expected auto, prefer-local, only-local, prefer-remote or only-remote.";
            controls.route = route(text).ok_or_else(|| Refusal::header(name, wanted))?;
        }
        "debug" => {
            controls.debug = text.parse().map_err(|_| Refusal::header(name, "expected true or false."))?;
        }
        "session" if Controls::is_name(text) => controls.session = Some(text.to_owned()),
        "session" => {
            return Err(Refusal::header(name, "expected 1 to 64 letters, digits, '-', '_', '.' or ':'."));
        }
        "tags" => {
            let tags: Vec<String> = text.split(',').map(|tag| tag.trim().to_owned()).collect();
            if tags.len() > MAX_TAGS || !tags.iter().all(|tag| Controls::is_name(tag)) {
                let wanted = "expected up to 16 tags with commas between, each of 1 to 64 letters, digits, '-', '_', '.' or ':'.";
                return Err(Refusal::header(name, wanted));
            }
            controls.tags = tags;
        }
        _ => return Err(Refusal::header(name, "no such control; known: route, tags, session, debug.")),
    }
    Ok(())
}

fn route(text: &str) -> Option<Control> {
    Some(match text {
        "auto" => Control::Auto,
        "prefer-local" => Control::PreferLocal,
        "only-local" => Control::OnlyLocal,
        "prefer-remote" => Control::PreferRemote,
        "only-remote" => Control::OnlyRemote,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn read_pairs(pairs: &[(&'static str, &str)]) -> Result<Controls, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        read(&headers)
    }

    #[test]
    fn controls_are_read() {
        let controls = read_pairs(&[
            ("x-crossover-route", "only-local"),
            ("x-crossover-tags", "private, team:a"),
            ("x-crossover-debug", "true"),
            ("x-other", "1"),
        ])
        .unwrap();
        assert_eq!(controls.route, Control::OnlyLocal);
        assert_eq!(controls.tags, ["private", "team:a"]);
        assert!(controls.debug);
    }

    #[test]
    fn malformed_repeated_and_unknown_controls_are_refused() {
        for pairs in [
            &[("x-crossover-route", "local")][..],
            &[("x-crossover-route", "auto"), ("x-crossover-route", "auto")],
            &[("x-crossover-debug", "yes")],
            &[("x-crossover-tags", "a,,b")],
            &[("x-crossover-session", "")],
            &[("x-crossover-rouet", "auto")],
        ] {
            assert_eq!(read_pairs(pairs).unwrap_err().status, 400, "{pairs:?}");
        }
    }
}
