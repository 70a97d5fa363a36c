//! What crates register and the gateway finds by name at start: plugins by kind, stores by the
//! scheme of their address, the plugin host, layers by their configuration's table.
//!
//! Built on `inventory`, which has three traps, all guarded here or by a test: a dependency that
//! nobody names registers nothing (the binary says `use iot_plugins as _;`), two registrations of
//! one name are both delivered in silence (refused here, with both origins), and their order is
//! undefined (sorted here).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::port::{ConfigError, Layer, PluginHost, PluginKind, Store, StoreError, StoreOptions};

/// A plugin kind that a crate brings.
#[derive(Debug)]
pub struct PluginDescriptor {
    /// Its kind.
    pub name: &'static str,
    /// The module that registered it.
    pub origin: &'static str,
    /// Makes the kind.
    pub make: fn() -> Arc<dyn PluginKind>,
}

/// A future that opens a store.
pub type OpeningStore = Pin<Box<dyn Future<Output = Result<Store, StoreError>> + Send>>;

/// A store that a crate brings.
#[derive(Debug)]
pub struct StoreDescriptor {
    /// The scheme of its addresses: `sqlite`.
    pub name: &'static str,
    /// The module that registered it.
    pub origin: &'static str,
    /// Opens it.
    pub open: fn(StoreOptions) -> OpeningStore,
}

/// A plugin host that a crate brings.
#[derive(Debug)]
pub struct HostDescriptor {
    /// Its name: `threads`.
    pub name: &'static str,
    /// The module that registered it.
    pub origin: &'static str,
    /// Makes it.
    pub make: fn() -> Arc<dyn PluginHost>,
}

/// A layer that a crate brings.
#[derive(Debug)]
pub struct LayerDescriptor {
    /// Its configuration's table: `http`.
    pub name: &'static str,
    /// The module that registered it.
    pub origin: &'static str,
    /// Makes it from that table.
    pub make: fn(&Json) -> Result<Box<dyn Layer>, ConfigError>,
}

inventory::collect!(PluginDescriptor);
inventory::collect!(StoreDescriptor);
inventory::collect!(HostDescriptor);
inventory::collect!(LayerDescriptor);

/// Registers a [`Plugin`](crate::port::Plugin) under its kind: `register_plugin!(Host);`
#[macro_export]
macro_rules! register_plugin {
    ($plugin:ty) => {
        $crate::inventory::submit! {
            $crate::registry::PluginDescriptor {
                name: <$plugin as $crate::port::Plugin>::KIND,
                origin: module_path!(),
                make: || ::std::sync::Arc::new(
                    $crate::adapter::Linked::<$plugin>::new(env!("CARGO_PKG_VERSION")),
                ),
            }
        }
    };
}

/// Registers a store under its scheme: `register_store!("sqlite", open);`
#[macro_export]
macro_rules! register_store {
    ($scheme:literal, $open:expr) => {
        $crate::inventory::submit! {
            $crate::registry::StoreDescriptor {
                name: $scheme,
                origin: module_path!(),
                open: |options| ::std::boxed::Box::pin($open(options)),
            }
        }
    };
}

/// Registers a plugin host: `register_host!("threads", ThreadHost::new);`
#[macro_export]
macro_rules! register_host {
    ($name:literal, $make:expr) => {
        $crate::inventory::submit! {
            $crate::registry::HostDescriptor {
                name: $name,
                origin: module_path!(),
                make: || ::std::sync::Arc::new($make()),
            }
        }
    };
}

/// Registers a layer under its table: `register_layer!("http", Http::from_table);`
#[macro_export]
macro_rules! register_layer {
    ($table:literal, $make:expr) => {
        $crate::inventory::submit! {
            $crate::registry::LayerDescriptor {
                name: $table,
                origin: module_path!(),
                make: |table| $make(table).map(|layer| ::std::boxed::Box::new(layer) as _),
            }
        }
    };
}

/// A name cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two crates brought the same name.
    #[error("{what} {name} is registered twice: by {first} and by {second}; link only one of them")]
    Duplicate {
        /// The sort of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// Who registered it.
        first: &'static str,
        /// Who registered it too.
        second: &'static str,
    },
    /// Nobody brought it.
    #[error("{what} {name} is not known; {hint}")]
    Unknown {
        /// The sort of thing.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The nearest known name, or all of them.
        hint: String,
    },
}

