//! Names into addresses, for an upstream outside the boundary: one that leads to a private place is refused, so that a
//! name which flips cannot take prompts and key to a machine of one's own network or to a cloud's metadata service.
//! Knows too which addresses lead back to the gateway itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::RemoteConfig;

/// A name led to an address that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name leads to an address that is not public")]
pub(super) struct NotPublic;

/// Asks the system, and lets public addresses pass only: all of a name's, or none.
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public = public(found.collect())?;
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn public(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
    if found.iter().all(|address| is_public(address.ip())) { Ok(found) } else { Err(NotPublic) }
}

/// Whether a name has to lead to public addresses: `localhost`, and what the settings allow, need not.
pub(super) fn guards(config: &RemoteConfig, url: &Url) -> bool {
    let Some(name) = url.host_str().filter(|_| written_out(url).is_none()) else { return false };
    !(is_localhost(name) || config.within_boundary || config.allow_private_addresses)
}

/// Whether a URL's host leads to somebody on this machine who listens at this address.
pub(super) fn leads_to(url: &Url, listens: IpAddr) -> bool {
    let local = listens.is_loopback() || listens.is_unspecified();
    match written_out(url).map(|address| address.to_canonical()) {
        None => local && url.host_str().is_some_and(is_localhost),
        Some(address) if address.is_unspecified() => local,
        Some(address) => address == listens || (address.is_loopback() && listens.is_unspecified()),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether a URL's own address is link-local, as those of clouds' metadata services are, and not allowed.
pub(super) fn is_refused(config: &RemoteConfig, url: &Url) -> bool {
    let link_local = written_out(url).is_some_and(|address| match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    });
    link_local && !(config.within_boundary || config.allow_private_addresses)
}

/// The address that stands in place of a name.
fn written_out(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    // 100.64/10: addresses shared behind a provider's network address translation.
    let shared = first == 100 && second & 0xc0 == 64;
    !(shared
        || first == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // 64:ff9b::/96 stands for an IPv4 address, behind a translator.
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn b11_one_private_address_refuses_a_name() {
        let at =
            |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        assert!(public(at(&["1.1.1.1", "2606:4700::1111"])).is_ok());
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::",
        ] {
            assert_eq!(public(at(&["1.1.1.1", private])), Err(NotPublic), "{private}");
        }
    }

    #[test]
    fn the_gateways_own_addresses_are_known() {
        let cases = [
            ("127.0.0.1", &["localhost", "LOCALHOST.", "127.0.0.1", "0x7f000001", "0.0.0.0", "[::]"][..]),
            ("0.0.0.0", &["localhost", "127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]),
            ("10.0.0.1", &["10.0.0.1"]),
        ];
        for (listens, own) in cases {
            let leads = |host: &str| leads_to(&url(&format!("http://{host}/v1")), listens.parse().unwrap());
            assert!(own.iter().all(|host| leads(host)), "{listens}");
            for other in ["10.0.0.2", "localhost.example", "api.example", "[2606:4700::1111]"] {
                assert!(!leads(other), "{other}");
            }
        }
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(!leads_to(&url("http://127.0.0.2"), local) && !leads_to(&url("http://[::1]"), local));
        assert!(!leads_to(&url("http://localhost"), "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn f2_names_are_guarded_and_link_local_addresses_refused_unless_allowed() {
        let outside = RemoteConfig::default();
        let allowed = RemoteConfig { allow_private_addresses: true, ..RemoteConfig::default() };
        let inside = RemoteConfig { within_boundary: true, ..RemoteConfig::default() };
        assert!(guards(&outside, &url("https://api.example/v1")));
        for free in ["http://localhost/v1", "http://localhost./v1", "http://127.0.0.1/v1", "http://[::1]/v1"]
        {
            assert!(!guards(&outside, &url(free)), "{free}");
        }
        assert!(
            !guards(&allowed, &url("https://api.example/v1"))
                && !guards(&inside, &url("https://api.example/v1"))
        );
        for metadata in [
            "http://169.254.169.254/v1",
            "http://2852039166/v1",
            "http://0xa9fea9fe/v1",
            "http://[::ffff:169.254.169.254]/v1",
            "http://[fe80::1]/v1",
        ] {
            assert!(is_refused(&outside, &url(metadata)), "{metadata}");
            assert!(
                !is_refused(&allowed, &url(metadata)) && !is_refused(&inside, &url(metadata)),
                "{metadata}"
            );
        }
        assert!(!is_refused(&outside, &url("http://192.168.1.5/v1")), "written out by whoever runs it");
    }
}
