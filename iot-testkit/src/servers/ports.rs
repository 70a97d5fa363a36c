//! Free ports on loopback.
//!
//! They lie below 32768, where Linux does not look for the ports of outgoing connections: a server
//! that is stopped and started again finds its own port free.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::{ServerError, ServerErrorKind};

const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// How many ports this process has tried, so that none is handed out twice.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// `N` distinct ports that nobody listens on, for `server`.
///
/// # Errors
///
/// When every port is taken.
pub fn free_ports<const N: usize>(server: &str) -> Result<[u16; N], ServerError> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = next(&TRIED).ok_or_else(|| ServerError::new(server, ServerErrorKind::NoPort))?;
    }
    Ok(ports)
}

fn next(tried: &AtomicU32) -> Option<u16> {
    // Test processes that run side by side have neighbouring ids: they begin far apart.
    let start = std::process::id().wrapping_mul(617);
    (0..COUNT).find_map(|_| {
        let tried = tried.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + start.wrapping_add(tried) % COUNT).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_handed_out_twice() {
        let mut ports = free_ports::<40>("test").unwrap();
        ports.sort_unstable();
        assert!(ports.windows(2).all(|pair| pair[0] < pair[1]), "{ports:?}");
        assert!(ports.iter().all(|port| (10_000..30_000).contains(port)), "{ports:?}");
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        // Far from what the other tests of this process get.
        let port = next(&AtomicU32::new(COUNT / 2)).unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_ne!(next(&AtomicU32::new(COUNT / 2)), Some(port));
    }
}
