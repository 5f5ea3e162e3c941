use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

/// Settings from flags alone: these tests run where variables of the same names may be set.
fn settings(flags: &[&str]) -> Settings {
    let unset = ["--database-url=", "--fulfilment-url=", "--fulfilment-provider=", "--fulfilment-secret="];
    let is_given = |unset: &str| flags.iter().any(|flag| flag.starts_with(unset));
    let unset = unset.into_iter().filter(|flag| !is_given(flag));
    Cli::parse_from(std::iter::once("packline").chain(unset).chain(flags.iter().copied())).settings
}

fn serve_faults(flags: &[&str]) -> String {
    settings(flags).for_serve().unwrap_err().to_string()
}

#[test]
fn serve_refuses_to_start_without_a_usable_secret() {
    assert!(serve_faults(&["--stripe-webhook-secret="]).contains("STRIPE_WEBHOOK_SECRET is empty"));
    for (secret, fault) in [
        (" ", "is empty"),
        ("whsec_a b", "space or line end"),
        ("whsec_a\n", "space or line end"),
        ("whsec_a, whsec_b", "secret 2 has a space"),
        ("whsec_a,", "secret 2 is empty"),
        ("whsec_", "is not an endpoint secret"),
        ("sk_test_123", "is not an endpoint secret"),
        ("a=whsec_a,a=whsec_b", "secret 2 has the label of another"),
    ] {
        let flag = format!("--stripe-webhook-secret={secret}");
        let faults = serve_faults(&[&flag]);
        assert!(faults.contains(fault), "{secret:?}: {faults}");
        assert!(!faults.contains("sk_test_123"), "a secret is shown: {faults}");
    }
}

#[test]
fn secrets_have_labels() {
    let config = settings(&["--stripe-webhook-secret=new=whsec_a==,whsec_b"]).for_serve().unwrap();

    let labels: Vec<_> = config.platform_secrets.iter().map(|secret| secret.label.as_str()).collect();
    assert_eq!(labels, ["new", "secret_2"]);
}

#[test]
fn all_faults_are_reported_at_once() {
    let wrong = settings(&[
        "--listen=here",
        "--metrics-listen=there",
        "--stripe-webhook-secret=",
        "--stripe-mode=prod",
        "--shutdown-grace=soon",
        "--fulfilment-timeout=5",
        "--fulfilment-provider=http",
        "--committers=9",
    ]);

    let faults = Faults::both(wrong.for_serve(), wrong.for_worker()).unwrap_err().to_string();

    for setting in [
        "PACKLINE_LISTEN",
        "PACKLINE_METRICS_LISTEN",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_MODE",
        "PACKLINE_COMMITTERS",
        "PACKLINE_SHUTDOWN_GRACE",
        "FULFILMENT_URL",
    ] {
        assert_eq!(faults.matches(setting).count(), 1, "{setting} in {faults}");
    }
}

#[test]
fn the_log_provider_is_chosen_unasked_only_in_development() {
    let provider = |flags: &[&str]| settings(flags).for_worker().unwrap().provider;

    assert!(matches!(provider(&[]), Some(ProviderChoice::Log)));
    assert!(provider(&["--database-url=postgres://db/packline"]).is_none());
    assert!(provider(&["--stripe-mode=live"]).is_none());
    assert!(matches!(
        provider(&["--stripe-mode=live", "--fulfilment-provider=log"]),
        Some(ProviderChoice::Log)
    ));
    assert!(matches!(
        provider(&["--fulfilment-url=http://warehouse/orders"]),
        Some(ProviderChoice::Http { .. })
    ));
}

#[test]
fn a_key_of_the_other_mode_of_stripe_is_refused_by_whoever_would_call_with_it() {
    let with = |mode: &str, key: &str| {
        let flags = [
            "--stripe-webhook-secret=whsec_a".to_owned(),
            format!("--stripe-mode={mode}"),
            format!("--stripe-secret-key={key}"),
        ];
        settings(&flags.each_ref().map(String::as_str))
    };
    for (mode, key) in
        [("test", "sk_live_1"), ("test", "rk_live_1"), ("live", "sk_test_1"), ("live", "rk_test_1")]
    {
        let wrong = with(mode, key);
        for faults in
            [wrong.for_serve().unwrap_err().to_string(), wrong.for_worker().unwrap_err().to_string()]
        {
            assert!(
                faults.contains("give those of one mode") && !faults.contains(key),
                "{mode} {key}: {faults}"
            );
        }
        let right = with(if mode == "test" { "live" } else { "test" }, key);
        assert!(right.for_serve().is_ok() && right.for_worker().is_ok(), "{key}");
    }
}

#[test]
fn debug_output_hides_secrets() {
    let settings = settings(&[
        "--stripe-webhook-secret=whsec_hidden",
        "--fulfilment-url=https://warehouse",
        "--fulfilment-secret=whsec_aGlkZGVuaGlkZGVuaGlkZGVuaGlkZGVu",
    ]);

    let shown = format!("{:?} {:?}", settings.for_serve().unwrap(), settings.for_worker().unwrap());

    assert!(!shown.contains("hidden") && !shown.contains("aGlkZGVu"), "{shown}");
}

#[test]
fn what_is_kept_is_kept_for_a_day_at_least_or_for_ever() {
    let kept = |text: &str| settings(&[&format!("--payload-retention={text}")]).for_worker();

    assert_eq!(kept("never").unwrap().payload_retention, None);
    assert_eq!(kept("1d").unwrap().payload_retention, Some(Duration::from_secs(86_400)));
    for (text, fault) in
        [("23h", "is too short: give 1d or more"), ("0s", "too short"), ("90", "is not a time")]
    {
        let faults = kept(text).unwrap_err().to_string();
        assert!(faults.contains("PACKLINE_PAYLOAD_RETENTION") && faults.contains(fault), "{faults}");
    }
    let faults = settings(&["--answer-retention=1s"]).for_worker().unwrap_err().to_string();
    assert!(faults.contains("PACKLINE_ANSWER_RETENTION"), "{faults}");
}
