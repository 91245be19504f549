use super::*;

fn throttle() -> (Throttle, Clock) {
    let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    (Throttle::new(clock.clone()), clock)
}

fn email(name: &str) -> Email {
    Email::lenient(&format!("{name}@example.com"))
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn fail(throttle: &Throttle, name: &str, from: Option<IpAddr>) -> Result<(), Refusal> {
    throttle
        .admit(Some((&TenantId::default(), &email(name))), from)
        .map(Attempt::fail)
}

#[test]
fn five_failures_are_free_and_then_the_wait_doubles() {
    let (throttle, clock) = throttle();
    for _ in 0..6 {
        fail(&throttle, "ann", None).unwrap();
    }
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        let refusal = fail(&throttle, "ann", None).unwrap_err();
        assert_eq!(refusal.retry_after, Duration::from_secs(seconds));
        clock.advance(Duration::from_secs(seconds) - Duration::from_micros(1));
        fail(&throttle, "ann", None).unwrap_err();
        clock.advance(Duration::from_micros(1));
        fail(&throttle, "ann", None).unwrap();
    }
}

#[test]
fn a_refused_try_does_not_lengthen_the_wait() {
    let (throttle, clock) = throttle();
    for _ in 0..6 {
        fail(&throttle, "ann", None).unwrap();
    }
    for _ in 0..50 {
        fail(&throttle, "ann", None).unwrap_err();
    }
    clock.advance(FIRST);
    fail(&throttle, "ann", None).unwrap();
}

#[test]
fn only_the_first_refusal_of_a_wait_is_news() {
    let (throttle, _) = throttle();
    for _ in 0..6 {
        fail(&throttle, "ann", None).unwrap();
    }
    assert!(fail(&throttle, "ann", None).unwrap_err().first);
    assert!(!fail(&throttle, "ann", None).unwrap_err().first);
}

#[test]
fn a_success_resets_the_account() {
    let (throttle, _) = throttle();
    for _ in 0..5 {
        fail(&throttle, "ann", None).unwrap();
    }
    throttle
        .admit(Some((&TenantId::default(), &email("ann"))), None)
        .unwrap()
        .succeed();
    for _ in 0..6 {
        fail(&throttle, "ann", None).unwrap();
    }
}

#[test]
fn an_address_waits_whatever_accounts_it_tries() {
    let (throttle, _) = throttle();
    for n in 0..6 {
        fail(&throttle, &format!("user{n}"), address(1)).unwrap();
    }
    fail(&throttle, "another", address(1)).unwrap_err();
    fail(&throttle, "another", address(2)).unwrap();
}

#[test]
fn addresses_of_one_ipv6_network_are_one() {
    let (throttle, _) = throttle();
    for n in 0..6 {
        let from = format!("2001:db8::{n}").parse().ok();
        fail(&throttle, &format!("user{n}"), from).unwrap();
    }
    fail(&throttle, "another", "2001:db8::ffff".parse().ok()).unwrap_err();
    fail(&throttle, "another", "2001:db8:0:1::1".parse().ok()).unwrap();
}

#[test]
fn who_signed_in_from_an_address_before_is_not_locked_out_by_others() {
    let (throttle, _) = throttle();
    let account = email("ann");
    let account = Some((&TenantId::default(), &account))
        .map(|(t, e)| (t.clone(), e.clone()))
        .unwrap();
    throttle
        .admit(Some((&account.0, &account.1)), address(1))
        .unwrap()
        .succeed();
    for n in 0..6 {
        fail(&throttle, "ann", address(100 + n)).unwrap();
    }
    fail(&throttle, "ann", address(200)).unwrap_err();
    throttle
        .admit(Some((&account.0, &account.1)), address(1))
        .unwrap()
        .succeed();
}

#[test]
fn tries_at_once_count_before_they_are_answered() {
    let (throttle, clock) = throttle();
    for _ in 0..6 {
        fail(&throttle, "ann", None).unwrap();
    }
    clock.advance(FIRST);
    let ann = email("ann");
    let tenant = TenantId::default();
    let first = throttle.admit(Some((&tenant, &ann)), None).unwrap();
    throttle.admit(Some((&tenant, &ann)), None).unwrap_err();
    first.fail();
    throttle.admit(Some((&tenant, &ann)), None).unwrap_err();
}

#[test]
fn hanging_up_counts_as_a_failure_and_a_full_queue_does_not() {
    let (throttle, _) = throttle();
    let (tenant, ann) = (TenantId::default(), email("ann"));
    for _ in 0..20 {
        throttle.admit(Some((&tenant, &ann)), None).unwrap().forgive();
    }
    for _ in 0..6 {
        drop(throttle.admit(Some((&tenant, &ann)), None).unwrap());
    }
    throttle.admit(Some((&tenant, &ann)), None).unwrap_err();
}

#[test]
fn failures_are_forgotten_one_by_one() {
    let (throttle, clock) = throttle();
    for _ in 0..6 {
        fail(&throttle, "ann", None).unwrap();
    }
    clock.advance(FIRST + 3 * DECAY);
    for _ in 0..3 {
        fail(&throttle, "ann", None).unwrap();
    }
    fail(&throttle, "ann", None).unwrap_err();
}

#[test]
fn memory_is_bounded_and_the_worst_stay_slow() {
    let (throttle, clock) = throttle();
    for _ in 0..16 {
        while fail(&throttle, "victim", None).is_err() {
            clock.advance(FIRST);
        }
    }
    for n in 0..200_000 {
        fail(&throttle, &format!("user{n}"), None).unwrap();
    }
    assert!(throttle.state().lanes.len() <= 1 << 16);
    fail(&throttle, "victim", None).unwrap_err();
}
