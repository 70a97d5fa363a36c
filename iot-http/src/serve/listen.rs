//! TCP listeners, bound when the layer opens, so that a taken port is said before anything runs.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use iot_core::port::LayerError;
use tokio::net::{TcpListener, TcpSocket};

use crate::layer::error;

const BACKLOG: u32 = 1_024;
/// What the kernel may hold for a client that reads slowly (it takes twice this): it is told of its
/// lag soon, many of them cost little, and as the kernel reports room by thirds, one that reads 2 KB a
/// second is still seen to read within 30 s.
const SEND_BUFFER: u32 = 64 << 10;

/// Binds all addresses, or says which one cannot be had and what to do.
pub(crate) fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, LayerError> {
    addresses
        .iter()
        .map(|address| {
            bind(*address).map_err(|e| {
                error(match e.kind() {
                    ErrorKind::AddrInUse => format!(
                        "{address} is taken by another program; give another address with `[http] listen` or `--http`"
                    ),
                    ErrorKind::AddrNotAvailable => format!(
                        "{address} is no address of this machine; correct `[http] listen` or `--http`"
                    ),
                    ErrorKind::PermissionDenied => format!(
                        "{address} may not be listened on by this user; take a port above 1023 with `[http] listen` or `--http`"
                    ),
                    _ => format!("{address} cannot be listened on: {e}; see `[http] listen` or `--http`"),
                })
            })
        })
        .collect()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
