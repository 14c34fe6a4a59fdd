//! The server that whatever has to do with NATS needs: the one that `NATS_URL` names, or one of this process's own.

use std::{
    env, process,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::programs::Program;

#[cfg(unix)]
#[path = "../../../executor-nats/tests/support/server.rs"]
#[expect(dead_code, reason = "tests do more with servers")]
mod real;

/// The argument that makes this program one that has a server until it is to end.
pub(super) const FLAG: &str = "--nats-server";

/// How long a queue stays once nobody has to do with it.
pub(crate) const QUEUE_TTL: Duration = Duration::from_secs(300);

/// The environment variable that says where a server is.
const VARIABLE: &str = "NATS_URL";

/// The server of this process's own, with where it is. It ends with this process, however that ends: see [`Program`].
static OWN: Mutex<Option<(String, Program)>> = Mutex::new(None);

/// Why there is no server, if so.
pub(crate) fn lack() -> Option<&'static str> {
    let lack = "no nats-server: NATS_URL does not say where one is, and there is no program to be started, neither of \
                NATS_SERVER, nor in PATH, nor from `cargo xtask nats`";
    (named().is_none() && !is_here()).then_some(lack)
}

/// Where the server is. One is started, if none was named.
///
/// # Panics
///
/// If there is a [`lack`] of one, or it cannot be started.
pub(crate) fn address() -> String {
    if let Some(named) = named() {
        return named;
    }
    let mut own = OWN.lock().expect("nobody panics with it");
    let (address, _) = own.get_or_insert_with(|| {
        let mut program = Program::start(&[FLAG]);
        let address = program.first_line();
        let address = address.expect("a server that starts says where it is");
        (address, program)
    });
    address.clone()
}

/// Ends the server of this process's own, if there is one, and waits for that: what it used is what this process used.
pub(crate) fn end() {
    drop(OWN.lock().expect("nobody panics with it").take());
}

/// The name of a queue that nobody else has.
pub(crate) fn queue() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("benches-{}-{number}", process::id())
}

fn named() -> Option<String> {
    env::var(VARIABLE).ok().filter(|url| !url.is_empty())
}

#[cfg(unix)]
fn is_here() -> bool {
    real::find().is_some()
}

/// Starts a server, says where it is, and gives what keeps it.
#[cfg(unix)]
pub(super) fn serve() -> impl Drop {
    let server = real::Server::start(real::Options::new());
    println!("{}", server.url());
    server
}

/// Elsewhere a server has to be named.
#[cfg(not(unix))]
const fn is_here() -> bool {
    false
}

#[cfg(not(unix))]
pub(super) const fn serve() {}
