//! Settings: everything wrong with them is told at once.

use herald_tests::process::command;

#[test]
fn every_program_lists_all_that_is_wrong_with_its_settings_and_refuses_to_start() {
    let wrong = [
        ("HERALD_LOG_FORMAT", "xml"),
        ("HERALD_ALLOW_NETS", "10.0.0.0/8,nonsense"),
        ("HERALD_MASTER_KEY", "canary-nonsense"),
        ("HERALD_DRAIN_SECONDS", "soon"),
    ];
    let own = [
        ("herald-api", "HERALD_API_ADDR", "nowhere"),
        ("herald-dispatcher", "HERALD_LEASE_MS", "5"),
        ("herald-worker", "HERALD_CHANNELS", "pigeon"),
    ];
    for (program, name, value) in own {
        let mut env = wrong.to_vec();
        env.push((name, value));
        let said = command(program, &[], &env).expect_err("it must not start").to_string();
        for name in wrong.iter().map(|(name, _)| *name).chain([name, "DATABASE_URL", "AMQP_URL"]) {
            assert!(said.contains(name), "{program} does not complain about {name}: {said}");
        }
        assert!(!said.contains("canary"), "{program} repeats the master key: {said}");
    }
}

#[test]
fn without_a_master_key_nothing_starts() {
    let env = [("DATABASE_URL", "postgres://nowhere/herald"), ("AMQP_URL", "amqp://nowhere")];
    for program in ["herald-api", "herald-dispatcher", "herald-worker"] {
        let said = command(program, &[], &env).expect_err("it must not start").to_string();
        assert!(said.contains("HERALD_MASTER_KEY"), "{program}: {said}");
    }
}
