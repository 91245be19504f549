//! Claims about questions for many profiles.

use chrono::Duration;
use logicore_store::filter::Op;

use super::{Fixture, after, named, now, tenant};
use crate::domain::{Condition, Fields, Order, OrderField, Place, Position, Profile, Query, State, TextField};

const BY_CREATE_TIME: Order = Order {
    field: OrderField::CreateTime,
    descending: false,
};

fn query(conditions: Vec<Condition>) -> Query {
    Query {
        tenant: tenant("default"),
        conditions,
        order: BY_CREATE_TIME,
        show_deleted: true,
        after: None,
        limit: 1000,
    }
}

/// The display names that a question finds.
async fn names(f: &Fixture, query: &Query) -> Vec<String> {
    let found = f.store.profile_list(query).await.unwrap();
    found.into_iter().map(|p| p.fields.display_name).collect()
}

async fn narrowed(f: &Fixture, condition: Condition) -> Vec<String> {
    names(f, &query(vec![condition])).await
}

fn text(field: TextField, op: Op, value: &str) -> Condition {
    Condition::Text(field, op, value.to_owned())
}

fn label(key: &str, op: Op, value: &str) -> Condition {
    Condition::Label(key.to_owned(), op, value.to_owned())
}

fn position(order: Order, profile: &Profile) -> Position {
    let place = match order.field {
        OrderField::CreateTime => Place::Time(profile.create_time),
        OrderField::UpdateTime => Place::Time(profile.update_time),
        OrderField::DisplayName => Place::Text(profile.fields.display_name.clone()),
    };
    Position { place, id: profile.id }
}

/// Profiles whose every sort key has doubles, and none the same order as another key.
async fn crowd(f: &Fixture) -> Vec<Profile> {
    let mut crowd = Vec::new();
    for n in 0..12_i64 {
        let mut profile = named("default", &format!("n{}", n % 4), State::Active);
        profile.create_time = after(n / 3);
        profile.update_time = after(-(n % 5));
        f.add(&profile).await;
        crowd.push(profile);
    }
    crowd
}

pub(crate) async fn pages_hold_each_profile_once_in_every_order(f: &Fixture) {
    let mut crowd = crowd(f).await;
    for field in [OrderField::CreateTime, OrderField::UpdateTime, OrderField::DisplayName] {
        for descending in [false, true] {
            let order = Order { field, descending };
            let key = |p: &Profile| (position(order, p).place, p.id);
            crowd.sort_by(|a, b| match (key(a), key(b)) {
                ((Place::Time(a), i), (Place::Time(b), j)) => (a, i).cmp(&(b, j)),
                ((Place::Text(a), i), (Place::Text(b), j)) => (a, i).cmp(&(b, j)),
                _ => unreachable!("one order has one kind of place"),
            });
            if descending {
                crowd.reverse();
            }
            for limit in [1, 5, 12, 13] {
                let mut seen: Vec<Profile> = Vec::new();
                loop {
                    let page = Query {
                        order,
                        limit,
                        after: seen.last().map(|last| position(order, last)),
                        ..query(Vec::new())
                    };
                    let page = f.store.profile_list(&page).await.unwrap();
                    if page.is_empty() {
                        break;
                    }
                    assert!(page.len() <= limit);
                    seen.extend(page);
                }
                assert_eq!(seen, crowd, "{order:?} in pages of {limit}");
            }
        }
    }
}

pub(crate) async fn lists_are_the_tenants_own(f: &Fixture) {
    f.add(&named("default", "ours", State::Active)).await;
    let theirs = named("acme", "theirs", State::Active);
    f.add(&theirs).await;
    assert_eq!(names(f, &query(Vec::new())).await, ["ours"]);
    assert!(narrowed(f, Condition::Id(theirs.id)).await.is_empty());
    assert!(
        narrowed(f, text(TextField::DisplayName, Op::Equal, "theirs"))
            .await
            .is_empty()
    );
}

pub(crate) async fn deleted_profiles_are_listed_when_asked_for(f: &Fixture) {
    for (n, state) in State::ALL.into_iter().enumerate() {
        let mut profile = named("default", state.as_str(), state);
        profile.create_time = after(i64::try_from(n).unwrap());
        f.add(&profile).await;
    }
    let all = query(Vec::new());
    assert_eq!(names(f, &all).await, ["pending", "active", "deleted"]);
    let there = Query {
        show_deleted: false,
        ..all
    };
    assert_eq!(names(f, &there).await, ["pending", "active"]);
}

/// Three profiles, `a` to `c`, one second and a letter apart.
async fn three(f: &Fixture) -> Vec<Profile> {
    let mut three = Vec::new();
    for (n, (name, state)) in [("a", State::Active), ("b", State::Pending), ("c", State::Active)]
        .into_iter()
        .enumerate()
    {
        let mut profile = named("default", name, state);
        profile.create_time = after(i64::try_from(n).unwrap());
        profile.fields = Fields {
            given_name: format!("g{name}"),
            family_name: format!("f{name}"),
            locale: if name == "a" { "de-CH" } else { "en" }.to_owned(),
            ..profile.fields
        };
        three.push(profile);
    }
    three[0].fields.labels = [
        ("team".to_owned(), "blue".to_owned()),
        ("my-key_1".to_owned(), "x".to_owned()),
    ]
    .into();
    three[1].fields.labels = [
        ("team".to_owned(), "red".to_owned()),
        ("note".to_owned(), String::new()),
    ]
    .into();
    for profile in &three {
        f.add(profile).await;
    }
    three
}

