//! Where log lines go: lines of the access log wait for each other and are written together, everything else is written at once.
//!
//! A write for each request is a system call for each request. What waits is written after a tenth of a second, or as soon as it is
//! [`FULL`], or before any other line, so the order of lines is that of their events; a process that is killed loses a tenth of a second
//! of its access log.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The target whose lines may wait.
const ACCESS: &str = "logicore_gateway::access";
/// Longest wait of a line.
const WAIT: Duration = Duration::from_millis(100);
/// Bytes that are written without waiting for more.
const FULL: usize = 32 << 10;

/// Writes lines to `W`. Cheap to clone.
#[derive(Debug)]
pub(super) struct Sink<W>(Arc<Shared<W>>);

#[derive(Debug)]
struct Shared<W> {
    state: Mutex<State<W>>,
    /// Something waits.
    waiting: Condvar,
}

#[derive(Debug)]
struct State<W> {
    out: W,
    lines: Vec<u8>,
    /// The thread knows that something waits.
    told: bool,
    /// There is no thread.
    alone: bool,
}

impl<W> Clone for Sink<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Sink<W> {
    /// A sink, and its thread. Where there can be no thread nothing waits.
    pub(super) fn new(out: W) -> Self {
        let sink = Self(Arc::new(Shared {
            state: Mutex::new(State {
                out,
                lines: Vec::new(),
                told: false,
                alone: false,
            }),
            waiting: Condvar::new(),
        }));
        let shared = Arc::clone(&sink.0);
        let started = thread::Builder::new()
            .name("logicore-log".to_owned())
            .stack_size(64 << 10)
            .spawn(move || shared.write_late());
        sink.0.lock().alone = started.is_err();
        sink
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        self.0.lock().flush();
    }
}

impl<W: Write> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_late(&self) {
        loop {
            let state = self.lock();
            let state = self.waiting.wait_while(state, |s| !s.told);
            drop(state);
            thread::sleep(WAIT);
            let mut state = self.lock();
            state.flush();
            state.told = false;
        }
    }

    fn add(&self, line: &[u8], at_once: bool) {
        let mut state = self.lock();
        state.lines.extend_from_slice(line);
        if at_once || state.alone || state.lines.len() >= FULL {
            state.flush();
        } else if !std::mem::replace(&mut state.told, true) {
            drop(state);
            self.waiting.notify_one();
        }
    }
}

impl<W: Write> State<W> {
    fn flush(&mut self) {
        if !self.lines.is_empty() {
            // Where the log cannot be written there is no place to say so.
            let _ = self.out.write_all(&self.lines).and_then(|()| self.out.flush());
            self.lines.clear();
        }
    }
}

/// Writes one line.
pub(super) struct Writer<'a, W> {
    shared: &'a Shared<W>,
    at_once: bool,
}

impl<W: Write> Write for Writer<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + 'static> MakeWriter<'a> for Sink<W> {
    type Writer = Writer<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Writer {
            shared: &self.0,
            at_once: true,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Writer {
            shared: &self.0,
            at_once: metadata.target() != ACCESS || *metadata.level() < Level::INFO,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells each write.
    struct Told(mpsc::Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink() -> (Sink<Told>, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel();
        (Sink::new(Told(tell)), told)
    }

    #[test]
    fn lines_that_may_wait_are_written_together_and_before_others() {
        let (sink, told) = sink();
        sink.0.add(b"a\n", false);
        sink.0.add(b"b\n", false);
        sink.0.add(b"late\n", true);
        assert_eq!(told.recv().unwrap(), "a\nb\nlate\n");
    }

    #[test]
    fn what_waits_is_written_though_nothing_follows() {
        let (sink, told) = sink();
        for line in [&b"a\n"[..], b"b\n"] {
            sink.0.add(line, false);
            assert_eq!(told.recv().unwrap().as_bytes(), line);
        }
    }

    #[test]
    fn many_lines_do_not_wait() {
        let (sink, told) = sink();
        sink.0.state.lock().unwrap().told = true;
        sink.0.add(&[b'x'; FULL], false);
        assert_eq!(told.try_recv().map(|s| s.len()), Ok(FULL));
    }

    #[test]
    fn the_end_of_the_process_writes_what_waits() {
        let (sink, told) = sink();
        sink.0.add(b"a\n", false);
        sink.flush();
        assert_eq!(told.recv().unwrap(), "a\n");
    }
}