/// Everything registered, sorted, without duplicates.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    plugins: BTreeMap<&'static str, &'static PluginDescriptor>,
    stores: BTreeMap<&'static str, &'static StoreDescriptor>,
    hosts: BTreeMap<&'static str, &'static HostDescriptor>,
    layers: BTreeMap<&'static str, &'static LayerDescriptor>,
}

impl Registered {
    /// Collects what the linked crates brought.
    ///
    /// # Errors
    /// When two of them brought the same name.
    pub fn collect() -> Result<Self, RegistryError> {
        Ok(Self {
            plugins: unique("plugin kind", inventory::iter::<PluginDescriptor>, |d| {
                (d.name, d.origin)
            })?,
            stores: unique("store scheme", inventory::iter::<StoreDescriptor>, |d| {
                (d.name, d.origin)
            })?,
            hosts: unique("plugin host", inventory::iter::<HostDescriptor>, |d| {
                (d.name, d.origin)
            })?,
            layers: unique("layer", inventory::iter::<LayerDescriptor>, |d| (d.name, d.origin))?,
        })
    }

    /// The names of all plugin kinds.
    pub fn plugin_kinds(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.plugins.keys().copied()
    }

    /// A plugin kind.
    ///
    /// # Errors
    /// When nobody brought it, with the nearest known name.
    pub fn plugin(&self, kind: &str) -> Result<Arc<dyn PluginKind>, RegistryError> {
        find("plugin kind", &self.plugins, kind).map(|d| (d.make)())
    }

    /// The store for an address.
    ///
    /// # Errors
    /// When nobody brought its scheme.
    pub fn store(&self, url: &str) -> Result<&'static StoreDescriptor, RegistryError> {
        let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
        find("store scheme", &self.stores, scheme).copied()
    }

    /// The plugin host; the first by name where several are linked.
    #[must_use]
    pub fn host(&self) -> Option<Arc<dyn PluginHost>> {
        self.hosts.values().next().map(|d| (d.make)())
    }

    /// A layer, made from its configuration's table.
    ///
    /// # Errors
    /// When nobody brought it.
    pub fn layer(&self, table: &str) -> Result<&'static LayerDescriptor, RegistryError> {
        find("layer", &self.layers, table).copied()
    }
}

fn unique<D: inventory::Collect + fmt::Debug>(
    what: &'static str,
    all: inventory::iter<D>,
    facts: fn(&D) -> (&'static str, &'static str),
) -> Result<BTreeMap<&'static str, &'static D>, RegistryError> {
    let mut found: BTreeMap<&'static str, &'static D> = BTreeMap::new();
    for descriptor in all {
        let (name, origin) = facts(descriptor);
        if let Some(other) = found.insert(name, descriptor) {
            let (first, second) = (facts(other).1.min(origin), facts(other).1.max(origin));
            return Err(RegistryError::Duplicate { what, name: name.to_owned(), first, second });
        }
    }
    Ok(found)
}

fn find<'a, D>(
    what: &'static str,
    known: &'a BTreeMap<&'static str, D>,
    name: &str,
) -> Result<&'a D, RegistryError> {
    known.get(name).ok_or_else(|| RegistryError::Unknown {
        what,
        name: name.to_owned(),
        hint: hint(name, known.keys().copied()),
    })
}

/// The nearest of some known names, or all of them where none is near.
#[must_use]
pub fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .map(|k| (strsim::jaro_winkler(name, k), *k))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.75);
    match nearest {
        Some((_, nearest)) => format!("did you mean {nearest}?"),
        None if known.is_empty() => {
            "none is linked: name the crate that brings it, as in `use iot_plugins as _;`"
                .to_owned()
        }
        None => format!("known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_the_nearest() {
        assert_eq!(hint("hots", ["host", "w1"].into_iter()), "did you mean host?");
        assert_eq!(hint("zzz", ["host", "w1"].into_iter()), "known are host, w1");
        assert!(hint("host", std::iter::empty()).contains("use iot_plugins as _;"));
    }
}
