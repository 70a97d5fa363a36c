//! What handlers may see.

use std::sync::Arc;

use iot_core::domain::{Action, Principal, Scope, Target};
use iot_core::gateway::Handle;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Brake;
use crate::counters::Counters;
use crate::front::Names;
use crate::layer::Addresses;
use crate::page::Page;
use crate::problem::Problem;
use crate::ws::{Changes, Rendered};

/// What handlers may see; clones are cheap.
pub(crate) type App = Arc<Shared>;

/// One layer's state.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) gateway: Handle,
    pub(crate) names: Names,
    /// The session cookie's name: gateways on one host do not sign each other out.
    pub(crate) cookie: String,
    pub(crate) addresses: Addresses,
    pub(crate) body_limit: usize,
    pub(crate) counters: Arc<Counters>,
    pub(crate) brake: Brake,
    pub(crate) page: Page,
    /// Held from looking at `If-Match` until the change is made.
    pub(crate) edits: Mutex<()>,
    pub(crate) rendered: Rendered,
    pub(crate) changes: Changes,
    /// WebSockets that are open, so that the end can wait for them.
    pub(crate) sockets: TaskTracker,
    /// The layer is ending.
    pub(crate) closing: CancellationToken,
}

impl Shared {
    pub(crate) fn new(
        gateway: Handle,
        names: Names,
        addresses: Addresses,
        body_limit: usize,
    ) -> App {
        let info = gateway.info();
        Arc::new(Self {
            cookie: format!("iot_{}", info.id),
            page: Page::new(&info.build),
            gateway,
            names,
            addresses,
            body_limit,
            counters: Arc::default(),
            brake: Brake::new(),
            edits: Mutex::new(()),
            rendered: Rendered::default(),
            changes: Changes::default(),
            sockets: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// Whether a principal may do something; a "no" goes into the audit.
    pub(crate) async fn allow(
        &self,
        who: &Principal,
        action: Action,
        target: Target<'_>,
    ) -> Result<(), Problem> {
        let Err(denied) = self.gateway.access().allowed(who, action, target) else {
            return Ok(());
        };
        let name = match target {
            Target::Device(id) => format!("device:{id}"),
            Target::Gateway => "gateway".to_owned(),
        };
        self.denied(who, action, &name, &denied.to_string()).await;
        Err(denied.into())
    }

    /// Writes a refusal into the audit, unless there were very many.
    pub(crate) async fn denied(&self, who: &Principal, action: Action, target: &str, why: &str) {
        if self.brake.audit() {
            let detail = Some(why.to_owned());
            self.gateway.audit(who, action.word(), target, "denied", detail).await;
        }
    }

    /// Whether a principal sees a device in lists. Custom access ports are asked for each.
    pub(crate) fn sees(&self, who: &Principal, device: &iot_core::domain::DeviceId) -> bool {
        who.scope == Scope::All
            || self.gateway.access().allowed(who, Action::Read, Target::Device(device)).is_ok()
    }
}
