use super::*;

#[test]
fn every_metric_has_help_and_a_value_shows() {
    let metrics = Metrics::new("1.2.3");
    metrics.taken("transactions", 3);
    metrics.rejected("wrong_type");
    metrics.decisions.block.inc();
    metrics.stages.commit.observe(0.0007);
    metrics.queue("predict").set(4);
    metrics.store_lag("decisions", 1, 12);
    metrics.http.requests.get_or_create(&HttpRequest { method: "GET", route: "/health", status: 200 }).inc();
    metrics.broker.bytes_produced.inc_by(100);
    let text = metrics.render();
    for line in [
        "sluice_build_info{version=\"1.2.3\"} 1",
        "sluice_records_taken_total{stream=\"transactions\"} 3",
        "sluice_records_rejected_total{code=\"wrong_type\"} 1",
        "sluice_decisions_total{action=\"block\"} 1",
        "sluice_decisions_total{action=\"allow\"} 0",
        "sluice_stage_seconds_bucket{le=\"0.001\",stage=\"commit\"} 1",
        "sluice_stage_seconds_bucket{le=\"0.0005\",stage=\"commit\"} 0",
        "sluice_queue_depth{queue=\"predict\"} 4",
        "sluice_store_lag_records{topic=\"decisions\",partition=\"1\"} 12",
        "sluice_http_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} 1",
        "sluice_broker_moved_bytes_total{direction=\"produced\"} 100",
    ] {
        assert!(text.lines().any(|l| l == line), "`{line}` is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    // Each family has one help line of its own; the encoder ends it with a stop, so ours must not.
    let families: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).map(|l| l.split(' ').next().unwrap()).collect();
    for family in &families {
        let help =
            text.lines().find_map(|l| l.strip_prefix(&format!("# HELP {family} "))).unwrap_or_else(|| panic!("{family} has no help"));
        assert!(help.len() > 10 && !help.ends_with(".."), "{family}: {help}");
    }
    let mut unique = families.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), families.len(), "a metric is registered twice: {families:?}");
    assert!(families.len() > 25);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let text = Metrics::new("x").render();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("process_start_time_seconds") > 1.7e9);
    assert!(value("process_uptime_seconds") >= 0.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_threads") >= 1.0);
}
