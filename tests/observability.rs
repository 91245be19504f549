//! What operators are given (rules, alerts, a dashboard, manifests) names only what the program has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use logicore::{
    settings::KEYS,
    telemetry::{Metrics, Protocol},
};
use serde_json::Value;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the file is part of the tree")
}

/// Every metric as Prometheus stores it, with its labels: taken from the text that a scrape gets.
fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new();
    // A metric with labels shows once it has been used; what is not used here is not exported, and fails below.
    metrics
        .requests
        .handle("s", "m", Protocol::Grpc)
        .record(tonic::Code::Ok, Duration::ZERO);
    metrics.breaker_events.with_label_values(&["s", "service", "opened"]);
    metrics.breaker_state.with_label_values(&["s"]);
    metrics.retries.with_label_values(&["s", "succeeded"]);
    metrics.calls_refused.with_label_values(&["s", "full"]);
    metrics.connections_refused.with_label_values(&["full"]);
    metrics.feed_age.with_label_values(&["auth"]);
    metrics.rate_limited.with_label_values(&["principal"]);
    metrics.logins.with_label_values(&["success"]);
    metrics.refreshes.with_label_values(&["success"]);
    metrics.commit_duration.with_label_values(&["auth"]);
    metrics.commit_jobs.with_label_values(&["auth"]);
    metrics.outbox_pending.with_label_values(&["auth"]);
    let text = metrics.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for sample in samples {
        let end = sample.find(['{', ' ']).expect("a sample has a value");
        let inside = sample[end..]
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .map_or("", |(labels, _)| labels);
        let labels = inside
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, _)| name.to_owned());
        found.entry(sample[..end].to_owned()).or_default().extend(labels);
    }
    found
}

/// Metrics that Prometheus makes itself.
const PROMETHEUS: [&str; 1] = ["up"];
/// Labels that the scrape configuration and the recording rules add.
const ADDED_LABELS: [&str; 5] = ["job", "app", "pod", "instance", "quantile"];

#[test]
fn no_rule_and_no_panel_names_a_metric_or_label_that_does_not_exist() {
    let mut known = exported();
    let rules = [
        "k8s/observability/rules/recording.yml",
        "k8s/observability/rules/alerts.yml",
    ]
    .map(read)
    .concat();
    let labels = known["api_request_duration_seconds_count"].clone();
    for record in values(&rules, "- record:") {
        known.entry(record).or_default().extend(labels.clone());
    }
    for name in PROMETHEUS {
        known.insert(name.to_owned(), BTreeSet::new());
    }
    let mut expressions = values(&rules, "expr:");
    assert!(expressions.len() > 15, "the rules' expressions are found");
    expressions.extend(panels().into_values().flatten());
    for expression in expressions {
        let named = selectors(&expression);
        assert!(!named.is_empty(), "names no metric: {expression}");
        for (metric, matchers) in named {
            let Some(labels) = known.get(&metric) else {
                panic!("no metric is called {metric}: {expression}")
            };
            for label in matchers {
                let there = labels.contains(&label) || ADDED_LABELS.contains(&label.as_str());
                assert!(there, "{metric} has no label {label}: {expression}");
            }
        }
    }
}

#[test]
fn the_dashboard_has_the_four_panels_of_the_guide() {
    let guide = [
        ("Request Rate", "rate(api_requests_total[5m])"),
        (
            "Error Rate",
            "rate(api_errors_total[5m]) / rate(api_requests_total[5m])",
        ),
        ("Response Time", "api_request_duration_seconds{quantile=\"0.95\"}"),
        ("Circuit Breaker Status", "circuit_breaker_events_total"),
    ];
    let panels = panels();
    for (title, expression) in guide {
        assert_eq!(panels[title], [expression]);
    }
}

#[test]
fn errors_and_requests_carry_identical_labels() {
    let exported = exported();
    assert_eq!(
        exported["api_errors_total"], exported["api_requests_total"],
        "else their quotient is empty"
    );
}

