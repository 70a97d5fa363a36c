//! stub
use iot_core::domain::*;
use iot_core::port::*;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};
#[derive(Debug, Default)]
pub(crate) struct HttpConfig {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) control: Option<PathBuf>,
}
#[derive(Debug)]
pub(crate) struct Http(HttpConfig, Addresses);
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<Vec<SocketAddr>>>);
impl Addresses {
    pub(crate) fn get(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap().clone()
    }
}
impl Http {
    pub(crate) fn new(c: HttpConfig) -> Self {
        Self(c, Addresses::default())
    }
    pub(crate) fn addresses(&self) -> Addresses {
        self.1.clone()
    }
}
#[async_trait::async_trait]
impl Layer for Http {
    fn name(&self) -> &'static str {
        "http"
    }
    async fn open(&mut self, _cx: LayerCx) -> Result<(), LayerError> {
        *self.1.0.lock().unwrap() = self.0.listen.clone();
        Ok(())
    }
    async fn run(
        self: Box<Self>,
        stop: tokio_util::sync::CancellationToken,
    ) -> Result<(), LayerError> {
        stop.cancelled().await;
        Ok(())
    }
}
pub(crate) fn links(a: &[SocketAddr], s: &TokenSecret) -> Vec<String> {
    a.iter().map(|a| format!("http://{a}/#token={}", s.reveal())).collect()
}
