//! Logs of one test, as the program would write them.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;

use super::start;
use crate::settings::{LogFormat, Role, Settings};

/// What has been logged since [`start`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

/// With a single dispatcher alive tracing asks the current thread's alone whether an event interests anyone, and keeps the answer
/// for all threads: tests running side by side would silence each other. Two that stay alive rule that out.
pub(crate) fn share() {
    static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
    KEPT.get_or_init(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry())));
}

/// Captures as JSON what this thread logs at `level`, while the guard lives.
pub(crate) fn start(level: &str) -> (Log, tracing::subscriber::DefaultGuard) {
    share();
    let mut settings = Settings::defaults(Role::All);
    settings.telemetry.log_format = LogFormat::Json;
    settings.telemetry.log_level = level.to_owned();
    let log = Log::default();
    let (subscriber, _guard) = start::subscriber(&settings, log.clone(), false).unwrap();
    (log, tracing::subscriber::set_default(subscriber))
}

pub(crate) struct Writer<'a>(MutexGuard<'a, Vec<u8>>);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Writer<'a>;

    fn make_writer(&'a self) -> Writer<'a> {
        Writer(self.0.lock().unwrap())
    }
}
