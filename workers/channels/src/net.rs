//! The guard against calling the inside of the network (SSRF): which targets this installation may dial.
//!
//! Literal addresses are checked where they are accepted; names are checked in the resolver that the connector
//! dials from, so that the checked address is the dialled one. Anything that is not public is refused unless the
//! operator's allow-list names it. IPv6 is refused by default outside global unicast.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use herald_shared::domain::ip_net::IpNet;
use url::{Host, Url};

/// Networks that are never public. Source: IANA special-purpose address registries, RFC 6890 and successors.
static NOT_PUBLIC: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    [
        "0.0.0.0/8",       // this network
        "10.0.0.0/8",      // private
        "100.64.0.0/10",   // carrier-grade NAT
        "127.0.0.0/8",     // loopback
        "169.254.0.0/16",  // link-local, cloud metadata
        "172.16.0.0/12",   // private
        "192.0.0.0/24",    // protocol assignments
        "192.0.2.0/24",    // documentation
        "192.88.99.0/24",  // 6to4 relays
        "192.168.0.0/16",  // private
        "198.18.0.0/15",   // benchmarking
        "198.51.100.0/24", // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",     // multicast
        "240.0.0.0/4",     // class E, broadcast
        "2001::/23",       // protocol assignments, Teredo among them
        "2001:db8::/32",   // documentation
        "2002::/16",       // 6to4: carries a v4 address
        "3fff::/20",       // documentation
    ]
    .into_iter()
    .map(|net| net.parse().expect("the list above is well-formed"))
    .collect()
});

/// Global unicast; everything else in IPv6 (loopback, ULA, link-local, NAT64, multicast) is refused.
static GLOBAL_V6: LazyLock<IpNet> = LazyLock::new(|| "2000::/3".parse().expect("well-formed"));

/// A target this installation does not call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The address is not public and not on the allow-list.
    #[error("{0} is not a public address; the operator can allow its network with HERALD_ALLOW_NETS")]
    Address(IpAddr),
    /// A name that resolves to such addresses only. The addresses are not shown: they map the operator's network.
    #[error(
        "the name resolves to addresses that are not public; the operator can allow them with HERALD_ALLOW_NETS"
    )]
    Name,
    /// Clear text to somewhere the allow-list does not name.
    #[error("http:// is allowed only to addresses named in HERALD_ALLOW_NETS; use https://")]
    ClearText,
    /// Neither `https://` nor `http://`, or no host.
    #[error("must be an https:// URL with a host")]
    NotHttp,
}

/// Why a name gave no address to dial.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The guard refused; permanent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name service failed or knows no such name; may be transient.
    #[error("the host name does not resolve")]
    Lookup(#[source] std::io::Error),
}

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of `host`.
    ///
    /// # Errors
    /// The resolver's own error when the name is unknown or the service does not answer.
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The machine's resolver (`getaddrinfo`).
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|addr| addr.ip()).collect())
    }
}

/// Which network targets may be called.
#[derive(Clone)]
pub struct NetPolicy {
    allow: Vec<IpNet>,
    resolver: Arc<dyn Resolve>,
}

impl NetPolicy {
    /// The policy of an installation: public addresses and the operator's `allow` list (`HERALD_ALLOW_NETS`).
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self::with_resolver(allow, Arc::new(SystemResolver))
    }

    /// The same with another resolver, for tests.
    #[must_use]
    pub fn with_resolver(allow: Vec<IpNet>, resolver: Arc<dyn Resolve>) -> Self {
        NetPolicy { allow, resolver }
    }

    /// Whether the allow-list names `ip`.
    #[must_use]
    pub fn allows(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(ip))
    }

    /// Checks one address; a v4-mapped v6 address counts as its v4 form.
    ///
    /// # Errors
    /// [`Refused::Address`] when it is neither public nor allowed.
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), Refused> {
        let ip = ip.to_canonical();
        if self.allows(ip) || is_public(ip) { Ok(()) } else { Err(Refused::Address(ip)) }
    }

    /// Checks what can be known of a webhook URL without the network; names pass and are checked when dialled.
    ///
    /// Every numeric form of an address counts (decimal, octal, hexadecimal, short, v4-mapped): parsing the URL has
    /// normalised them.
    ///
    /// # Errors
    /// Why it is refused, in words for whoever sent it.
    pub fn check_literal(&self, url: &Url) -> Result<(), Refused> {
        let clear = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(Refused::NotHttp),
        };
        let Some(ip) = literal(&url.host().ok_or(Refused::NotHttp)?.to_owned()) else { return Ok(()) };
        self.check_ip(ip)?;
        if clear && !self.allows(ip.to_canonical()) { Err(Refused::ClearText) } else { Ok(()) }
    }

    /// Checks a bare host (an SMTP server): a literal address in any form; names pass.
    ///
    /// # Errors
    /// [`Refused::Address`] for a literal that may not be called.
    pub fn check_host(&self, host: &str) -> Result<(), Refused> {
        parse_host(host).as_ref().and_then(literal).map_or(Ok(()), |ip| self.check_ip(ip))
    }

    /// The addresses of `host` that may be dialled: never empty, each checked.
    ///
    /// # Errors
    /// [`ResolveError::Refused`] when it has addresses but none may be called, [`ResolveError::Lookup`] when it has none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(ip) = parse_host(host).as_ref().and_then(literal) {
            self.check_ip(ip)?;
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = self.look_up(host).await?;
        let good: Vec<_> = found.into_iter().filter(|ip| self.check_ip(*ip).is_ok()).collect();
        if good.is_empty() { Err(Refused::Name.into()) } else { Ok(with_port(good, port)) }
    }

    /// Like [`resolve`](Self::resolve), for clear-text targets: only addresses that the allow-list names.
    ///
    /// # Errors
    /// [`ResolveError::Refused`] with [`Refused::ClearText`] when it has none of those.
    pub async fn resolve_allowed(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = self.look_up(host).await?;
        let refusal = if found.iter().any(|ip| self.check_ip(*ip).is_ok()) {
            Refused::ClearText
        } else {
            Refused::Name
        };
        let good: Vec<_> = found.into_iter().filter(|ip| self.allows(*ip)).collect();
        if good.is_empty() { Err(refusal.into()) } else { Ok(with_port(good, port)) }
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = self.resolver.resolve(host).await.map_err(ResolveError::Lookup)?;
        if found.is_empty() {
            Err(ResolveError::Lookup(std::io::ErrorKind::NotFound.into()))
        } else {
            Ok(found)
        }
    }
}

/// A host as a URL would read it; `None` for what is neither a name nor an address.
pub(crate) fn parse_host(host: &str) -> Option<Host> {
    if let Ok(IpAddr::V6(ip)) = host.parse() {
        return Some(Host::Ipv6(ip));
    }
    Host::parse(host).ok()
}

/// The address a host is, when it is one.
pub(crate) fn literal<S>(host: &Host<S>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(ip) => Some((*ip).into()),
        Host::Ipv6(ip) => Some((*ip).into()),
        Host::Domain(_) => None,
    }
}

fn is_public(ip: IpAddr) -> bool {
    (ip.is_ipv4() || GLOBAL_V6.contains(ip)) && !NOT_PUBLIC.iter().any(|net| net.contains(ip))
}

fn with_port(ips: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

#[cfg(test)]
mod tests;
