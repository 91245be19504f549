//! The list statement, which depends on its question. Every value is bound; only names that stand here become SQL.

use logicore_store::filter::Op;
use sqlx::{QueryBuilder, Sqlite};

use crate::domain::{Condition, OrderField, Place, Position, Query, State, TextField};

type Builder = QueryBuilder<Sqlite>;

pub(super) fn list(query: &Query) -> Builder {
    let mut sql = Builder::new("SELECT * FROM profile WHERE tenant = ");
    sql.push_bind(query.tenant.as_str().to_owned());
    if !query.show_deleted {
        sql.push(" AND state <> ").push_bind(State::Deleted.as_str());
    }
    for condition in &query.conditions {
        sql.push(" AND ");
        push_condition(&mut sql, condition);
    }
    let column = order_column(query.order.field);
    let (than, direction) = if query.order.descending {
        (" < (", " DESC")
    } else {
        (" > (", " ASC")
    };
    if let Some(Position { place, id }) = &query.after {
        sql.push(format_args!(" AND ({column}, id){than}"));
        match place {
            Place::Time(time) => sql.push_bind(*time),
            Place::Text(text) => sql.push_bind(text.clone()),
        };
        sql.push(", ").push_bind(id.0).push(")");
    }
    sql.push(format_args!(" ORDER BY {column}{direction}, id{direction} LIMIT "));
    sql.push_bind(i64::try_from(query.limit).unwrap_or(i64::MAX));
    sql
}

const fn order_column(field: OrderField) -> &'static str {
    match field {
        OrderField::CreateTime => "create_time",
        OrderField::UpdateTime => "update_time",
        OrderField::DisplayName => "display_name",
    }
}

const fn text_column(field: TextField) -> &'static str {
    match field {
        TextField::DisplayName => "display_name",
        TextField::GivenName => "given_name",
        TextField::FamilyName => "family_name",
        TextField::Locale => "locale",
    }
}

fn push_condition(sql: &mut Builder, condition: &Condition) {
    match condition {
        Condition::Text(TextField::Locale, Op::Has, value) => {
            sql.push("lower(locale) LIKE lower(");
            push_pattern(sql, value);
            sql.push(r") ESCAPE '\'");
        }
        Condition::Text(field, Op::Has, value) => {
            sql.push(format_args!("{}_fold LIKE ", text_column(*field)));
            push_pattern(sql, &value.to_lowercase());
            sql.push(r" ESCAPE '\'");
        }
        Condition::Text(field, op, value) => {
            sql.push(text_column(*field));
            push_comparison(sql, *op, value.clone());
        }
        Condition::State(op, state) => {
            sql.push("state");
            push_comparison(sql, *op, state.as_str());
        }
        Condition::CreateTime(op, time) => {
            sql.push("create_time");
            push_comparison(sql, *op, *time);
        }
        Condition::Label(key, op, value) => push_label(sql, key, *op, value),
        Condition::HasLabel(key) => {
            sql.push("(labels ->> ").push_bind(key.clone()).push(") IS NOT NULL");
        }
        Condition::Id(id) => {
            sql.push("id = ").push_bind(id.0);
        }
    }
}

/// A label that is not there differs from every value; it is neither below nor above any. Labels are not kept folded, so the
/// database folds both sides of `:`, each as far as it can: what is typed as it is stored is always found.
fn push_label(sql: &mut Builder, key: &str, op: Op, value: &str) {
    if op == Op::NotEqual {
        sql.push("((labels ->> ")
            .push_bind(key.to_owned())
            .push(") IS NULL OR ");
    }
    match op {
        Op::Has => {
            sql.push("lower(labels ->> ")
                .push_bind(key.to_owned())
                .push(") LIKE lower(");
            push_pattern(sql, value);
            sql.push(r") ESCAPE '\'");
        }
        op => {
            sql.push("(labels ->> ").push_bind(key.to_owned()).push(")");
            push_comparison(sql, op, value.to_owned());
        }
    }
    if op == Op::NotEqual {
        sql.push(")");
    }
}

fn push_comparison<'a, T>(sql: &mut Builder, op: Op, value: T)
where
    T: sqlx::Encode<'a, Sqlite> + sqlx::Type<Sqlite> + Send + 'a,
{
    let op = op.sql().expect("`:` is handled where each field gives it its meaning");
    sql.push(format_args!(" {op} ")).push_bind(value);
}

/// The LIKE pattern of what contains `value`.
fn push_pattern(sql: &mut Builder, value: &str) {
    let mut pattern = String::from("%");
    for c in value.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    sql.push_bind(pattern);
}
