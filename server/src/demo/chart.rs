//! All frames in one terminal chart: a column stands for a run of frames, its height for the slowest of them.

const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A chart of `width` × `height` characters (each at least 1) of durations in nanoseconds, in their order. Values above `top_ns` are cut there. A line
/// is drawn at `budget_ns`.
pub(crate) fn chart(durations_ns: &[i64], width: usize, height: usize, budget_ns: i64, top_ns: i64) -> Vec<String> {
    if durations_ns.is_empty() || top_ns <= 0 {
        return Vec::new();
    }
    let columns = slowest_of_each(durations_ns, width.max(1));
    // Heights in eighths of a character.
    let eighths = |ns: i64| (ns.clamp(0, top_ns) as u128 * height as u128 * 8 / top_ns as u128) as usize;
    let budget_row = height.saturating_sub(1).saturating_sub(eighths(budget_ns) / 8);
    (0..height)
        .map(|row| {
            let below = (height - 1 - row) * 8;
            let bar = |&ns: &i64| {
                let filled = BARS[eighths(ns).saturating_sub(below).min(8)];
                if filled == ' ' && row == budget_row { '┄' } else { filled }
            };
            let label = if row == 0 {
                format!("{:>7.1} ms ", top_ns as f64 / 1e6)
            } else if row == budget_row {
                format!("{:>7.1} ms ", budget_ns as f64 / 1e6)
            } else {
                " ".repeat(11)
            };
            format!("{label}{}", columns.iter().map(bar).collect::<String>())
        })
        .collect()
}

fn slowest_of_each(values: &[i64], columns: usize) -> Vec<i64> {
    let columns = columns.min(values.len());
    (0..columns)
        .map(|column| {
            let from = column * values.len() / columns;
            let to = ((column + 1) * values.len() / columns).max(from + 1);
            values[from..to].iter().copied().max().unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_frame_of_each_column_is_seen() {
        let mut frames = vec![1_000_000; 1000];
        frames[503] = 8_000_000;
        let lines = chart(&frames, 10, 4, 2_000_000, 8_000_000);
        assert_eq!(lines.len(), 4);
        let column = |line: &str| line.chars().position(|c| c == '█');
        assert_eq!(column(&lines[0]), Some(11 + 5));
        assert!(lines.iter().all(|line| line.chars().count() == 21), "{lines:#?}");
        assert!(lines[2].contains('┄') && lines[2].contains("2.0 ms"), "{lines:#?}");
    }

    #[test]
    fn fewer_frames_than_columns_make_a_narrower_chart() {
        assert_eq!(slowest_of_each(&[3, 1, 2], 80), [3, 1, 2]);
        assert!(chart(&[], 10, 4, 1, 1).is_empty());
    }
}
