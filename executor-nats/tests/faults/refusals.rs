//! What is wrong from the start: an error within ten seconds, that names the thing and what to do.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use executor_nats::{Credentials, NatsBuilder, NatsExecutor, Tls, Worker};
use libtest_mimic::Trial;

use crate::{
    authority::Authority,
    server::{Options, Server},
    support::{
        cluster::check_serves,
        guard::{add, step},
    },
};

/// The text that is for people to use: clients must show a certificate.
const TLS: &str = include_str!("../../../deploy/nats/tls.conf");

/// No refusal takes longer.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "refusals::no_server", |_| {
        // A port that nobody listens on: it was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = format!("nats://127.0.0.1:{port}");
        refused(NatsExecutor::builder().url(&url), &[&url, "nats-server"]);
    });
    add(trials, "refusals::a_server_of_something_else", |_| {
        // Takes connections, and says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        refused(NatsExecutor::builder().url(&url), &[&url]);
    });
    add(trials, "refusals::no_address", |_| {
        for url in [
            "",
            "nats://",
            "http://127.0.0.1:4222",
            "nats://127.0.0.1:99999",
            "nats://a b",
        ] {
            refused(NatsExecutor::builder().url(url), &[url]);
        }
    });
    add(trials, "refusals::no_such_host", |_| {
        let url = "nats://no-such-host.invalid:4222";
        refused(NatsExecutor::builder().url(url), &["no-such-host.invalid"]);
    });
    add(trials, "refusals::no_jetstream", |_| {
        let server = Server::start(Options::new().without_jetstream());
        refused(
            NatsExecutor::builder().url(server.url()),
            &["JetStream", "-js"],
        );
    });
    add(trials, "refusals::wrong_password", |_| {
        let users = "authorization { users: [{user: me, password: right}] }";
        let server = Server::start(Options::new().config(users));
        let builder = || NatsExecutor::builder().url(server.url());
        refused(builder(), &["credentials"]);
        let wrong = password("me", "wrong");
        let text = refused(builder().credentials(wrong), &["me"]);
        assert!(!text.contains("wrong"), "it tells no password: {text}");
        let right = password("me", "right");
        builder().credentials(right).connect().unwrap();
    });
    add(trials, "refusals::missing_rights", |_| {
        let users = "authorization { users: [{user: me, password: me, permissions: {publish: \"x\", subscribe: \"_INBOX.>\"}}] }";
        let server = Server::start(Options::new().config(users));
        let builder = NatsExecutor::builder()
            .url(server.url())
            .credentials(password("me", "me"));
        refused(builder, &["exec"]);
    });
    add(trials, "refusals::tls", tls);
    add(trials, "refusals::words_that_are_no_names", |bench| {
        for name in ["", "a.b", "a b", "a*", ">", "\u{e4}"] {
            refused(bench.builder().queue(name), &[&format!("`{name}`")]);
            refused(bench.builder().namespace(name), &[&format!("`{name}`")]);
        }
    });
    add(trials, "refusals::workers_too", |bench| {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = format!("nats://127.0.0.1:{port}");
        let start = Instant::now();
        let error = Worker::builder().url(&url).slots(1).start().unwrap_err();
        assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
        assert!(error.to_string().contains(&url), "{error}");
        let error = Worker::builder()
            .url(bench.server.url())
            .slots(0)
            .start()
            .unwrap_err();
        assert!(error.to_string().contains('0'), "{error}");
    });
}

/// A server that is not trusted, one that speaks no TLS, and a client that does not.
fn tls(bench: &mut crate::support::cluster::Bench) {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Server::start(Options::new().tls(&ours.config("")));
    let builder = || NatsExecutor::builder().url(server.url());
    step("who signed the server is not known");
    refused(builder(), &["tls", "certificate"]);
    refused(
        builder().tls(Tls::new().authority(theirs.root())),
        &["tls", "certificate"],
    );
    step("who signed the server is trusted");
    let executor = builder()
        .tls(Tls::new().authority(ours.root()))
        .connect()
        .unwrap();
    drop(executor);
    step("the server speaks no TLS");
    let plain = bench.server.url().replace("nats://", "tls://");
    refused(NatsExecutor::builder().url(&plain), &["tls"]);

    step("the server asks for a certificate");
    let server = Server::start(Options::new().tls(&ours.fill_in(TLS)));
    let builder = || NatsExecutor::builder().url(server.url());
    refused(
        builder().tls(Tls::new().authority(ours.root())),
        &["tls", "certificate"],
    );
    let (certificate, key) = ours.client();
    let tls = Tls::new()
        .authority(ours.root())
        .certificate(certificate, key);
    let executor = builder().tls(tls.clone()).connect().unwrap();
    let worker = Worker::builder()
        .url(server.url())
        .slots(1)
        .tls(tls)
        .start()
        .unwrap();
    check_serves(&executor);
    drop(executor);
    worker.drain();
    worker.join();
}

fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password(user.to_owned(), password.to_owned())
}

/// The text of the error, which has these parts in it, and came in time.
#[track_caller]
fn refused(builder: NatsBuilder, parts: &[&str]) -> String {
    let start = Instant::now();
    let error = match builder.connect() {
        Ok(executor) => panic!("it is connected: {executor:?}"),
        Err(error) => error,
    };
    assert!(
        start.elapsed() < LIMIT,
        "{error}: after {:?}",
        start.elapsed()
    );
    let text = error.to_string();
    for part in parts {
        let (text, part) = (text.to_lowercase(), part.to_lowercase());
        assert!(text.contains(&part), "no `{part}` in `{text}`");
    }
    assert!(!text.ends_with('.'), "{text}");
    text
}