#[test]
fn the_manifests_set_only_settings_that_exist() {
    let known = KEYS.iter().map(|key| key.env).collect::<BTreeSet<_>>();
    let settings = read("k8s/base/settings.env");
    let lines = settings
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut named = lines
        .map(|line| line.split_once('=').expect("NAME=value").0.to_owned())
        .collect::<Vec<_>>();
    for file in ["api-gateway", "auth-service", "user-service", "admin-service"] {
        let manifest = read(&format!("k8s/base/{file}.yaml"));
        let (_, env) = manifest
            .split_once("          env:\n")
            .expect("each role has its own environment");
        let (env, _) = env.split_once("ports:").expect("ports stand behind it");
        named.extend(values(env, "- name:"));
    }
    assert!(named.len() > 20, "the names are found");
    for name in named {
        assert!(known.contains(name.as_str()), "no setting is called {name}");
    }
}

#[test]
fn every_finding_that_is_ignored_is_answered_in_writing() {
    let answers = read("k8s/README.md");
    for file in ["api-gateway", "auth-service", "user-service", "admin-service"] {
        for ignored in values(&read(&format!("k8s/base/{file}.yaml")), "kube-score/ignore:") {
            for check in ignored.split(',') {
                assert!(
                    answers.contains(&format!("`{}`", check.trim())),
                    "k8s/README.md does not answer {check}"
                );
            }
        }
    }
}

/// Title and expressions of each panel that has any.
fn panels() -> BTreeMap<String, Vec<String>> {
    let dashboard: Value = serde_json::from_str(&read("k8s/observability/dashboards/logicore.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("a dashboard has panels");
    let with_targets = panels
        .iter()
        .filter_map(|panel| Some((panel["title"].as_str()?, panel["targets"].as_array()?)));
    let text = |target: &Value| target["expr"].as_str().expect("a target has an expression").to_owned();
    with_targets
        .map(|(title, targets)| (title.to_owned(), targets.iter().map(text).collect()))
        .collect()
}

/// Values of a key in YAML: what follows it, or the deeper lines below a `>-`.
fn values(yaml: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines = yaml.lines().collect::<Vec<_>>();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(value) = line.trim_start().strip_prefix(key).map(str::trim) else {
            continue;
        };
        if value == ">-" {
            let block = lines[at + 1..].iter().take_while(|next| indent(next) > indent(line));
            found.push(block.map(|next| next.trim()).collect::<Vec<_>>().join(" "));
        } else {
            found.push(value.to_owned());
        }
    }
    found
}

/// Words of PromQL that are neither metrics nor functions.
const WORDS: [&str; 9] = [
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "ignoring",
    "group_left",
    "group_right",
    "inf",
];
/// Words whose parentheses hold labels.
const GROUPINGS: [&str; 5] = ["by", "without", "on", "ignoring", "group_left"];

/// Metrics that an expression names, each with the labels that its matchers ask for. Grouping labels belong to the metric
/// that comes next.
fn selectors(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut grouping = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '[') {
        rest = &rest[start..];
        if rest.starts_with('[') {
            rest = rest.split_once(']').expect("a range ends").1;
            continue;
        }
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        let next = behind.trim_start();
        let aggregates = next.starts_with("by ") || next.starts_with("without ");
        if GROUPINGS.contains(&word) {
            let (labels, behind) = next.trim_start_matches('(').split_once(')').expect("a grouping ends");
            grouping.extend(
                labels
                    .split(',')
                    .map(|label| label.trim().to_owned())
                    .filter(|label| label != "le"),
            );
            rest = behind;
        } else if !aggregates && !next.starts_with('(') && !WORDS.contains(&word) && !is_number(expression, rest, word)
        {
            let matchers = next.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let mut labels = std::mem::take(&mut grouping);
            if let Some((inside, behind)) = matchers {
                labels.extend(
                    inside
                        .split("\",")
                        .map(|pair| pair.split(['=', '!']).next().unwrap_or_default().trim().to_owned()),
                );
                rest = behind;
            }
            found.push((word.to_owned(), labels));
        }
    }
    found
}

/// Whether a word is the tail of a number such as `200e6`.
fn is_number(expression: &str, rest: &str, word: &str) -> bool {
    let start = expression.len() - rest.len() - word.len();
    expression[..start].ends_with(|c: char| c.is_ascii_digit())
}

#[test]
fn selectors_are_read_with_their_labels() {
    let named = selectors(r#"sum by (a, le) (rate(x_total{b="1",c!="2"}[5m])) > 200e6 and on (d) y:z"#);
    let words = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        named,
        [
            ("x_total".to_owned(), words(&["a", "b", "c"])),
            ("y:z".to_owned(), words(&["d"]))
        ]
    );
}