pub(crate) async fn each_condition_narrows(f: &Fixture) {
    let three = three(f).await;
    let time = |op| Condition::CreateTime(op, after(1));
    let table: Vec<(Condition, &[&str])> = vec![
        (text(TextField::DisplayName, Op::Equal, "b"), &["b"]),
        (text(TextField::DisplayName, Op::NotEqual, "b"), &["a", "c"]),
        (text(TextField::DisplayName, Op::Less, "b"), &["a"]),
        (text(TextField::DisplayName, Op::LessOrEqual, "b"), &["a", "b"]),
        (text(TextField::DisplayName, Op::Greater, "b"), &["c"]),
        (text(TextField::DisplayName, Op::GreaterOrEqual, "b"), &["b", "c"]),
        (text(TextField::GivenName, Op::Equal, "ga"), &["a"]),
        (text(TextField::GivenName, Op::Has, "g"), &["a", "b", "c"]),
        (text(TextField::FamilyName, Op::Equal, "fc"), &["c"]),
        (text(TextField::FamilyName, Op::Has, "B"), &["b"]),
        (text(TextField::Locale, Op::Equal, "en"), &["b", "c"]),
        (text(TextField::Locale, Op::Has, "DE"), &["a"]),
        (Condition::State(Op::Equal, State::Pending), &["b"]),
        (Condition::State(Op::NotEqual, State::Pending), &["a", "c"]),
        (time(Op::Equal), &["b"]),
        (time(Op::NotEqual), &["a", "c"]),
        (time(Op::Less), &["a"]),
        (time(Op::LessOrEqual), &["a", "b"]),
        (time(Op::Greater), &["c"]),
        (time(Op::GreaterOrEqual), &["b", "c"]),
        (label("team", Op::Equal, "blue"), &["a"]),
        (label("team", Op::NotEqual, "blue"), &["b", "c"]),
        (label("team", Op::Greater, "blue"), &["b"]),
        (label("team", Op::Has, "U"), &["a"]),
        (label("note", Op::Equal, ""), &["b"]),
        (label("my-key_1", Op::Equal, "x"), &["a"]),
        (label("tea", Op::Equal, "blue"), &[]),
        (Condition::HasLabel("team".to_owned()), &["a", "b"]),
        (Condition::HasLabel("note".to_owned()), &["b"]),
        (Condition::HasLabel("tea".to_owned()), &[]),
        (Condition::Id(three[2].id), &["c"]),
    ];
    for (condition, wanted) in table {
        assert_eq!(narrowed(f, condition.clone()).await, wanted, "{condition:?}");
    }
}

pub(crate) async fn conditions_are_joined(f: &Fixture) {
    three(f).await;
    let both = query(vec![
        text(TextField::Locale, Op::Equal, "en"),
        Condition::HasLabel("team".to_owned()),
    ]);
    assert_eq!(names(f, &both).await, ["b"]);
    let page = Query {
        after: Some(Position {
            place: Place::Time(after(0)),
            id: logicore::ids::UserId::generate(),
        }),
        conditions: vec![label("team", Op::NotEqual, "red")],
        ..both
    };
    assert_eq!(
        names(f, &page).await,
        ["c"],
        "a position binds stronger than a condition"
    );
}

pub(crate) async fn a_text_contains_what_it_contains_in_any_case(f: &Fixture) {
    let mut profile = named("default", "Zoë ÅNGSTRÖM", State::Active);
    profile.fields.labels = [("city".to_owned(), "Zürich ÄÖ".to_owned())].into();
    f.add(&profile).await;
    for value in ["zoë", "ZOË", "ångström", "Ångström", "oë å", "E"] {
        let found = narrowed(f, text(TextField::DisplayName, Op::Has, value)).await;
        assert_eq!(found.is_empty(), value == "E", "{value}");
    }
    for value in ["Zürich", "zürich ÄÖ", "ZüRICH", "ÄÖ"] {
        assert_eq!(narrowed(f, label("city", Op::Has, value)).await.len(), 1, "{value}");
    }
}

pub(crate) async fn nothing_in_a_pattern_is_special(f: &Fixture) {
    for name in ["100%", "a_b", r"a\b", "a'b", "axb"] {
        let mut profile = named("default", name, State::Active);
        profile.fields.labels = [("copy".to_owned(), name.to_owned())].into();
        f.add(&profile).await;
    }
    for (value, wanted) in [
        ("%", "100%"),
        ("a_b", "a_b"),
        (r"a\b", r"a\b"),
        ("'", "a'b"),
        (r"\", r"a\b"),
    ] {
        assert_eq!(
            narrowed(f, text(TextField::DisplayName, Op::Has, value)).await,
            [wanted]
        );
        assert_eq!(narrowed(f, label("copy", Op::Has, value)).await, [wanted]);
    }
}

pub(crate) async fn times_of_any_precision_are_in_order(f: &Fixture) {
    let offsets = [0, 1, 10, 999, 1000, 1001, 1500, 500_000, 999_999, 1_000_000];
    for micros in offsets.iter().rev() {
        let mut profile = named("default", &micros.to_string(), State::Active);
        profile.create_time = now() + Duration::microseconds(*micros);
        f.add(&profile).await;
    }
    let wanted: Vec<_> = offsets.iter().map(ToString::to_string).collect();
    assert_eq!(names(f, &query(Vec::new())).await, wanted);
    let from = Condition::CreateTime(Op::GreaterOrEqual, now() + Duration::microseconds(1000));
    assert_eq!(narrowed(f, from).await, wanted[4..]);
}
