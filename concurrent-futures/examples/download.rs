//! Fetches many URLs at once and saves each to a file of a directory.
//!
//! ```text
//! cargo run --release --example download -- --into DIRECTORY URL...
//! ```

use std::{
    collections::HashSet,
    error::Error,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use concurrent_futures::prelude::*;
use ureq::Agent;

/// Fetches many URLs at once and saves each to a file.
#[derive(Debug, Parser)]
#[command(name = "download")]
struct Arguments {
    /// The directory for the files; it is made if it does not exist.
    #[arg(long, default_value = ".")]
    into: PathBuf,
    /// How many downloads run at once.
    #[arg(long, default_value_t = 16)]
    workers: usize,
    /// What to fetch; each file is named like the end of its URL.
    #[arg(required = true)]
    urls: Vec<String>,
}

pub(crate) fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("download: {error}");
            ExitCode::from(2)
        }
    }
}

/// Gives the number of downloads that failed.
fn run(arguments: Arguments) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(&arguments.into)
        .map_err(|error| format!("{}: {error}", arguments.into.display()))?;
    let pool = ThreadPoolExecutor::builder()
        .max_workers(arguments.workers)
        .thread_name("download")
        .build()?;
    let agent = agent();

    let mut names = HashSet::new();
    let mut futures = Vec::new();
    for url in arguments.urls {
        let path = arguments.into.join(file_name(&url, &mut names));
        let agent = agent.clone();
        futures.push(pool.spawn(move || {
            let saved = save(&agent, &url, &path);
            (url, path, saved)
        })?);
    }

    let mut failed = 0;
    for future in as_completed(futures) {
        let (url, path, saved) = future.result()?;
        match saved {
            Ok(length) => println!("{url} -> {} ({length} bytes)", path.display()),
            Err(error) => {
                failed += 1;
                eprintln!("download: {url}: {error}");
            }
        }
    }
    Ok(failed)
}

/// One agent for all: it keeps connections open and lends them to whoever asks next.
fn agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}

/// Saves to a file beside, and moves it into place once it is complete.
fn save(agent: &Agent, url: &str, path: &Path) -> Result<u64, Box<dyn Error + Send + Sync>> {
    if url.starts_with("https://") {
        return Err("built without TLS: give ureq the feature `rustls` in Cargo.toml".into());
    }
    let mut response = agent.get(url).call()?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let copied = File::create(&part)
        .and_then(|mut file| io::copy(&mut response.body_mut().as_reader(), &mut file))
        .and_then(|length| fs::rename(&part, path).map(|()| length));
    if copied.is_err() {
        // Whatever is wrong with the half of a file, the error of the download says more.
        drop(fs::remove_file(&part));
    }
    Ok(copied?)
}

/// The end of the URL's path, made harmless as a file name, and unlike those before it.
fn file_name(url: &str, taken: &mut HashSet<String>) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = path
        .split_once('/')
        .and_then(|(_, path)| path.rsplit('/').next())
        .unwrap_or("");
    let harmless = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = last.chars().map(harmless).collect();
    let name = if name.trim_matches('.').is_empty() {
        String::from("index.html")
    } else {
        name
    };
    let mut unique = name.clone();
    let mut number = 2;
    while !taken.insert(unique.clone()) {
        unique = format!("{number}-{name}");
        number += 1;
    }
    unique
}
