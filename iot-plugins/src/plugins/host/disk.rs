//! How full the disks are.
//!
//! Network file systems are left out by `sysinfo`, for asking one whose server is gone may block.

use std::collections::BTreeMap;

use sysinfo::{Disk, DiskRefreshKind, Disks};

use super::key;
use super::measured::{Findings, Form, count};

/// Disks beyond this are left out.
const MOST: usize = 16;

/// Looks at the disks that are mounted now.
pub(super) fn measure(disks: &mut Disks, found: &mut Findings) {
    disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
    for (mount, disk) in worth_showing(disks).into_iter().take(MOST) {
        let part = key::mount(mount);
        found.add(
            &format!("disk_{part}_used"),
            &format!("Disk {mount} used"),
            Form::BYTES,
            Ok(count(used(mount, disk))),
        );
        found.add(
            &format!("disk_{part}_free"),
            &format!("Disk {mount} free"),
            Form::BYTES,
            Ok(count(disk.available_space())),
        );
    }
}

/// What `df` calls used. Room that is free and kept for root is neither used nor free.
fn used(mount: &str, disk: &Disk) -> u64 {
    match nix::sys::statvfs::statvfs(mount) {
        Ok(room) => room.blocks().saturating_sub(room.blocks_free()) * room.fragment_size(),
        Err(_) => disk.total_space().saturating_sub(disk.available_space()),
    }
}

/// Each disk once, by its shortest mount point: a disk bound to several places, as in a container,
/// is one disk.
fn worth_showing(disks: &[Disk]) -> BTreeMap<&str, &Disk> {
    let mut by_source: BTreeMap<&str, (&str, &Disk)> = BTreeMap::new();
    for disk in disks {
        let (Some(source), Some(mount)) = (disk.name().to_str(), disk.mount_point().to_str())
        else {
            continue;
        };
        if disk.total_space() == 0 || !is_disk(disk.file_system().to_str().unwrap_or(""), mount) {
            continue;
        }
        let (shortest, _) = by_source.entry(source).or_insert((mount, disk));
        if (mount.len(), mount) < (shortest.len(), *shortest) {
            by_source.insert(source, (mount, disk));
        }
    }
    by_source.into_values().collect()
}

/// Whether a file system stands for storage of its own. An overlay does as the root of a container,
/// and not as the root of each container that runs on this machine.
fn is_disk(file_system: &str, mount: &str) -> bool {
    match file_system {
        "overlay" => mount == "/",
        "tmpfs" | "ramfs" | "devtmpfs" | "efivarfs" | "tracefs" | "debugfs" | "configfs"
        | "securityfs" | "fusectl" | "binfmt_misc" | "nsfs" | "bpf" => false,
        other => other == "fuseblk" || !other.starts_with("fuse"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_disk;

    #[test]
    fn what_holds_no_storage_of_its_own_is_no_disk() {
        for (file_system, mount) in
            [("ext4", "/"), ("vfat", "/boot"), ("overlay", "/"), ("fuseblk", "/mnt/ntfs")]
        {
            assert!(is_disk(file_system, mount), "{file_system}");
        }
        for (file_system, mount) in
            [("overlay", "/var/lib/docker/x"), ("fuse.sshfs", "/mnt/far"), ("efivarfs", "/x")]
        {
            assert!(!is_disk(file_system, mount), "{file_system}");
        }
    }
}
