//! A sheet of figures: single ones, and families told apart by labels.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Writes single figures and families of them.
pub(super) struct Sheet<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl<'a, 'b> Sheet<'a, 'b> {
    pub(super) fn new(encoder: &'a mut DescriptorEncoder<'b>) -> Self {
        Self(encoder)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    pub(super) fn counters<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(word, value)| ([word], value));
        self.counters_by(name, help, [label], values)
    }

    pub(super) fn gauges<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(word, value)| ([word], value as f64));
        self.gauges_by(name, help, [label], values)
    }

    /// Counters told apart by several labels.
    pub(super) fn counters_by<const N: usize, L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        values: impl IntoIterator<Item = ([L; N], u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (words, value) in values {
            let set = pairs(labels, &words);
            ConstCounter::new(value).encode(metric.encode_family(&set)?)?;
        }
        Ok(())
    }

    /// Gauges told apart by several labels.
    pub(super) fn gauges_by<const N: usize, L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        values: impl IntoIterator<Item = ([L; N], f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (words, value) in values {
            let set = pairs(labels, &words);
            ConstGauge::new(value).encode(metric.encode_family(&set)?)?;
        }
        Ok(())
    }
}

fn pairs<'a, const N: usize, L: AsRef<str>>(
    labels: [&'a str; N],
    words: &'a [L; N],
) -> [(&'a str, &'a str); N] {
    std::array::from_fn(|n| (labels[n], words[n].as_ref()))
}
