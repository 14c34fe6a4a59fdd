//! The example `download` saves what can be had, reports what cannot, and leaves no half files.

#[path = "../examples/download.rs"]
mod example;
mod support;

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, ExitCode, Output},
    sync::{Arc, Barrier},
    thread,
};

use libtest_mimic::{Arguments, Failed, Trial};

use self::support::{Checked, ensure, ensure_eq, text};

/// How many requests for `/together/..` the server waits for before it answers the first one.
const TOGETHER: usize = 4;

fn main() -> ExitCode {
    if support::is_example() {
        return example::main();
    }
    let trials = vec![
        Trial::test(
            "saves_what_can_be_had_and_reports_the_rest",
            saves_and_reports,
        ),
        Trial::test(
            "all_is_well_if_nothing_failed",
            all_is_well_if_nothing_failed,
        ),
        Trial::test("downloads_run_at_once", downloads_run_at_once),
        Trial::test("bad_arguments_are_named", bad_arguments_are_named),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn saves_and_reports() -> Checked {
    let address = serve()?;
    let directory = tempfile::tempdir()?;
    let urls: Vec<String> = [
        "a.txt",
        "sub/a.txt?x=1",
        "large",
        "missing",
        "dropped",
        "",
        "..",
    ]
    .iter()
    .map(|path| format!("http://{address}/{path}"))
    .chain([
        format!("http://{}/", unused_address()?),
        String::from("https://127.0.0.1/"),
    ])
    .collect();
    let output = download(directory.path(), &urls)?;

    ensure(output.status.code() == Some(1), &output)?;
    let stdout = text(&output.stdout);
    let stderr = text(&output.stderr);
    for (number, url) in urls.iter().enumerate() {
        let fails = matches!(number, 3 | 4 | 7 | 8);
        let (said, silent) = if fails {
            (&stderr, &stdout)
        } else {
            (&stdout, &stderr)
        };
        let report = if fails {
            format!("download: {url}: ")
        } else {
            format!("{url} -> ")
        };
        ensure(said.lines().any(|line| line.starts_with(&report)), &output)?;
        ensure(
            !silent.lines().any(|line| line.contains(&format!("{url} "))),
            &output,
        )?;
    }
    ensure(stderr.contains("404"), &output)?;

    let mut saved = Vec::new();
    for entry in fs::read_dir(directory.path())? {
        saved.push(entry?.file_name().to_string_lossy().into_owned());
    }
    saved.sort();
    // `..` is no file name, and the two that failed have left nothing.
    ensure_eq(
        saved,
        ["2-a.txt", "2-index.html", "a.txt", "index.html", "large"],
    )?;
    for (name, path) in [
        ("a.txt", "/a.txt"),
        ("2-a.txt", "/sub/a.txt?x=1"),
        ("large", "/large"),
    ] {
        if fs::read(directory.path().join(name))? != content(path) {
            return Err(format!("{name} is not what was served").into());
        }
    }
    Ok(())
}

fn all_is_well_if_nothing_failed() -> Checked {
    let address = serve()?;
    let directory = tempfile::tempdir()?;
    let urls: Vec<String> = (0..50)
        .map(|number| format!("http://{address}/{number}"))
        .collect();
    let output = download(&directory.path().join("new/directory"), &urls)?;
    ensure(output.status.success() && output.stderr.is_empty(), &output)?;
    ensure(
        output.stdout.iter().filter(|byte| **byte == b'\n').count() == 50,
        &output,
    )
}

/// The server answers none of them until it has been asked for all of them.
fn downloads_run_at_once() -> Checked {
    let address = serve()?;
    let directory = tempfile::tempdir()?;
    let urls: Vec<String> = (0..TOGETHER)
        .map(|number| format!("http://{address}/together/{number}"))
        .collect();
    let output = download(directory.path(), &urls)?;
    ensure(output.status.success(), &output)
}

fn bad_arguments_are_named() -> Checked {
    let directory = tempfile::tempdir()?;
    let mut no_workers = example(["--workers", "0", "http://127.0.0.1/"]);
    let output = support::run(no_workers.current_dir(directory.path()))?;
    ensure(output.status.code() == Some(2), &output)?;
    ensure(text(&output.stderr).contains("max_workers is 0"), &output)?;
    let output = support::run(&mut example([]))?;
    ensure(output.status.code() == Some(2), &output)
}

/// An HTTP server on a port of its own, for as long as the test runs.
fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let together = Arc::new(Barrier::new(TOGETHER));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let together = Arc::clone(&together);
            // A client that goes away is its own business.
            thread::spawn(move || drop(answer(stream, &together)));
        }
    });
    Ok(address)
}

fn answer(stream: TcpStream, together: &Barrier) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let path = request.split(' ').nth(1).unwrap_or("").to_owned();
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    if path.starts_with("/together/") {
        together.wait();
    }
    let body = content(&path);
    match path.as_str() {
        "/missing" => {
            write!(
                stream,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        "/dropped" => {
            let length = body.len() + 1;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
            )?;
            stream.write_all(&body)
        }
        _ => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )?;
            stream.write_all(&body)
        }
    }
}

/// What the server has under `path`.
fn content(path: &str) -> Vec<u8> {
    let times = if path == "/large" { 200_000 } else { 3 };
    format!("this is {path}\n").repeat(times).into_bytes()
}

/// An address where nobody listens.
fn unused_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn download(into: &Path, urls: &[String]) -> Result<Output, Failed> {
    support::run(example(["--into"]).arg(into).args(urls))
}

fn example<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = support::example();
    command.args(arguments);
    // A proxy of the machine has nothing to do with a server in this process.
    for variable in [
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "all_proxy",
        "https_proxy",
        "http_proxy",
    ] {
        command.env_remove(variable);
    }
    command
}
