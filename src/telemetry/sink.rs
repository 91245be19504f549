//! Where log lines go: into memory, from which a thread of their own writes them. Lines of the access log wait for each other and are
//! written together, everything else is written as soon as that thread is there.
//!
//! A write for each request is a system call for each request. What waits is written after a tenth of a second, or as soon as it is
//! [`FULL`], or with any other line, so the order of lines is that of their events; a process that is killed loses a tenth of a second
//! of its access log.
//!
//! Who logs never writes: a collector that pauses fills the pipe, and then a write lasts as long as the pause. Lines that find too many
//! before them are lost, those of the access log first, and a later line says how many.

use std::{
    io::{self, Write},
    mem,
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
/// Bytes that wait at most, before a line of the access log is lost and before any is.
const MOST_ACCESS: usize = 2 << 20;
const MOST: usize = 4 << 20;
/// Longest wait at the end of the process for who reads the log.
const PATIENCE: Duration = Duration::from_secs(3);

/// Writes lines to `W`. Cheap to clone.
#[derive(Debug)]
pub(super) struct Sink<W>(Arc<Shared<W>>);

#[derive(Debug)]
struct Shared<W> {
    /// Held while something is written, which may last. Locked before `lines`.
    out: Mutex<Out<W>>,
    /// Held for moments only.
    lines: Mutex<Lines>,
    /// Something is due.
    due: Condvar,
    /// Something is written.
    done: Condvar,
}

#[derive(Debug)]
struct Out<W> {
    to: W,
    /// What is being written.
    lines: Vec<u8>,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    due: Due,
    /// How often what waited was taken, and how often that is written.
    taken: u64,
    written: u64,
    /// Lines that are nowhere.
    lost: u64,
    /// There is no thread.
    alone: bool,
}

/// When what waits is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Nothing waits.
    #[default]
    Never,
    Soon,
    Now,
}

impl<W> Clone for Sink<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Sink<W> {
    /// A sink, and its thread. Where there can be no thread, who logs writes.
    pub(super) fn new(to: W) -> Self {
        let sink = Self(Arc::new(Shared::new(to)));
        let shared = Arc::clone(&sink.0);
        let started = thread::Builder::new()
            .name("logicore-log".to_owned())
            .stack_size(128 << 10)
            .spawn(move || shared.write_all());
        sink.0.lines().alone = started.is_err();
        sink
    }

    /// Returns when all is written that was logged, or it cannot be.
    pub(super) fn flush(&self) {
        let mut lines = self.0.lines();
        let mut until = lines.taken;
        if !lines.waiting.is_empty() {
            until += 1;
            lines.due = Due::Now;
            self.0.due.notify_one();
        }
        let _ = self
            .0
            .done
            .wait_timeout_while(lines, PATIENCE, |lines| lines.written < until);
    }
}

