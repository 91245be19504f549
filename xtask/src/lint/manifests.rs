//! What operators apply: Kubernetes manifests and Prometheus rules, judged by the tools that they will meet.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    shell::{output, root, run},
    tools::Tools,
};

/// Renders the manifests and has them reviewed. A critical finding fails; what is ignored is answered in `k8s/README.md`.
///
/// # Errors
/// When they do not render, or there is a finding.
pub(super) fn kubernetes(tools: &Tools) -> Result<()> {
    output(tools.command("kubectl").args(["kustomize", "k8s/observability"]))?;
    for (folder, file) in [
        ("k8s/base", "k8s-base.yaml"),
        ("k8s/overlays/routed", "k8s-routed.yaml"),
    ] {
        let rendered = output(tools.command("kubectl").args(["kustomize", folder]))?;
        let file = scratch(file, &rendered)?;
        let mut score = tools.command("kube-score");
        run(score.args(["score", "--output-format", "ci"]).arg(file))?;
    }
    Ok(())
}

/// Checks the scrape configuration and the rules, and runs the rules' own tests.
///
/// # Errors
/// When promtool refuses something.
pub(super) fn prometheus(tools: &Tools) -> Result<()> {
    let promtool = || tools.command("promtool");
    let folder = root().join("k8s/observability");
    let rules = ["rules/recording.yml", "rules/alerts.yml"].map(|file| folder.join(file));
    run(promtool().args(["check", "rules"]).args(rules))?;
    run(promtool().args(["test", "rules"]).arg(folder.join("tests/rules.yml")))?;
    run(promtool()
        .args(["check", "config", "--syntax-only"])
        .arg(configuration()?))
}

/// Debian's promtool is built without Kubernetes discovery: the rest of the configuration is checked with a fixed target.
fn configuration() -> Result<PathBuf> {
    const DISCOVERY: &str =
        "    kubernetes_sd_configs:\n      - role: pod\n        namespaces:\n          names: [logi-core]\n";
    const FIXED: &str = "    static_configs:\n      - targets: [localhost:9090]\n";
    let file = root().join("k8s/observability/prometheus.yml");
    let text = fs::read_to_string(&file).context("cannot read the scrape configuration")?;
    if !text.contains(DISCOVERY) {
        bail!("{} does not discover pods as expected", file.display());
    }
    scratch("prometheus.yml", &text.replace(DISCOVERY, FIXED))
}

fn scratch(name: &str, text: &str) -> Result<PathBuf> {
    let file = root().join("target").join(name);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
