//! Each route's declared rule, enforced before its handler reads anything.

use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use iot_core::domain::{Action, DeviceId, Principal, Scope, SensorId, Target};

use crate::extract::{Caller, discard};
use crate::problem::{Kind, Problem};
use crate::route::Needs;
use crate::state::App;

/// Runs the handler only for those whom the route's rule lets through.
pub(crate) async fn enforce(
    State((app, needs)): State<(App, Needs)>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let answer = match request.extensions().get::<Caller>() {
        _ if needs == Needs::Nothing || needs == Needs::Itself => Ok(()),
        None => Err(iot_core::domain::Denied::Unauthenticated.into()),
        Some(Caller(who)) => check(&app, who, needs, &params).await,
    };
    match answer {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            discard(request.into_body()).await;
            problem.into_response()
        }
    }
}

async fn check(
    app: &App,
    who: &Principal,
    needs: Needs,
    params: &RawPathParams,
) -> Result<(), Problem> {
    let named = params.iter().next().map_or("", |(_, value)| value);
    match needs {
        Needs::Nothing | Needs::Itself => Ok(()),
        Needs::OnDevice(action) => on_device(app, who, action, DeviceId::parse(named).ok()).await,
        Needs::OnSensor(action) => {
            on_device(app, who, action, SensorId::parse(named).ok().map(|id| id.device)).await
        }
        Needs::OnList(action) => app.allow(who, action, Target::Gateway).await,
        Needs::OnGateway(action) => {
            app.allow(who, action, Target::Gateway).await?;
            if who.scope == Scope::All {
                return Ok(());
            }
            let why = format!(
                "{} may not {} the gateway: its scope names devices",
                who.name,
                action.word()
            );
            app.denied(who, action, "gateway", &why).await;
            Err(Problem::new(Kind::Forbidden, why))
        }
    }
}

/// A name that is no id is refused by the handler, in words; here only the role is looked at.
async fn on_device(
    app: &App,
    who: &Principal,
    action: Action,
    device: Option<DeviceId>,
) -> Result<(), Problem> {
    match &device {
        Some(id) => app.allow(who, action, Target::Device(id)).await,
        None => app.allow(who, action, Target::Gateway).await,
    }
}
