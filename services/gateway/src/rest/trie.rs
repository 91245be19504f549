//! Routes by path: a trie over segments, so that finding one costs by the path's length and not by the number of routes.
//!
//! Where several templates match, the more literal one is looked at first (literal, then `*`, then `**`, from the left).
//! A colon in the last segment is read as a verb where a template with that verb matches, whatever its HTTP method; only
//! else is it part of a variable. So one path never means two methods of different shape.

use std::collections::HashMap;

use super::{
    path::{self, Piece},
    template::{Segment, Template},
};

/// Kind of a custom pattern that takes every HTTP method which no rule of the same path names.
const ANY: &str = "*";

/// Routes by path and HTTP method.
#[derive(Debug)]
pub(super) struct Trie<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literals: HashMap<Box<str>, Node<T>>,
    one: Option<Box<Node<T>>>,
    /// Ends of templates whose last segment is `**` at this place.
    rest: Ends<T>,
    /// Ends of templates here.
    here: Ends<T>,
}

/// Ends of templates by verb, then HTTP method.
type Ends<T> = HashMap<Box<str>, Vec<(http::Method, T)>>;

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            literals: HashMap::new(),
            one: None,
            rest: Ends::new(),
            here: Ends::new(),
        }
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'t, T> {
    /// The route.
    Route(&'t T),
    /// The path is there, with these methods.
    OtherMethods(Vec<&'t http::Method>),
    /// No such path.
    Nothing,
}

impl<T> Trie<T> {
    /// Adds a route.
    ///
    /// # Errors
    /// The route that has the place already.
    pub(super) fn insert(&mut self, method: http::Method, template: &Template, route: T) -> Result<(), &T> {
        let mut node = &mut self.root;
        let mut rest = false;
        for segment in &template.segments {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.as_str().into()).or_default(),
                Segment::One => node = node.one.get_or_insert_default(),
                Segment::Rest => rest = true,
            }
        }
        let ends = if rest { &mut node.rest } else { &mut node.here };
        let verb = template.verb.as_deref().unwrap_or_default();
        let methods = ends.entry(verb.into()).or_default();
        match methods.iter().position(|(m, _)| *m == method) {
            Some(taken) => Err(&methods[taken].1),
            None => {
                methods.push((method, route));
                Ok(())
            }
        }
    }

    /// Finds the route of a path that is cut into pieces.
    pub(super) fn find(&self, method: &http::Method, pieces: &[Piece<'_>]) -> Found<'_, T> {
        let mut segments: Vec<&str> = pieces.iter().map(|p| &*p.text).collect();
        let mut others = Vec::new();
        let verb = pieces.last().and_then(path::verb);
        if let Some((stem, verb)) = &verb {
            segments.pop();
            segments.push(&stem.text);
            if let Some(route) = self.root.find(&segments, verb, method, &mut others) {
                return Found::Route(route);
            }
            segments.pop();
            segments.extend(pieces.last().map(|p| &*p.text));
        }
        if others.is_empty()
            && let Some(route) = self.root.find(&segments, "", method, &mut others)
        {
            return Found::Route(route);
        }
        match others.is_empty() {
            true => Found::Nothing,
            false => Found::OtherMethods(others),
        }
    }
}

impl<T> Node<T> {
    /// Looks below this node, most literal first. Where only the method differs, the methods go to `others`.
    fn find<'t>(
        &'t self,
        segments: &[&str],
        verb: &str,
        method: &http::Method,
        others: &mut Vec<&'t http::Method>,
    ) -> Option<&'t T> {
        let deeper = match segments.split_first() {
            None => pick(&self.here, verb, method, others),
            Some((first, tail)) => self
                .literals
                .get(*first)
                .and_then(|n| n.find(tail, verb, method, others))
                .or_else(|| self.one.as_ref()?.find(tail, verb, method, others)),
        };
        deeper.or_else(|| pick(&self.rest, verb, method, others))
    }
}

