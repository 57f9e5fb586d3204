use super::*;

/// Gives fixed addresses for any name.
struct Fixed(Vec<IpAddr>);

#[async_trait]
impl Resolve for Fixed {
    async fn resolve(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn policy(allow: &[&str], resolves_to: &[&str]) -> NetPolicy {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    let found = resolves_to.iter().map(|ip| ip.parse().unwrap()).collect();
    NetPolicy::with_resolver(allow, Arc::new(Fixed(found)))
}

#[test]
fn only_public_addresses_pass() {
    let net = policy(&[], &[]);
    let refused = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for ip in refused {
        assert!(net.check_ip(ip.parse().unwrap()).is_err(), "{ip}");
    }
    for ip in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
        assert_eq!(net.check_ip(ip.parse().unwrap()), Ok(()), "{ip}");
    }
}

#[test]
fn every_numeric_form_of_an_address_is_a_literal() {
    let net = policy(&[], &[]);
    let refused = [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://１２７.０.０.１/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]:8443/",
        "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "https://2852039166/latest/meta-data",
        "https://user:pw@169.254.169.254/",
        "https://0/",
    ];
    for url in refused {
        let refusal = net.check_literal(&url.parse().unwrap());
        assert!(matches!(refusal, Err(Refused::Address(_))), "{url}: {refusal:?}");
    }
    for url in ["https://example.org/", "http://example.org/", "https://1.1.1.1/", "https://localhost/"] {
        assert_eq!(net.check_literal(&url.parse().unwrap()), Ok(()), "{url}: a name is checked when dialled");
    }
    for url in ["ftp://example.org/", "file:///etc/passwd", "mailto:li@example.org"] {
        assert_eq!(net.check_literal(&url.parse().unwrap()), Err(Refused::NotHttp), "{url}");
    }
}

#[test]
fn clear_text_goes_only_where_the_allow_list_says() {
    let net = policy(&["127.0.0.0/8", "fd00::/8"], &[]);
    for url in
        ["http://127.0.0.1:8080/", "https://127.9.9.9/", "http://[::ffff:127.0.0.1]/", "http://[fd12::1]/"]
    {
        assert_eq!(net.check_literal(&url.parse().unwrap()), Ok(()), "{url}");
    }
    assert_eq!(net.check_literal(&"http://1.1.1.1/".parse().unwrap()), Err(Refused::ClearText));
    assert!(net.check_literal(&"https://10.0.0.1/".parse().unwrap()).is_err());
}

#[test]
fn a_mail_host_is_checked_in_every_form_too() {
    let net = policy(&[], &[]);
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "::1", "[::1]", "::ffff:10.0.0.1", "169.254.169.254"] {
        assert!(net.check_host(host).is_err(), "{host}");
    }
    for host in ["mail.example.org", "localhost", "1.1.1.1"] {
        assert_eq!(net.check_host(host), Ok(()), "{host}");
    }
}

#[tokio::test]
async fn a_name_gives_only_addresses_that_may_be_called() {
    let found = policy(&[], &["10.0.0.1", "1.1.1.1", "::1"]).resolve("mixed.test", 25).await.unwrap();
    assert_eq!(found, ["1.1.1.1:25".parse().unwrap()]);
    let refused = policy(&[], &["169.254.169.254"]).resolve("rebind.test", 25).await;
    assert!(matches!(refused, Err(ResolveError::Refused(Refused::Name))));
    assert!(matches!(policy(&[], &[]).resolve("none.test", 25).await, Err(ResolveError::Lookup(_))));
    let literal = policy(&[], &["1.1.1.1"]).resolve("0x7f.1", 25).await;
    assert!(matches!(literal, Err(ResolveError::Refused(Refused::Address(_)))), "literals are not looked up");
    let allowed = policy(&["10.0.0.0/8"], &["10.0.0.1"]).resolve("inside.test", 25).await.unwrap();
    assert_eq!(allowed, ["10.0.0.1:25".parse().unwrap()]);
}

#[tokio::test]
async fn a_name_in_clear_text_gives_only_allowed_addresses() {
    let net = policy(&["127.0.0.0/8"], &["127.0.0.1", "1.1.1.1"]);
    assert_eq!(net.resolve_allowed("both.test", 80).await.unwrap(), ["127.0.0.1:80".parse().unwrap()]);
    let public = policy(&["127.0.0.0/8"], &["1.1.1.1"]).resolve_allowed("public.test", 80).await;
    assert!(matches!(public, Err(ResolveError::Refused(Refused::ClearText))));
    let inside = policy(&["127.0.0.0/8"], &["10.0.0.1"]).resolve_allowed("inside.test", 80).await;
    assert!(matches!(inside, Err(ResolveError::Refused(Refused::Name))));
}

#[tokio::test]
async fn the_system_resolver_knows_this_machine() {
    let found = SystemResolver.resolve("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
}
