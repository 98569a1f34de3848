//! The same thing measured several times.

/// Measurements in ascending order; at least one.
#[derive(Clone, Debug)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// # Panics
    /// `values` is empty.
    #[must_use]
    pub fn new(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn min(&self) -> f64 {
        self.0[0]
    }

    #[must_use]
    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    /// The value that `share` (0 to 1) of all are below: the nearest one measured.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }

    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sample = Sample::new((1..=101).rev().map(f64::from).collect());
        assert_eq!((sample.min(), sample.median(), sample.quantile(0.95), sample.max()), (1.0, 51.0, 96.0, 101.0));
        let one = Sample::new(vec![7.0]);
        assert_eq!((one.median(), one.quantile(0.95)), (7.0, 7.0));
    }
}
