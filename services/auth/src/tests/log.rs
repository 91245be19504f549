//! What the program logs in one test.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

/// Everything that this thread logs at any level, in spans and events.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<String>>);

impl Log {
    /// Hears what this thread logs while the guard lives. With one dispatcher alone tracing would keep the answers of threads
    /// that have none; a second one that stays rules that out.
    pub(super) fn start() -> (Self, DefaultGuard) {
        static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
        KEPT.get_or_init(|| [(); 2].map(|()| Dispatch::new(Self::default())));
        let log = Self::default();
        (log.clone(), tracing::subscriber::set_default(log))
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn write(&self, name: &str, value: &dyn fmt::Debug) {
        use fmt::Write;
        write!(self.0.lock().unwrap(), "{name}={value:?} ").unwrap();
    }
}

impl Visit for &Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field.name(), value);
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut &*self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
