//! The list: every part once, in the data's order, and no logic. What a part is made of it is told
//! by the configuration.

use std::path::{Path, PathBuf};

use iot_core::domain::{InstanceName, InstanceRecord, KindName, Origin};
use iot_core::gateway::{Builder, Gateway};
use iot_core::pipeline::policy::Wear;
use iot_core::port::Synchronous;
use iot_http::{Http, HttpConfig};
use iot_mqtt::Mqtt;
use iot_mqtt::config::BrokerConfig;
use iot_plugins as _;
use iot_storage as _;
use serde_json::Value as Json;

use crate::commands::WithAdminToken;
use crate::config::{Config, Environment, Listen, Loaded, model};

/// Where a gateway lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// `--data`.
    pub(crate) data: PathBuf,
    /// `--plugins`.
    pub(crate) plugins: PathBuf,
}

impl Place {
    /// From flags, then variables, then `./data` and `./plugins`.
    pub(crate) fn of(
        data: Option<&Path>,
        plugins: Option<&Path>,
        environment: &Environment,
    ) -> Self {
        let or = |flag: Option<&Path>, variable: &Option<PathBuf>, default: &str| {
            flag.map(Path::to_owned)
                .or_else(|| variable.clone())
                .unwrap_or_else(|| PathBuf::from(default))
        };
        Self {
            data: or(data, &environment.data, "./data"),
            plugins: or(plugins, &environment.plugins, "./plugins"),
        }
    }

    /// The socket of operator commands.
    pub(crate) fn control(&self) -> PathBuf {
        self.data.join("control.sock")
    }
}

/// The gateway without what serves it: what is kept, and who it is.
fn kept(loaded: &Loaded, place: &Place) -> Builder {
    let Config { gateway, storage, time, .. } = &loaded.config;
    Gateway::builder()
        .build_id(crate::BUILD_ID)
        .data_dir(&place.data)
        .store(&storage.url)
        .synchronous(match storage.synchronous {
            model::Synchronous::Full => Synchronous::Full,
            model::Synchronous::Normal => Synchronous::Normal,
        })
        .wear(match storage.wear {
            model::Wear::Ssd => Wear::Ssd,
            model::Wear::Sd => Wear::Sd,
        })
        .disk_cap(storage.disk_cap.map(|bytes| bytes.0))
        .gateway_id(gateway.id.clone())
        .trust_time(time.trust == model::Trust::Always)
        .overrides(loaded.overrides.clone())
}

/// The gateway as `run` runs it, from hardware to people.
pub(crate) fn gateway(
    loaded: &Loaded,
    place: &Place,
    instances: Vec<InstanceRecord>,
    http: Http,
) -> anyhow::Result<Builder> {
    let mut builder = kept(loaded, place).first_instance(host()?);
    for instance in instances {
        builder = builder.instance(instance);
    }
    if let Some(broker) = broker(&loaded.config) {
        builder = builder.layer(Mqtt::new(broker));
    }
    Ok(builder.layer(WithAdminToken::new(http, &place.data)))
}

/// The gateway as an operator's command opens it for the moment: no instance runs, nothing but the
/// control socket is served.
pub(crate) fn at_rest(loaded: &Loaded, place: &Place) -> Builder {
    let http = HttpConfig { listen: Vec::new(), ..http(&loaded.config, place) };
    kept(loaded, place).without_instances().layer(Http::new(http))
}

/// The API and the page.
pub(crate) fn http(config: &Config, place: &Place) -> HttpConfig {
    HttpConfig {
        listen: config.http.listen.clone(),
        hosts: config.http.hosts.clone(),
        origins: config.http.origins.clone(),
        control: Some(place.control()),
    }
}

/// The embedded broker; none where it is off.
fn broker(config: &Config) -> Option<BrokerConfig> {
    let Listen::On(listen) = &config.mqtt.listen else { return None };
    Some(BrokerConfig {
        listen: listen.clone(),
        origins: config.http.origins.clone(),
        max_message: u32::try_from(config.mqtt.max_message.0).unwrap_or(u32::MAX),
        ..BrokerConfig::default()
    })
}

/// What is made at the very first start, so that readings flow at once.
fn host() -> anyhow::Result<InstanceRecord> {
    Ok(InstanceRecord {
        name: InstanceName::parse("host")?,
        kind: KindName::parse("host")?,
        config: Json::Object(serde_json::Map::new()),
        origin: Origin::Api,
        enabled: true,
    })
}

#[cfg(test)]
mod tests {
    use iot_core::registry::Registered;

    /// A kind that vanishes from the build does so without a word; this list says it.
    #[test]
    fn these_kinds_are_linked_and_no_others() {
        let registered = Registered::collect().unwrap();
        assert_eq!(registered.plugin_kinds().collect::<Vec<_>>(), ["host"]);
        assert!(registered.store("sqlite:iot.db").is_ok());
        assert!(registered.host().is_some());
    }
}
