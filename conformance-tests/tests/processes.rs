//! The suite over a small pool of processes.

#[expect(dead_code, reason = "what can be wrong is for `broken_processes`")]
mod children;

use std::{
    convert::Infallible,
    env,
    process::{Command, ExitCode},
};

use conformance_tests::{Config, Factory, is_victim, victim_main};

use self::children::{Defect, Pool, worker};

fn main() -> ExitCode {
    worker::serve_if_worker();
    if is_victim() {
        let pool = Pool::new(&Config::workers(2), Defect::None);
        return match victim_main(&pool) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    conformance_tests::main(|suite| {
        let build = |config: &Config| Ok::<_, Infallible>(Pool::new(config, Defect::None));
        let own = env::current_exe().expect("this program is a file");
        let factory = Factory::portable(build)
            .initialized()
            .victim(move || Command::new(&own));
        suite.add("processes", factory);
    })
}
