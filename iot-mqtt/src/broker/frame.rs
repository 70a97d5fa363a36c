//! A packet's bytes before they are decoded: its length, and what the codec does not look at.

use rmqtt_codec::v5::DisconnectReasonCode;

use super::codec::Version;
use super::violation::Violation;

/// A fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first: u8,
    /// The header's own length.
    pub(super) len: usize,
    /// What follows it.
    pub(super) rest: usize,
}

impl Header {
    /// Reads a header, if all of it is there.
    ///
    /// # Errors
    /// It announces more than `most` bytes, or its length is none.
    pub(super) fn read(bytes: &[u8], most: u32) -> Result<Option<Self>, Violation> {
        let Some((first, bytes)) = bytes.split_first() else { return Ok(None) };
        let mut rest = 0_usize;
        for (at, byte) in bytes.iter().take(4).enumerate() {
            rest |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 != 0 {
                continue;
            }
            let len = at + 2;
            if len + rest > most as usize {
                return Err(Violation::new(
                    DisconnectReasonCode::PacketTooLarge,
                    "the packet is larger than is taken",
                ));
            }
            return Ok(Some(Self { first: *first, len, rest }));
        }
        if bytes.len() < 4 {
            return Ok(None);
        }
        Err(Violation::malformed("the packet's length has more than four bytes"))
    }

    /// The packet's type, 1 to 15.
    pub(super) fn kind(self) -> u8 {
        self.first >> 4
    }

    pub(super) fn total(self) -> usize {
        self.len + self.rest
    }
}

/// Checks what the codec passes over.
///
/// # Errors
/// What is wrong.
pub(super) fn check(header: Header, body: &[u8], version: Version) -> Result<(), Violation> {
    match header.kind() {
        1 => check_connect(body, version)
            .ok_or(Violation::malformed("the CONNECT is not as its flags say")),
        3 if header.first & 0b1000 != 0 && header.first & 0b0110 == 0 => {
            Err(Violation::malformed("a PUBLISH of QoS 0 cannot be a repeated one"))
        }
        8 if version == Version::V3 => check_subscribe(body)
            .ok_or(Violation::malformed("a SUBSCRIBE's requested QoS is 0, 1 or 2")),
        12 if header.rest > 0 => Err(Violation::malformed("a PINGREQ has nothing in it")),
        14 if header.rest > 0 && version == Version::V3 => {
            Err(Violation::malformed("a DISCONNECT has nothing in it"))
        }
        _ => Ok(()),
    }
}

/// The protocol's name and level at the head of a CONNECT.
pub(super) fn protocol(body: &[u8]) -> Option<(&[u8], u8)> {
    let (name, rest) = block(body)?;
    Some((name, *rest.first()?))
}

/// Two bytes of length, and what they announce.
fn block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([len[0], len[1]])))
}

/// Properties, which are gone over.
fn properties(bytes: &[u8], version: Version) -> Option<&[u8]> {
    if version == Version::V3 {
        return Some(bytes);
    }
    // A length is read the same way as a packet's, which stands behind one byte.
    let mut len = 0_usize;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return bytes.get(at + 1 + len..);
        }
    }
    None
}

fn check_connect(body: &[u8], version: Version) -> Option<()> {
    let (_, rest) = block(body)?;
    let (head, rest) = rest.split_at_checked(4)?;
    let flags = head[1];
    let (will, user, password) = (flags & 0x04 != 0, flags & 0x80 != 0, flags & 0x40 != 0);
    if flags & 1 != 0 || (!will && flags & 0x38 != 0) {
        return None;
    }
    if version == Version::V3 && password && !user {
        return None;
    }
    let mut rest = block(properties(rest, version)?)?.1;
    if will {
        rest = block(block(properties(rest, version)?)?.1)?.1;
    }
    for _ in 0..usize::from(user) + usize::from(password) {
        rest = block(rest)?.1;
    }
    rest.is_empty().then_some(())
}

fn check_subscribe(body: &[u8]) -> Option<()> {
    let mut rest = body.get(2..)?;
    while !rest.is_empty() {
        let (_, more) = block(rest)?;
        let (qos, more) = more.split_first()?;
        if *qos > 2 {
            return None;
        }
        rest = more;
    }
    Some(())
}
