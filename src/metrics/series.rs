//! Gauges whose series come and go with what is known.

use std::collections::{BTreeMap, HashMap};

use prometheus::GaugeVec;
use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;

/// Label names and values of one series.
pub type Series<'a> = BTreeMap<&'a str, &'a str>;

/// Gives a gauge these values and takes every other series from it; the names are those that it was registered with.
pub fn show_only(gauge: &GaugeVec, values: &BTreeMap<Series<'_>, f64>) {
    for (labels, value) in values {
        gauge.with(&labels.clone().into_iter().collect::<HashMap<_, _>>()).set(*value);
    }
    for metric in gauge.collect().iter().flat_map(MetricFamily::get_metric) {
        let labels: Series<'_> = metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
        if !values.contains_key(&labels) {
            // Somebody else may have taken it.
            let _ = gauge.remove(&labels.into_iter().collect::<HashMap<_, _>>());
        }
    }
}
