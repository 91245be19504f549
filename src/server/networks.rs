//! Networks of addresses: those that the settings name, and the one that an address stands for.
//!
//! An IPv4 address that came over an IPv6 socket (`::ffff:192.0.2.1`) is the IPv4 address, here and there.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks whose word is believed.
#[derive(Clone, Debug)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Those that the settings name.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.to_vec())
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The network that an address stands for: whoever has one IPv6 address has a /64 of them.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_mapped_address_is_in_the_network_of_its_own() {
        let networks = Networks::new(&["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        for (address, inside) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("11.0.0.1", false),
            ("::ffff:11.0.0.1", false),
            ("2001:db9::1", false),
        ] {
            assert_eq!(networks.contain(at(address)), inside, "{address}");
        }
        assert!(!Networks::new(&[]).contain(at("10.1.2.3")));
    }

    #[test]
    fn whoever_has_one_ipv6_address_has_its_64() {
        for (address, network_of_it) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(at(address)), at(network_of_it));
        }
    }
}
