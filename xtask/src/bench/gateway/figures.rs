//! From slices to figures: medians with their spread, ratios within one round, and the table.

use std::fmt::{self, Write as _};

use super::load::Slice;

/// One figure, measured several times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[half]
        } else {
            (values[half - 1] + values[half]) / 2.0
        };
        Some(Self { median, least, most })
    }
}

impl fmt::Display for Spread {
    /// `median (least to most)`; the precision is that of the three.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let Self { median, least, most } = self;
        write!(f, "{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

/// What is compared: one call, or one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Call,
    Mebibyte,
}

impl Unit {
    fn of(self, slice: &Slice) -> f64 {
        match self {
            Self::Call => slice.calls,
            Self::Mebibyte => slice.bytes / f64::from(1 << 20),
        }
    }

    /// Microseconds of a core for one.
    pub(super) fn cost(self, slice: &Slice) -> f64 {
        slice.cpu * 1e6 / self.of(slice)
    }

    fn rate(self, slice: &Slice) -> f64 {
        self.of(slice) / slice.seconds
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Mebibyte => "MiB",
        }
    }
}

/// The slices of one peer in one row, in the order of the rounds.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) peer: String,
    pub(super) slices: Vec<Slice>,
}

/// What a ratio should come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    /// Places in the row: what is held against what.
    pub(super) ours: usize,
    pub(super) rival: usize,
    /// At most so much of the rival's cost.
    pub(super) floor: f64,
    pub(super) aim: f64,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) title: String,
    pub(super) unit: Unit,
    pub(super) series: Vec<Series>,
    pub(super) floors: Vec<Floor>,
}

impl Measured {
    /// Ratios of cost within each round.
    pub(super) fn ratio(&self, ours: usize, rival: usize) -> Option<Spread> {
        let pairs = self.series[ours].slices.iter().zip(&self.series[rival].slices);
        Spread::of(pairs.map(|(a, b)| self.unit.cost(a) / self.unit.cost(b)))
    }

    /// The row's part of the page.
    pub(super) fn markdown(&self) -> String {
        let unit = self.unit.name();
        let mut out = format!(
            "\n### {}\n\n| peer | CPU µs per {unit} | {unit}s per second | memory, MB |\n|---|---|---|---|\n",
            self.title
        );
        for series in &self.series {
            let figure = |of: &dyn Fn(&Slice) -> f64| Spread::of(series.slices.iter().map(of));
            let cells = [
                figure(&|s| self.unit.cost(s)).map(|s| format!("{s:.1}")),
                figure(&|s| self.unit.rate(s)).map(|s| format!("{s:.0}")),
                figure(&|s| s.resident / 1e6).map(|s| format!("{s:.0}")),
            ];
            let cells = cells.map(Option::unwrap_or_default).join(" | ");
            let _ = writeln!(out, "| {} | {cells} |", series.peer);
        }
        for floor in &self.floors {
            let _ = writeln!(out, "\n{}", self.verdict(floor));
        }
        out
    }

    /// One sentence: the ratio, the floor, and whether it is held.
    pub(super) fn verdict(&self, floor: &Floor) -> String {
        let Some(ratio) = self.ratio(floor.ours, floor.rival) else {
            return "not measured".to_owned();
        };
        let held = match ratio.median {
            m if m <= floor.aim => "the aim is met",
            m if m <= floor.floor => "the floor is held, the aim is not met",
            _ => "**the floor is not held**",
        };
        format!(
            "{} / {}: **{ratio:.2}** (floor {:.2}, aim {:.2}): {held}.",
            self.series[floor.ours].peer, self.series[floor.rival].peer, floor.floor, floor.aim
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(cpu: f64) -> Slice {
        Slice {
            calls: 1000.0,
            bytes: 0.0,
            seconds: 1.0,
            cpu,
            resident: 0.0,
        }
    }

    #[test]
    fn a_median_stands_with_its_spread() {
        let spread = Spread::of([3.0, 1.0, 2.0]).expect("three values");
        assert_eq!(format!("{spread:.0}"), "2 (1 to 3)");
        assert_eq!(Spread::of([1.0, 2.0]).map(|s| s.median), Some(1.5));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let series = |peer: &str, cpu: [f64; 3]| Series {
            peer: peer.to_owned(),
            slices: cpu.map(slice).into(),
        };
        let measured = Measured {
            title: "t".to_owned(),
            unit: Unit::Call,
            series: vec![series("a", [1.0, 4.0, 1.0]), series("b", [2.0, 8.0, 2.0])],
            floors: Vec::new(),
        };
        let ratio = measured.ratio(0, 1).expect("measured");
        assert_eq!((ratio.least, ratio.most), (0.5, 0.5));
        let floor = |floor, aim| Floor {
            ours: 0,
            rival: 1,
            floor,
            aim,
        };
        assert!(measured.verdict(&floor(0.4, 0.3)).contains("not held"));
        assert!(measured.verdict(&floor(0.5, 0.3)).contains("the aim is not met"));
        assert!(measured.verdict(&floor(0.6, 0.5)).contains("the aim is met"));
    }
}
