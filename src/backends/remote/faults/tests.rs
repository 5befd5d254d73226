//! The status table and the readings of `Retry-After`.

use super::*;
use crate::dialects::openai_chat::upstream::parse_error;

fn blame() -> Blame {
    Blame { backend: BackendId::new("remote"), key: Some(Secret::new("sk-canary-key".into())) }
}

fn wait(name: &'static str, value: &str) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    retry_after(&headers, "1994-11-06T08:49:30Z".parse().unwrap())
}

#[test]
fn a3_retry_after_is_read_as_seconds_date_or_not_at_all() {
    assert_eq!(wait("retry-after", "1"), Some(Duration::from_secs(1)));
    assert_eq!(wait("retry-after", " 99999 "), Some(Duration::from_secs(99_999)));
    assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
    assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
    assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
    for garbage in ["", "-1", "soon", "1e3", "+5", "99999999999999999999999", "Sun, 06 Nov", "1.5.2"] {
        assert_eq!(wait("retry-after", garbage), None, "{garbage}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), Timestamp::now()), None);
}

#[test]
fn a4_a9_the_status_table() {
    let pause = Some(Duration::from_secs(3));
    let quota = Complaint { code: Some("insufficient_quota".into()), ..Complaint::default() };
    let plain = Complaint::default;
    let cases = [
        (429, plain(), Kind::RateLimited, Fault::Upstream, Retry::Same(pause)),
        (429, quota, Kind::InsufficientQuota, Fault::Us, Retry::Elsewhere),
        (402, plain(), Kind::InsufficientQuota, Fault::Us, Retry::Elsewhere),
        (401, plain(), Kind::UpstreamAuth, Fault::Us, Retry::Elsewhere),
        (403, plain(), Kind::UpstreamAuth, Fault::Us, Retry::Elsewhere),
        (408, plain(), Kind::UpstreamError, Fault::Upstream, Retry::Same(pause)),
        (409, plain(), Kind::UpstreamError, Fault::Upstream, Retry::Same(pause)),
        (425, plain(), Kind::UpstreamError, Fault::Upstream, Retry::Same(pause)),
        (500, plain(), Kind::UpstreamError, Fault::Upstream, Retry::Same(pause)),
        (504, plain(), Kind::UpstreamError, Fault::Upstream, Retry::Same(pause)),
        (400, plain(), Kind::Rejected, Fault::Caller, Retry::Never),
        (404, plain(), Kind::Rejected, Fault::Caller, Retry::Never),
        (413, plain(), Kind::Rejected, Fault::Caller, Retry::Never),
        (422, plain(), Kind::Rejected, Fault::Caller, Retry::Never),
        (101, plain(), Kind::InvalidResponse, Fault::Upstream, Retry::Elsewhere),
        (204, plain(), Kind::InvalidResponse, Fault::Upstream, Retry::Elsewhere),
        (302, plain(), Kind::InvalidResponse, Fault::Upstream, Retry::Elsewhere),
        (999, plain(), Kind::InvalidResponse, Fault::Upstream, Retry::Elsewhere),
    ];
    for (status, complaint, kind, fault, retry) in cases {
        let error = blame().status(status, pause, complaint, true);
        assert_eq!((error.kind, error.fault, error.retry), (kind, fault, retry), "{status}");
        assert_eq!(error.status, Some(status));
        assert_eq!(error.retry_after.is_some(), fault != Fault::Caller, "{status}: the caller may be told");
    }
}

#[test]
fn a8_a_model_that_the_key_may_not_use_is_told_as_that() {
    let body = br#"{"error":{"message":"project canary","code":"model_not_found"}}"#;
    let cases = [(403, false, "this model"), (403, true, "this model"), (404, true, "remote.model")];
    for (status, chosen, words) in cases {
        let error = blame().status(status, None, parse_error(body), chosen);
        assert_eq!((error.kind, error.fault, error.retry), (Kind::UpstreamAuth, Fault::Us, Retry::Elsewhere));
        assert!(error.message.contains(words) && !error.message.contains("canary"), "{error}");
    }
    let named = blame().status(404, None, parse_error(body), false);
    assert_eq!((named.kind, named.fault, named.retry), (Kind::Rejected, Fault::Caller, Retry::Never));
    assert_eq!(named.code.as_deref(), Some("model_not_found"));
}

#[test]
fn a7_the_callers_faults_carry_the_upstreams_words_and_others_do_not() {
    let body = br#"{"error":{"message":"too long","code":"context_length_exceeded","param":"messages"}}"#;
    let error = blame().status(400, None, parse_error(body), false);
    assert_eq!((error.kind, error.message.as_str()), (Kind::ContextLengthExceeded, "too long"));
    assert_eq!(
        (error.code.as_deref(), error.param.as_deref()),
        (Some("context_length_exceeded"), Some("messages"))
    );
    let ours = blame().status(500, None, parse_error(body), false);
    assert_eq!((ours.code, ours.param), (None, None));
    assert!(!ours.message.contains("too long"));
}

#[test]
fn a8_f3_our_key_is_in_no_error() {
    let body =
        br#"{"error":{"message":"bad key sk-canary-key","code":"sk-canary-key","param":"sk-canary-key"}}"#;
    for status in [400, 401, 403, 422, 429, 500] {
        let error = blame().status(status, None, parse_error(body), false);
        assert!(!format!("{error:?} {error}").contains("canary"), "{status}");
    }
}

#[test]
fn a12_an_error_inside_a_success_is_mapped_by_its_own_code() {
    let kind = |body: &str| blame().frame(FrameError::Upstream(parse_error(body.as_bytes()))).kind;
    assert_eq!(kind(r#"{"error":{"message":"x","code":429}}"#), Kind::RateLimited);
    assert_eq!(kind(r#"{"error":{"message":"x","code":502}}"#), Kind::UpstreamError);
    assert_eq!(kind(r#"{"error":{"type":"invalid_request_error","code":"odd"}}"#), Kind::Rejected);
    assert_eq!(kind(r#"{"error":{"code":"insufficient_quota"}}"#), Kind::InsufficientQuota);
    assert_eq!(kind(r#"{"error":{"code":"context_length_exceeded"}}"#), Kind::ContextLengthExceeded);
    assert_eq!(kind(r#"{"error":"?"}"#), Kind::UpstreamError);
}
