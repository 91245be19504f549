//! The service that was found ready, for a layer whose work goes on after `call`.

/// Takes the service that is ready, and leaves its clone for the next call: that one has to become ready first
/// (tower's `Service`, "Be careful when cloning inner services").
pub fn take<S: Clone>(inner: &mut S) -> S {
    let waiting = inner.clone();
    std::mem::replace(inner, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Told apart by whether it was asked; a clone was not, as with tower's limits.
    #[derive(Debug, PartialEq, Eq)]
    struct Asked(bool);

    impl Clone for Asked {
        fn clone(&self) -> Self {
            Self(false)
        }
    }

    #[test]
    fn the_one_that_was_asked_answers_and_its_clone_takes_the_next_call() {
        let mut inner = Asked(true);
        assert_eq!(take(&mut inner), Asked(true));
        assert_eq!(inner, Asked(false));
    }
}
