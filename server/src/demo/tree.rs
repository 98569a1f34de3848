//! The spans of one frame as an indented tree: siblings of one name stand in one line, with their number and sums.

use std::collections::HashMap;

/// A span as the tree needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ordinal: i64,
    pub(crate) parent: Option<i64>,
    pub(crate) name: String,
    pub(crate) duration_ns: i64,
    pub(crate) self_ns: i64,
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    count: u64,
    duration_ns: i64,
    self_ns: i64,
    children: Vec<usize>,
}

/// One line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) depth: usize,
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) duration_ns: i64,
    pub(crate) self_ns: i64,
}

/// The tree's lines, the longest siblings first, without those that together took less than `least_ns`. A span whose parent is not among the spans stands at the top.
pub(crate) fn lines(spans: &[Span], least_ns: i64) -> Vec<Line> {
    let by_ordinal: HashMap<i64, usize> = spans.iter().enumerate().map(|(at, span)| (span.ordinal, at)).collect();
    let mut order: Vec<usize> = (0..spans.len()).collect();
    // A parent's ordinal is less than its children's: it began before them.
    order.sort_by_key(|&at| spans[at].ordinal);
    let mut nodes = vec![Node::default()];
    let mut node_of: HashMap<i64, usize> = HashMap::new();
    for at in order {
        let span = &spans[at];
        let above = span.parent.filter(|parent| by_ordinal.contains_key(parent)).map_or(0, |parent| node_of[&parent]);
        let known = nodes[above].children.iter().copied().find(|&child| nodes[child].name == span.name);
        let node = known.unwrap_or_else(|| {
            nodes.push(Node { name: span.name.clone(), ..Node::default() });
            let added = nodes.len() - 1;
            nodes[above].children.push(added);
            added
        });
        nodes[node].count += 1;
        nodes[node].duration_ns += span.duration_ns;
        nodes[node].self_ns += span.self_ns;
        node_of.insert(span.ordinal, node);
    }
    let mut found = Vec::new();
    collect(&nodes, 0, 0, least_ns, &mut found);
    found
}

fn collect(nodes: &[Node], at: usize, depth: usize, least_ns: i64, into: &mut Vec<Line>) {
    let mut children = nodes[at].children.clone();
    children.sort_by_key(|&child| -nodes[child].duration_ns);
    for child in children {
        let node = &nodes[child];
        if node.duration_ns < least_ns {
            continue;
        }
        into.push(Line {
            depth,
            name: node.name.clone(),
            count: node.count,
            duration_ns: node.duration_ns,
            self_ns: node.self_ns,
        });
        collect(nodes, child, depth + 1, least_ns, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(ordinal: i64, parent: Option<i64>, name: &str, duration_ns: i64, self_ns: i64) -> Span {
        Span { ordinal, parent, name: name.to_owned(), duration_ns, self_ns }
    }

    #[test]
    fn siblings_of_one_name_are_summed_and_the_longest_come_first() {
        let spans = [
            span(2, Some(1), "agent", 10, 4),
            span(3, Some(2), "steer", 6, 6),
            span(4, Some(1), "agent", 20, 15),
            span(5, Some(4), "steer", 5, 5),
            span(6, Some(1), "physics", 60, 60),
            span(7, Some(1), "tiny", 1, 1),
            span(1, None, "frame", 100, 9),
        ];
        let shown: Vec<String> = lines(&spans, 2)
            .iter()
            .map(|line| {
                format!(
                    "{}{} x{} {} {}",
                    "  ".repeat(line.depth),
                    line.name,
                    line.count,
                    line.duration_ns,
                    line.self_ns
                )
            })
            .collect();
        assert_eq!(shown, ["frame x1 100 9", "  physics x1 60 60", "  agent x2 30 19", "    steer x2 11 11"]);
    }

    #[test]
    fn a_span_whose_parent_is_elsewhere_stands_at_the_top() {
        assert_eq!(lines(&[span(9, Some(3), "orphan", 5, 5)], 0)[0].depth, 0);
    }
}
