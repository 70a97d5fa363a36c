//! Two crates that bring the same name are refused, with both named.
#![cfg(test)]

mod one {
    iot_core::register_layer!("twice", |_: &serde_json::Value| Err::<super::Nothing, _>(
        iot_core::port::ConfigError::at("", "never made")
    ));
}

mod other {
    iot_core::register_layer!("twice", |_: &serde_json::Value| Err::<super::Nothing, _>(
        iot_core::port::ConfigError::at("", "never made")
    ));
}

struct Nothing;

#[async_trait::async_trait]
impl iot_core::port::Layer for Nothing {
    fn name(&self) -> &'static str {
        "twice"
    }

    async fn open(&mut self, _: iot_core::port::LayerCx) -> Result<(), iot_core::port::LayerError> {
        Ok(())
    }

    async fn run(
        self: Box<Self>,
        _: tokio_util::sync::CancellationToken,
    ) -> Result<(), iot_core::port::LayerError> {
        Ok(())
    }
}

#[test]
fn a_name_registered_twice_is_refused_with_both_origins() {
    let error = iot_core::registry::Registered::collect().unwrap_err().to_string();
    assert!(error.contains("duplicates::one") && error.contains("duplicates::other"), "{error}");
}
