//! A host with a desk for each instance.

use std::panic::PanicHookInfo;
use std::sync::{Arc, Once};
use std::time::Duration;

use iot_core::adapter::Linked;
use iot_core::domain::{
    Command, CommandId, DeviceId, Home, InstanceName, InstanceRecord, InstanceState,
    InstanceStatus, Origin, State,
};
use iot_core::port::{CommandRoute, Launch, Plugin, PluginHost, PluginKind, Unready};
use iot_plugins::host::{Limits, ThreadHost};
use iot_testkit::sim::desk::SimDesk;
use iot_testkit::wait::until;
use serde_json::Value as Json;

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) host: ThreadHost,
}

/// The limits of the house, shortened: a hang is seen after 150 ms, a pause takes 10 ms.
pub(crate) fn quick() -> Limits {
    let mut limits = Limits::default();
    limits.hang_at_least = Duration::from_millis(150);
    limits.restart.first = Duration::from_millis(10);
    limits.restart.longest = Duration::from_millis(40);
    limits
}

pub(crate) fn name(text: &str) -> InstanceName {
    InstanceName::parse(text).unwrap()
}

pub(crate) fn home(text: &str) -> Home {
    Home::Instance(name(text))
}

pub(crate) fn command(device: &str, what: &str, params: Json) -> Command {
    Command {
        id: CommandId::fresh(),
        device: DeviceId::parse(device).unwrap(),
        name: what.to_owned(),
        params,
        time_left: Duration::from_secs(10),
    }
}

pub(crate) fn kind_of<P: Plugin>() -> Arc<dyn PluginKind> {
    Arc::new(Linked::<P>::new("0.0.0"))
}

pub(crate) fn launch(
    instance: &str,
    kind: Arc<dyn PluginKind>,
    config: Json,
) -> (Launch, Arc<SimDesk>) {
    let desk = Arc::new(SimDesk::new());
    let record = InstanceRecord {
        name: name(instance),
        kind: kind.describe().kind,
        config,
        origin: Origin::Api,
        enabled: true,
    };
    (Launch { record, kind, desk: desk.clone(), state: State::none() }, desk)
}

/// Plugins that panic here mean it: one line each is enough, without a backtrace.
fn panic_briefly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(
            move |panic: &PanicHookInfo<'_>| match std::thread::current().name() {
                Some(name) if name.starts_with("iot-") => eprintln!("{name}: {panic}"),
                _ => usual(panic),
            },
        ));
    });
}

impl Rig {
    pub(crate) fn new(limits: Limits) -> Self {
        panic_briefly();
        Self { host: ThreadHost::with_limits(limits) }
    }

    pub(crate) async fn start<P: Plugin>(&self, instance: &str, config: Json) -> Arc<SimDesk> {
        let (launch, desk) = launch(instance, kind_of::<P>(), config);
        self.host.start(launch).await;
        desk
    }

    pub(crate) fn status(&self, instance: &str) -> InstanceStatus {
        let of = |s: &InstanceStatus| s.record.name.as_str() == instance;
        self.host.statuses().into_iter().find(of).unwrap()
    }

    /// Waits for a state, and gives the status that showed it.
    pub(crate) async fn until(&self, instance: &str, state: InstanceState) -> InstanceStatus {
        self.until_that(instance, state.word(), |status| status.state == state).await
    }

    pub(crate) async fn until_that(
        &self,
        instance: &str,
        what: &str,
        holds: impl Fn(&InstanceStatus) -> bool,
    ) -> InstanceStatus {
        until(&format!("{instance} is {what}"), SOON, async || {
            let status = self.status(instance);
            if holds(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    pub(crate) fn accepts(&self, instance: &str) -> Result<(), String> {
        let accepts = self.host.accepts(&home(instance), &DeviceId::parse(instance).unwrap());
        accepts.map_err(|(Unready::Soon(why) | Unready::No(why))| why)
    }
}