impl<W: Write> Shared<W> {
    fn new(to: W) -> Self {
        Self {
            out: Mutex::new(Out { to, lines: Vec::new() }),
            lines: Mutex::default(),
            due: Condvar::new(),
            done: Condvar::new(),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is due, to the end of the process.
    fn write_all(&self) {
        loop {
            let lines = self.due.wait_while(self.lines(), |lines| lines.due == Due::Never);
            let lines = lines.unwrap_or_else(PoisonError::into_inner);
            drop(self.due.wait_timeout_while(lines, WAIT, |lines| lines.due == Due::Soon));
            self.write();
        }
    }

    /// Writes what waits. Returns how many lines were lost since.
    fn write(&self) -> u64 {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let out = &mut *out;
        let mut lines = self.lines();
        mem::swap(&mut lines.waiting, &mut out.lines);
        lines.due = Due::Never;
        lines.taken += 1;
        let (lost, alone) = (mem::take(&mut lines.lost), lines.alone);
        drop(lines);
        // Before what may last: now there is room for it. Who is alone has lost nothing, and would write within the write.
        if lost > 0 && !alone {
            tracing::warn!(lost, "lines of the log were lost: it was not read for too long");
        }
        // Where the log cannot be written there is no place to say so.
        let _ = out.to.write_all(&out.lines).and_then(|()| out.to.flush());
        out.lines.clear();
        out.lines.shrink_to(2 * FULL);
        let mut lines = self.lines();
        lines.written = lines.taken;
        drop(lines);
        self.done.notify_all();
        lost
    }

    fn add(&self, line: &[u8], may_wait: bool) {
        let mut lines = self.lines();
        let most = if may_wait { MOST_ACCESS } else { MOST };
        if lines.waiting.len() + line.len() > most {
            lines.lost += 1;
            return;
        }
        lines.waiting.extend_from_slice(line);
        if lines.alone {
            drop(lines);
            self.write();
            return;
        }
        let due = if may_wait && lines.waiting.len() < FULL {
            Due::Soon
        } else {
            Due::Now
        };
        if due > lines.due {
            lines.due = due;
            drop(lines);
            self.due.notify_one();
        }
    }
}

/// Writes one line.
pub(super) struct Writer<'a, W> {
    shared: &'a Shared<W>,
    may_wait: bool,
}

impl<W: Write> Write for Writer<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.may_wait);
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
            may_wait: false,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Writer {
            shared: &self.0,
            may_wait: metadata.target() == ACCESS && *metadata.level() >= Level::INFO,
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
        sink.0.add(b"a\n", true);
        sink.0.add(b"b\n", true);
        sink.0.add(b"late\n", false);
        assert_eq!(told.recv().unwrap(), "a\nb\nlate\n");
    }

    #[test]
    fn what_waits_is_written_though_nothing_follows() {
        let (sink, told) = sink();
        for line in [&b"a\n"[..], b"b\n"] {
            sink.0.add(line, true);
            assert_eq!(told.recv().unwrap().as_bytes(), line);
        }
    }

    #[test]
    fn many_lines_do_not_wait_and_neither_do_others() {
        let shared = Shared::new(io::sink());
        shared.add(&[b'x'; FULL - 1], true);
        assert_eq!(shared.lines().due, Due::Soon);
        shared.add(b"x", true);
        assert_eq!(shared.lines().due, Due::Now);
        shared.write();
        assert_eq!(shared.lines().due, Due::Never);
        shared.add(b"late\n", false);
        assert_eq!(shared.lines().due, Due::Now);
    }

    #[test]
    fn the_end_of_the_process_writes_what_waits() {
        let (sink, told) = sink();
        sink.0.add(b"a\n", true);
        sink.flush();
        assert_eq!(told.try_recv().unwrap(), "a\n");
        // Nothing waits, so neither does it.
        sink.flush();
    }

    /// Its first write lasts until it is told to go on.
    struct Paused(Told, Option<mpsc::Receiver<()>>);

    impl Write for Paused {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let written = self.0.write(bytes);
            if let Some(go_on) = self.1.take() {
                let _ = go_on.recv();
            }
            written
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_collector_that_pauses_holds_up_nobody_who_logs() {
        let ((tell, told), (go_on, paused)) = (mpsc::channel(), mpsc::channel());
        let sink = Sink::new(Paused(Told(tell), Some(paused)));
        sink.0.add(b"first\n", false);
        assert_eq!(told.recv().unwrap(), "first\n");
        sink.0.add(&[b'x'; FULL], true);
        sink.0.add(b"last\n", false);
        assert!(told.try_recv().is_err(), "it still pauses");
        go_on.send(()).unwrap();
        let next = told.recv().unwrap();
        assert!(next.starts_with('x') && next.ends_with("xlast\n"), "in their order");
    }

    #[test]
    fn what_is_too_much_is_lost_and_counted_the_access_log_first() {
        let (tell, told) = mpsc::channel();
        let shared = Shared::new(Told(tell));
        let line = [b'x'; MOST_ACCESS / 4];
        (0..5).for_each(|_| shared.add(&line, true));
        (0..5).for_each(|_| shared.add(&line, false));
        assert_eq!(shared.write(), 2, "one of each kind");
        assert_eq!(told.try_recv().unwrap().len(), MOST);
        shared.add(b"a\n", true);
        assert_eq!(shared.write(), 0);
        assert_eq!(told.try_recv().unwrap(), "a\n");
    }

    #[test]
    fn without_a_thread_who_logs_writes() {
        let (tell, told) = mpsc::channel();
        let shared = Shared::new(Told(tell));
        shared.lines().alone = true;
        shared.add(b"a\n", true);
        assert_eq!(told.try_recv().unwrap(), "a\n");
    }
}
