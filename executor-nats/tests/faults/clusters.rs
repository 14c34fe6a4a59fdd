//! Three servers with the very configuration of `deploy/kubernetes`, but for addresses and folders: they form a cluster, answer the
//! probes, hold each task three times, and any one of them may go.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use executor_core::ExecutorExt as _;
use executor_nats::Credentials;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::{
    server::program,
    support::{
        cluster::{Bench, WorkerProcess, check_serves},
        guard::{add, eventually, settle, step},
        raw::Raw,
        roles::PASSWORD,
        tasks::note,
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "clusters::each_server_may_go", each_server_may_go);
}

const MANIFEST: &str = include_str!("../../../deploy/kubernetes/nats.yaml");

const NODES: usize = 3;

fn each_server_may_go(bench: &mut Bench) {
    const TASKS: u64 = 400;
    let mut nodes = Node::start_all();
    for node in &nodes {
        node.wait_until_ready();
    }
    let probes: Vec<&str> = MANIFEST
        .lines()
        .filter_map(|line| line.trim().strip_prefix("path: "))
        .collect();
    assert_eq!(probes.len(), 3, "{probes:?}");
    for path in probes {
        eventually(&format!("{path} is well"), || nodes[0].is_well(path));
    }
    let urls: Vec<String> = nodes.iter().map(Node::url).collect();
    let urls = urls.join(",");
    let builder = |user: &str| {
        let password = Credentials::Password(user.to_owned(), format!("{user}-secret"));
        let builder = bench.builder().url(&urls).replicas(NODES);
        builder.credentials(password)
    };
    step("the administrator makes the streams");
    drop(builder("admin").connect().unwrap());
    let executor = builder("submitter").connect().unwrap();
    let tally = bench.tally("runs");
    let variables = [(PASSWORD, "worker-secret")];
    let _workers = [4, 4].map(|slots| WorkerProcess::start_with(&urls, slots, &variables));
    check_serves(&executor);

    let tried = Raw::connect_as("admin", "admin-secret", &nodes[0].url());
    let stored = tried.stored_in("exec_RESULTS", "exec.r.~");
    assert_eq!(
        stored, 0,
        "what a worker tries at its start changes nothing"
    );

    let leader = |seen_by: &Node| {
        let raw = Raw::connect_as("admin", "admin-secret", &seen_by.url());
        let cluster = raw.cluster_of("exec_TASKS");
        assert_eq!(cluster.replicas.len(), NODES - 1, "{cluster:?}");
        cluster
            .leader
            .and_then(|name| name.strip_prefix("nats-")?.parse::<usize>().ok())
    };
    for round in 0..2 {
        let mut found = None;
        eventually("the stream has a leader", || {
            found = leader(&nodes[0]);
            found.is_some()
        });
        let found = found.unwrap();
        let submit = |number| {
            executor
                .submit(note::task(tally.clone(), number, 5))
                .unwrap()
        };
        let futures: Vec<_> = (0..TASKS).map(submit).collect();
        let before = tally.all().len();
        eventually("a tenth has run", || {
            tally.all().len() >= before + TASKS as usize / 10
        });
        step(&format!("round {round}: nats-{found} is killed"));
        nodes[found].kill();
        for (number, future) in (0..TASKS).zip(futures) {
            assert_eq!(settle(&format!("task {number}"), future).unwrap(), number);
        }
        check_serves(&executor);
        nodes[found].launch();
        for node in &nodes {
            node.wait_until_ready();
        }
    }
    for number in 0..TASKS {
        assert!(tally.count(number) >= 2, "task {number} ran in each round");
    }
}

/// One of the servers; dropped, it is killed.
struct Node {
    name: String,
    folder: TempDir,
    client: u16,
    monitor: u16,
    child: Child,
}

impl Node {
    fn start_all() -> Vec<Self> {
        // They must know each other's ports beforehand. All are held until all are chosen, so that they differ.
        let listeners: Vec<TcpListener> = (0..3 * NODES)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port());
        let ports: Vec<u16> = ports.collect();
        drop(listeners);
        let (clients, rest) = ports.split_at(NODES);
        let (monitors, clusters) = rest.split_at(NODES);
        let nodes = 0..NODES;
        let nodes = nodes.map(|number| {
            let folder = TempDir::with_prefix("nats-").unwrap();
            let at = |port: u16| format!("\"127.0.0.1:{port}\"");
            let path = |name: &str| format!("{:?}", folder.path().join(name));
            let mut changes = vec![
                ("\"0.0.0.0:4222\"".to_owned(), at(clients[number])),
                ("\"0.0.0.0:8222\"".to_owned(), at(monitors[number])),
                ("\"0.0.0.0:6222\"".to_owned(), at(clusters[number])),
                ("\"/data\"".to_owned(), path("data")),
                ("\"/var/run/nats/nats.pid\"".to_owned(), path("pid")),
            ];
            for (other, port) in clusters.iter().enumerate() {
                let route = format!("nats-{other}.nats:6222");
                changes.push((route, format!("127.0.0.1:{port}")));
            }
            let mut config = file("nats.conf");
            for (from, to) in changes {
                assert_eq!(config.matches(&from).count(), 1, "{from} in\n{config}");
                config = config.replace(&from, &to);
            }
            fs::write(folder.path().join("nats.conf"), config).unwrap();
            fs::write(folder.path().join("rights.conf"), file("rights.conf")).unwrap();
            let name = format!("nats-{number}");
            let child = launch(&name, folder.path());
            Self {
                name,
                folder,
                client: clients[number],
                monitor: monitors[number],
                child,
            }
        });
        nodes.collect()
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.client)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn launch(&mut self) {
        self.child = launch(&self.name, self.folder.path());
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        eventually(&format!("{} is ready", self.name), || {
            self.is_well("/healthz")
        });
    }

    /// Whether a probe of this path is content.
    fn is_well(&self, path: &str) -> bool {
        let mut answer = String::new();
        let asked = TcpStream::connect(("127.0.0.1", self.monitor)).and_then(|mut stream| {
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        asked.is_ok()
            && answer
                .lines()
                .next()
                .is_some_and(|line| line.contains(" 200 "))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn launch(name: &str, folder: &Path) -> Child {
    let mut log = File::options();
    let log = log.create(true).append(true).open(folder.join("log"));
    Command::new(program())
        .arg("--config")
        .arg(folder.join("nats.conf"))
        .env("POD_NAME", name)
        .env("ADMIN_PASSWORD", "admin-secret")
        .env("SUBMITTER_PASSWORD", "submitter-secret")
        .env("WORKER_PASSWORD", "worker-secret")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.unwrap())
        .spawn()
        .unwrap()
}

/// A file of the configuration map.
fn file(name: &str) -> String {
    let head = format!("\n  {name}: |\n");
    let (_, rest) = MANIFEST.split_once(&head).unwrap();
    let lines = rest.lines().map_while(|line| match line {
        "" => Some(""),
        line => line.strip_prefix("    "),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
