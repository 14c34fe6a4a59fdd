//! A line between a client and its server, through which all that they say goes: it can be held, and it remembers what the client has sent.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::guard::eventually;

/// Which way along the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToClient,
    ToServer,
}

/// Dropped, it is cut.
pub(crate) struct Line {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Way>,
    is_cut: bool,
    /// What the client has sent.
    sent: Vec<u8>,
    /// Where each piece of it ends, as it came.
    ends: Vec<usize>,
    /// The ends of all connections.
    streams: Vec<TcpStream>,
}

impl Line {
    /// To the server of this URL.
    pub(crate) fn to(url: &str) -> Self {
        let server = url.rsplit('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for client in listener.incoming() {
                if own.lock().is_cut {
                    return;
                }
                // A server that is gone is a connection that ends at once.
                if let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) {
                    own.join(&client, &server);
                }
            }
        });
        Self {
            port,
            shared,
            accepting: Some(accepting),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on nothing comes through on this way, until it is released. Then all of it comes at once.
    pub(crate) fn hold(&self, way: Way) {
        self.shared.lock().held = Some(way);
    }

    pub(crate) fn release(&self) {
        self.shared.lock().held = None;
    }

    /// How many messages to such subjects the client has sent.
    pub(crate) fn sent(&self, subject: &str) -> usize {
        self.shared.lock().places(subject).count()
    }

    /// In how many pieces it has sent them: a piece is what it wrote at once, or more of it.
    pub(crate) fn pieces(&self, subject: &str) -> usize {
        let state = self.shared.lock();
        let piece = |place| state.ends.partition_point(|end| *end <= place);
        let mut pieces: Vec<usize> = state.places(subject).map(piece).collect();
        pieces.dedup();
        pieces.len()
    }

    /// Waits until the client has sent so many messages to such subjects.
    #[track_caller]
    pub(crate) fn wait_for(&self, messages: usize, subject: &str) {
        eventually(&format!("{messages} messages to {subject}"), || {
            self.sent(subject) >= messages
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let streams = {
            let mut state = self.shared.lock();
            state.is_cut = true;
            std::mem::take(&mut state.streams)
        };
        for stream in streams {
            // It fails only if the other end was quicker.
            drop(stream.shutdown(Shutdown::Both));
        }
        // Whoever accepts looks once more, and sees that it is cut.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.accepting.take().map(JoinHandle::join));
    }
}

impl State {
    fn places(&self, subject: &str) -> impl Iterator<Item = usize> {
        // Not those with headers: what a client tries at its start has some.
        let line = format!("\nPUB {subject}").into_bytes();
        let windows = self.sent.windows(line.len()).enumerate();
        windows.filter_map(move |(place, bytes)| (bytes == line).then_some(place))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        for (from, to, way) in [
            (client, server, Way::ToServer),
            (server, client, Way::ToClient),
        ] {
            from.set_nodelay(true).unwrap();
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            self.lock().streams.push(from.try_clone().unwrap());
            let own = Arc::clone(self);
            thread::spawn(move || own.pump(from, to, way));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, way: Way) {
        let mut piece = vec![0; 1 << 16];
        while let Ok(len @ 1..) = from.read(&mut piece) {
            let mut bytes = piece[..len].to_vec();
            if way == Way::ToServer {
                self.note(&bytes);
            }
            let mut state = self.lock();
            while state.held == Some(way) && !state.is_cut {
                drop(state);
                // More may come meanwhile, which belongs to it.
                from.set_read_timeout(Some(Duration::from_millis(5)))
                    .unwrap();
                match from.read(&mut piece) {
                    Ok(len) => {
                        bytes.extend_from_slice(&piece[..len]);
                        if way == Way::ToServer {
                            self.note(&piece[..len]);
                        }
                        state = self.lock();
                        if len == 0 {
                            break;
                        }
                    }
                    Err(error)
                        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                    {
                        state = self.lock();
                    }
                    Err(_) => return,
                }
                from.set_read_timeout(None).unwrap();
            }
            drop(state);
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // Whoever has no more to say does not listen either.
        drop(to.shutdown(Shutdown::Both));
    }

    fn note(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.sent.extend_from_slice(bytes);
        let end = state.sent.len();
        state.ends.push(end);
    }
}
