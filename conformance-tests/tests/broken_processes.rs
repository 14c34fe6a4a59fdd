//! The suite of the suite, for workers that are processes: pools that are wrong in one way each are
//! caught, by the trial that is about it.

mod children;

use std::{
    convert::Infallible,
    env,
    process::{Command, ExitCode},
    time::Duration,
};

use conformance_tests::{Check, Config, Factory, checks, is_victim, victim_main};
use libtest_mimic::{Arguments, Trial};

use self::children::{Defect, Pool, worker};

/// What is wrong, and the trials that notice.
const DEFECTS: [(Defect, &[&str]); 12] = [
    (
        Defect::LosesNeighbours,
        &[
            "law06_a_worker_that_dies_fails_only_the_task_it_was_running::what_is_queued_behind_it_runs",
            "law09_kill_ends_that_task_and_the_pool_goes_on::what_is_queued_behind_it_runs_once",
        ],
    ),
    (
        Defect::LosesChunks,
        &["law06_in_a_map_the_item_that_dies_is_the_only_error::in_chunks_of_64"],
    ),
    (
        Defect::RunsCrashedAgain,
        &["law06_in_a_map_the_item_that_dies_is_the_only_error::in_chunks_of_1"],
    ),
    (
        Defect::ForgetsCrashes,
        &["law06_a_worker_that_dies_fails_only_the_task_it_was_running::a_task_that_aborts"],
    ),
    (
        Defect::SaysNothing,
        &[
            "law06_a_worker_that_dies_fails_only_the_task_it_was_running::a_task_that_exits_with_an_error",
        ],
    ),
    (
        Defect::KillsTheWrongTask,
        &["law09_kill_ends_that_task_and_the_pool_goes_on::its_neighbour_is_not_touched"],
    ),
    (
        Defect::KillsPolitely,
        &["law09_kill_ends_that_task_and_the_pool_goes_on::a_task_that_ignores_signals"],
    ),
    (
        Defect::RunsCancelled,
        &[
            "law09_cancel_signal_kill_are_three_levels::cancel_of_a_pending_task",
            "law10_running_means_that_a_worker_has_started_it::what_is_queued_ahead_anywhere_can_be_cancelled",
            "model_random_programs::agree_with_a_reference",
        ],
    ),
    (
        Defect::Doubles,
        &[
            "law18_at_most_once::each_accepted_call_is_noted_once",
            "law17_map_gives_one_result_per_item::each_call_runs_once_in_chunks",
        ],
    ),
    (
        Defect::CountsTheQueue,
        &["law09_a_task_that_runs_for_too_long_is_ended::the_time_in_the_queue_does_not_count"],
    ),
    (
        Defect::NeverBreaks,
        &[
            "law08_workers_that_die_at_the_start_end_in_a_broken_pool_that_names_the_cause::exit_in_the_initializer",
        ],
    ),
    (
        Defect::Outlives,
        &["law12_workers_never_outlive_their_parent::that_is_killed"],
    ),
];

/// How long a trial may take: a sound pool is not to fail on a busy machine.
const SOUND: Duration = Duration::from_secs(20);

/// The same of a pool with a defect, whose trial may hang because of it. Workers that outlive their parent do so for
/// longer.
const BROKEN: Duration = Duration::from_secs(6);

/// Which defect a victim has.
const DEFECT: &str = "CONFORMANCE_DEFECT";

fn main() -> ExitCode {
    worker::serve_if_worker();
    if is_victim() {
        let number = env::var(DEFECT).ok().and_then(|number| number.parse().ok());
        let defect = number.map_or(Defect::None, |number: usize| DEFECTS[number].0);
        return match victim_main(&Pool::new(&Config::workers(2), defect)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let mut trials = Vec::new();
    for (number, (defect, noticed_by)) in DEFECTS.into_iter().enumerate() {
        for trial in noticed_by {
            trials.push(Trial::test(format!("{defect:?}::{trial}"), move || {
                caught(number, defect, trial).map_err(Into::into)
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A sound pool passes the trial, and the defect is noticed. One that shows only in some interleavings may
/// need several rounds.
fn caught(number: usize, defect: Defect, trial: &str) -> Result<(), String> {
    find(Defect::None, number, trial)?
        .run()
        .map_err(|error| format!("of a sound pool: {error}"))?;
    for _ in 0..20 {
        if find(defect, number, trial)?.run().is_err() {
            return Ok(());
        }
    }
    Err(format!("the suite did not notice {defect:?} in 20 rounds"))
}

fn find(defect: Defect, number: usize, trial: &str) -> Result<Check, String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let build = move |config: &Config| Ok::<_, Infallible>(Pool::new(config, defect));
    let limit = match defect {
        Defect::None => SOUND,
        _ => BROKEN,
    };
    let factory = Factory::portable(build)
        .initialized()
        .limit(limit)
        .victim(move || {
            let mut command = Command::new(&own);
            if defect != Defect::None {
                command.env(DEFECT, number.to_string());
            }
            command
        });
    let name = format!("broken::value::{trial}");
    checks("broken", factory)
        .into_iter()
        .find(|check| check.name() == name)
        .ok_or_else(|| format!("there is no trial {trial}"))
}
