//! Sensor keys from names that the machine gives: mount points, interfaces, chips.
//!
//! A key must be the same after every start, whatever else is there, and two names must never meet
//! in one. So a name that cannot be kept as it is gets its hash behind it.

use iot_core::domain::SensorKey;

/// The longest part that a name becomes; with the words around it a key stays under 64.
const LONGEST: usize = 40;

/// A key of words that are known to fit.
pub(super) fn key(text: &str) -> Option<SensorKey> {
    SensorKey::parse(text).ok()
}

/// A mount point: `/` is `root`, `/boot/firmware` is `boot_firmware`.
pub(super) fn mount(path: &str) -> String {
    if path == "/" {
        return "root".to_owned();
    }
    let inner = path.trim_matches('/');
    // `_` stands for `/` here, so one that was there before is a change too; `root` is taken.
    let kept = inner != "root" && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '/');
    finish(&plain(inner), path, kept)
}

/// A network interface: `eth0` as it is, `eth0.100` as `eth0_100_` and a hash.
pub(super) fn interface(name: &str) -> String {
    let kept = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    finish(&plain(name), name, kept)
}

/// A chip's or label's name in small letters: `Package id 0` is `package_id_0`. Two may meet: the
/// caller tells them apart.
pub(super) fn label(name: &str) -> String {
    let mut label = plain(name).to_ascii_lowercase();
    label.truncate(LONGEST / 2);
    label.trim_matches('_').to_owned()
}

/// The same name for ever, in 8 hex digits (FNV-1a).
pub(super) fn hash(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn finish(plain: &str, original: &str, kept: bool) -> String {
    if kept && plain.len() <= LONGEST {
        return plain.to_owned();
    }
    let cut: String = plain.chars().take(LONGEST - 9).collect();
    format!("{cut}_{}", hash(original))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys_that_never_meet() {
        assert_eq!(mount("/"), "root");
        assert_eq!(mount("/boot/firmware"), "boot_firmware");
        assert_ne!(mount("/root"), "root");
        assert_ne!(mount("/a_b"), mount("/a/b"));
        assert_ne!(mount("/mnt/usb-1"), mount("/mnt/usb 1"));
        assert_eq!(interface("wlan0"), "wlan0");
        assert_eq!(interface("eth0.100"), format!("eth0_100_{}", hash("eth0.100")));
        assert_eq!(label("Package id 0"), "package_id_0");
        for long in ["/мой/диск".repeat(30), "/a".repeat(200)] {
            let text = format!("disk_{}_used", mount(&long));
            assert!(key(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        assert_eq!(hash(""), "811c9dc5");
        assert_eq!(hash("a"), "e40c292c");
    }
}
