//! The suite of the suite: executors that are wrong in one way each are caught, by the trial that is
//! about it.

mod support;

use std::{convert::Infallible, time::Duration};

use conformance_tests::{Check, Config, Factory, checks};

use self::support::{Defect, Pool};

#[test]
fn a_pool_that_is_sound_passes() {
    for check in checks("sound", Factory::local(|config| sound(config.workers))) {
        let name = check.name().to_owned();
        assert_eq!(check.run(), Ok(()), "{name}");
    }
}

#[test]
fn a_pool_that_loses_jobs() {
    caught(
        Defect::LosesJobs,
        "law01_every_accepted_job_settles_exactly_once::return",
    );
}

#[test]
fn a_pool_that_loses_async_tasks() {
    caught(
        Defect::LosesAsync,
        "law01_an_async_task_gives_its_value::at_once",
    );
}

#[test]
fn a_pool_that_gives_async_tasks_up_at_an_await() {
    for trial in [
        "law01_an_async_task_gives_its_value::after_some_turns_of_others",
        "law04_a_panic_fails_that_async_task_and_the_worker_lives::after_an_await",
        "law13_each_future_works_under_any_async_runtime::tokio_multi_thread_many",
        "law17_map_of_async_tasks_gives_one_result_per_item::in_order",
    ] {
        caught(Defect::PollsOnce, trial);
    }
}

#[test]
fn a_pool_that_never_wakes_who_waits_for_room() {
    let law = "law16_submit_async_waits_for_room_without_blocking";
    let error = caught(
        Defect::NeverWakes,
        &format!("{law}::pending_then_woken_then_submitted"),
    );
    assert!(error.contains("the submission to be woken"), "{error}");
}

#[test]
fn a_pool_that_never_runs_anything_is_reported_as_hung() {
    let error = caught(
        Defect::NeverRuns,
        "law01_every_accepted_job_settles_exactly_once::return",
    );
    assert!(
        error.contains("hung") && error.contains("a task to settle"),
        "{error}"
    );
}

#[test]
fn a_pool_that_starts_the_newest_first() {
    let law = "law10_running_means_that_a_worker_has_started_it";
    caught(
        Defect::WrongOrder,
        &format!("{law}::the_oldest_is_started_first"),
    );
}

#[test]
fn a_pool_whose_queued_jobs_are_running() {
    let law = "law10_running_means_that_a_worker_has_started_it";
    caught(
        Defect::ClaimsEarly,
        &format!("{law}::what_is_queued_is_pending"),
    );
    caught(
        Defect::ClaimsEarly,
        "law09_cancel_signal_kill_are_three_levels::cancel_of_a_pending_task",
    );
}

#[test]
fn a_pool_whose_workers_cannot_run_what_they_wait_for() {
    let law = "law14_a_wait_from_inside_a_worker_never_deadlocks";
    let error = caught(
        Defect::ForgetsHome,
        &format!("{law}::result_in_a_pool_of_1"),
    );
    assert!(error.contains("hung"), "{error}");
}

#[test]
fn a_pool_whose_drop_cancels() {
    let law = "law11_dropping_the_last_handle_drains_and_joins";
    caught(Defect::DropCancels, &format!("{law}::everything_is_done"));
}

#[test]
fn a_pool_that_accepts_after_its_shutdown() {
    caught(
        Defect::AcceptsLate,
        "law11_submitting_afterwards_gives_the_task_back::submit",
    );
}

#[test]
fn a_pool_that_pretends_to_kill() {
    let law = "law09_cancel_signal_kill_are_three_levels";
    caught(
        Defect::PretendsToKill,
        &format!("{law}::a_killing_shutdown_is_refused_where_it_is_lacking"),
    );
}

#[test]
fn a_pool_whose_figures_are_wrong() {
    let law = "law11_join_waits_and_may_take_a_deadline";
    caught(
        Defect::NoStats,
        &format!("{law}::the_figures_add_up_afterwards"),
    );
}

#[test]
fn a_pool_whose_worker_joins_itself() {
    let law = "law11_join_waits_and_may_take_a_deadline";
    caught(
        Defect::JoinsItself,
        &format!("{law}::from_a_worker_is_refused"),
    );
}

#[test]
fn a_pool_that_forgets_to_cancel() {
    let law = "law11_shutdown_is_drain_or_cancel_pending_and_idempotent";
    caught(
        Defect::ForgetsToCancel,
        &format!("{law}::cancel_pending_finishes_what_runs"),
    );
    caught(
        Defect::ForgetsToCancel,
        "model_random_programs::agree_with_a_reference",
    );
}

#[test]
fn a_quirk_turns_a_failure_into_a_pass_and_a_pass_into_a_failure() {
    let fails = "law01_every_accepted_job_settles_exactly_once::return";
    let quirky = || factory(Defect::LosesJobs).quirk(fails, "it loses everything");
    assert_eq!(find(checks("quirky", quirky()), fails).run(), Ok(()));

    let passes = factory(Defect::None).quirk(fails, "it was like that once");
    let error = find(checks("quirky", passes), fails).run().unwrap_err();
    assert!(
        error.contains("remove the quirk") && error.contains("it was like that once"),
        "{error}"
    );
}

#[test]
fn a_quirk_that_names_no_trial_is_a_failure() {
    let checks = checks(
        "quirky",
        factory(Defect::None).quirk("law99::nothing", "a slip"),
    );
    let error = find(checks, "quirks::law99::nothing").run().unwrap_err();
    assert!(error.contains("names no trial"), "{error}");
}

#[test]
fn an_executor_that_cannot_be_built_is_a_failure() {
    let never = Factory::local(|_| Err::<Pool, _>("no threads today"));
    let error = find(checks("never", never), "builds").run().unwrap_err();
    assert!(error.contains("no threads today"), "{error}");
}

#[test]
fn names_say_backend_form_law_and_case_and_are_unique() {
    let checks = checks("pool", factory(Defect::None));
    let mut names: Vec<_> = checks.iter().map(Check::name).collect();
    for form in ["value", "box", "arc"] {
        let prefix = format!("pool::{form}::");
        assert!(
            names
                .iter()
                .filter(|name| name.starts_with(&prefix))
                .count()
                >= 120
        );
    }
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before, "two trials have one name");
}

/// The trial fails; what it says. A defect that shows only in some interleavings, or to some random
/// programs, may need several rounds.
#[track_caller]
fn caught(defect: Defect, trial: &str) -> String {
    assert_eq!(
        find(checks("sound", factory(Defect::None)), trial).run(),
        Ok(()),
        "of a sound pool"
    );
    let round = |_| find(checks("broken", factory(defect)), trial).run().err();
    let noticed = (0..100).find_map(round);
    noticed.expect("the suite did not notice in 100 rounds")
}

fn find(checks: Vec<Check>, trial: &str) -> Check {
    let check = checks
        .into_iter()
        .find(|check| check.name().ends_with(&format!("::value::{trial}")));
    check.unwrap_or_else(|| panic!("there is no trial {trial}"))
}

fn sound(workers: usize) -> Result<Pool, Infallible> {
    Ok(Pool::new(workers, None, Defect::None))
}

fn factory(defect: Defect) -> Factory<Pool> {
    let build = move |config: &Config| Pool::new(config.workers, config.queue, defect);
    Factory::local(move |config| Ok::<_, Infallible>(build(config)))
        .bounded()
        .limit(Duration::from_secs(3))
}
