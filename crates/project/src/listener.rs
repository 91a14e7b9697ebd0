//! `log: {embedded: {...}}` in `sluice.yml`: how the embedded broker's door for Kafka clients is secured.

use crate::section::{Report, Section};
use crate::settings::{Environment, resolved};
use crate::spec::{ListenerAuthentication, ListenerSettings, ListenerTls};
use crate::yaml::Node;

pub(crate) fn read(node: &Node, env: Environment, report: &mut Report) -> ListenerSettings {
    let Some(section) = Section::open(node, "`embedded`", &["authentication", "tls"], report) else { return ListenerSettings::default() };
    let words = [("sasl", ListenerAuthentication::Sasl), ("none", ListenerAuthentication::None)];
    let tls = section.node("tls").and_then(|node| Section::open(node, "`tls`", &["certificate", "key"], report));
    let tls = tls.and_then(|tls| {
        let certificate = tls.required("certificate", report).and_then(|node| resolved(node, "certificate", env, report));
        let key = tls.required("key", report).and_then(|node| resolved(node, "key", env, report));
        Some(ListenerTls { certificate: certificate?.into(), key: key?.into() })
    });
    ListenerSettings { authentication: section.choice("authentication", &words, report), tls }
}
