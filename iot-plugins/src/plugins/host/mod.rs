//! This machine as a device: load, memory, disks, network, temperatures.