fn pick<'t, T>(
    ends: &'t Ends<T>,
    verb: &str,
    method: &http::Method,
    others: &mut Vec<&'t http::Method>,
) -> Option<&'t T> {
    let methods = ends.get(verb)?;
    let found = methods
        .iter()
        .find(|(m, _)| m == method)
        .or_else(|| methods.iter().find(|(m, _)| m.as_str() == ANY));
    if found.is_none() {
        others.extend(methods.iter().map(|(m, _)| m));
    }
    found.map(|(_, route)| route)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::rest::path;

    fn trie(routes: &[(&Method, &'static str)]) -> Trie<&'static str> {
        let mut trie = Trie::default();
        for (method, text) in routes {
            trie.insert((*method).clone(), &Template::parse(text).unwrap(), *text)
                .unwrap();
        }
        trie
    }

    fn find<'t>(trie: &'t Trie<&'static str>, method: &Method, path: &str) -> Found<'t, &'static str> {
        match path::split(path).unwrap() {
            Some(pieces) => trie.find(method, &pieces),
            None => Found::Nothing,
        }
    }

    #[test]
    fn the_more_literal_route_wins() {
        let t = trie(&[
            (&Method::GET, "/v1/{name=**}"),
            (&Method::GET, "/v1/users/{id}"),
            (&Method::GET, "/v1/users/me"),
            (&Method::PATCH, "/v1/users/{id}"),
        ]);
        assert_eq!(find(&t, &Method::GET, "/v1/users/me"), Found::Route(&"/v1/users/me"));
        assert_eq!(find(&t, &Method::GET, "/v1/users/7"), Found::Route(&"/v1/users/{id}"));
        assert_eq!(find(&t, &Method::GET, "/v1/users/7/x"), Found::Route(&"/v1/{name=**}"));
        assert_eq!(find(&t, &Method::GET, "/v1"), Found::Route(&"/v1/{name=**}"));
        assert_eq!(
            find(&t, &Method::PATCH, "/v1/users/me"),
            Found::Route(&"/v1/users/{id}")
        );
    }

    #[test]
    fn a_known_verb_is_never_part_of_a_variable() {
        let t = trie(&[
            (&Method::GET, "/v1/users/{id}"),
            (&Method::POST, "/v1/users/{id}:undelete"),
        ]);
        assert_eq!(
            find(&t, &Method::POST, "/v1/users/7:undelete"),
            Found::Route(&"/v1/users/{id}:undelete")
        );
        assert_eq!(
            find(&t, &Method::GET, "/v1/users/7:undelete"),
            Found::OtherMethods(vec![&Method::POST])
        );
        assert_eq!(
            find(&t, &Method::GET, "/v1/users/7:other"),
            Found::Route(&"/v1/users/{id}")
        );
        assert_eq!(
            find(&t, &Method::GET, "/v1/users/7%3Aundelete"),
            Found::Route(&"/v1/users/{id}")
        );
    }

    #[test]
    fn a_taken_place_names_who_has_it() {
        let mut t = trie(&[(&Method::GET, "/v1/shelves/{id}")]);
        let again = Template::parse("/v1/{name=shelves/*}").unwrap();
        assert_eq!(t.insert(Method::GET, &again, "new"), Err(&"/v1/shelves/{id}"));
        assert_eq!(t.insert(Method::PUT, &again, "new"), Ok(()));
    }

    #[test]
    fn unknown_paths_lead_nowhere() {
        let t = trie(&[(&Method::GET, "/v1/users/{id}")]);
        for path in [
            "/",
            "/v1",
            "/v1/users",
            "/v1/users/",
            "/v1/users/7/",
            "/v2/users/7",
            "/V1/users/7",
            "/v1//7",
        ] {
            assert_eq!(find(&t, &Method::GET, path), Found::Nothing, "{path}");
        }
    }
}
