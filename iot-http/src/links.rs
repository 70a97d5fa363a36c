//! Sign-in links: the gateway's addresses as a browser on this machine or in its network types them.

use std::net::{IpAddr, SocketAddr};

use iot_core::domain::TokenSecret;

/// A link for each address that is listened on; an address that means all of them gives loopback
/// and each of the machine's own. The secret stands in the fragment, which no proxy and no log sees.
#[must_use]
pub fn links(addresses: &[SocketAddr], secret: &TokenSecret) -> Vec<String> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        for ip in spelled_out(address.ip(), &interfaces) {
            let one = SocketAddr::new(ip, address.port());
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all.iter().map(|address| format!("http://{address}/#token={}", secret.reveal())).collect()
}

fn spelled_out(ip: IpAddr, interfaces: &dyn Fn() -> Vec<IpAddr>) -> Vec<IpAddr> {
    if !ip.is_unspecified() {
        return vec![ip];
    }
    let mut all = vec![IpAddr::from([127, 0, 0, 1])];
    // `[::]` takes IPv4 too, as Linux does unless told otherwise.
    let both = ip.is_ipv6();
    all.extend(interfaces().into_iter().filter(|own| own.is_ipv4() || both));
    all
}

/// The machine's own addresses, without loopback and those of the link alone, which a browser
/// cannot type.
fn interfaces() -> Vec<IpAddr> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    all.filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .filter(|ip| match ip {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_spelled_out() {
        let own = || vec![IpAddr::from([192, 168, 0, 7]), "2001:db8::7".parse().unwrap()];
        let all = |ip: &str| spelled_out(ip.parse().unwrap(), &own);
        assert_eq!(all("127.0.0.1"), [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(all("0.0.0.0").len(), 2);
        assert_eq!(all("::").len(), 3);
        let secret = TokenSecret::given("s");
        let links = links(&["[::1]:80".parse().unwrap()], &secret);
        assert_eq!(links, ["http://[::1]:80/#token=s"]);
    }
}
