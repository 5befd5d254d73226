//! The names that this gateway goes by. Without keys, being on this machine is all that guards it, and a web page may have
//! its own name point here (DNS rebinding) and ask through its visitor's browser, which then sends that name as the host.
//! So a name that nobody allowed is refused, on both listeners. An address is no page's name and always passes; so does
//! a request without a host, which no browser makes.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::HOST;
use http::uri::Authority;

use super::refusal::Refusal;
use super::{Front, turn_away};

/// Lets requests for this gateway pass, and turns all others away.
pub(super) async fn guard(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    if is_for_us(&request, &front.allowed_hosts) {
        next.run(request).await
    } else {
        turn_away(&front, Refusal::unknown_host())
    }
}

/// Whether every place where a request may name its host, the target and the header, names this gateway.
fn is_for_us(request: &Request, allowed: &[String]) -> bool {
    let named = |value: &HeaderValue| {
        Authority::try_from(value.as_bytes()).is_ok_and(|authority| is_ours(authority.host(), allowed))
    };
    request.uri().authority().is_none_or(|authority| is_ours(authority.host(), allowed))
        && request.headers().get_all(HOST).iter().all(named)
}

/// Whether a host, its port taken off, is an address, this machine's own name, or one that was allowed.
fn is_ours(host: &str, allowed: &[String]) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // A name may end with the dot of the root.
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name.parse::<Ipv4Addr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || allowed.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_allowed_names_are_ours() {
        let allowed = ["Gateway.example".to_owned()];
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "[::1]",
            "[2001:db8::1]",
            "localhost",
            "LocalHost",
            "localhost.",
            "a.localhost",
            "gateway.example",
            "GATEWAY.example.",
        ] {
            assert!(is_ours(host, &allowed), "{host}");
        }
        for host in [
            "",
            ".",
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "1.2.3",
            "[localhost]",
            "a.gateway.example",
            "gateway.example..",
        ] {
            assert!(!is_ours(host, &allowed), "{host}");
        }
    }
}
