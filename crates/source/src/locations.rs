//! From places in the changed text to places in the original one.

/// A place in a text: lines from 1, columns in UTF-8 bytes from 0, as CPython counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub start: Position,
    pub end: Position,
}

/// What the changed text holds from some position to the next one that is noted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// The original text from here on, as far as the line goes.
    Copy(Position),
    /// Text of ours, which belongs to this assert statement as a whole.
    Assert(u32),
}

/// Lines that nothing is noted about are where they were.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    /// By position, ascending.
    pub(crate) origins: Vec<(Position, Origin)>,
    /// Nodes that stand for one in the original text whose ends cannot be told from the characters there: by range, ascending.
    pub(crate) nodes: Vec<(Range, Range)>,
    pub(crate) asserts: Vec<Range>,
    /// For each line, where those before it end in `origins` and in `nodes`.
    lines: Vec<(u32, u32)>,
}

impl Locations {
    /// *origins* ascending; *nodes* in any order.
    pub(crate) fn new(origins: Vec<(Position, Origin)>, mut nodes: Vec<(Range, Range)>, asserts: Vec<Range>) -> Self {
        nodes.sort_unstable();
        let last = origins.last().map_or(0, |origin| origin.0.line);
        let (mut origin, mut node) = (0, 0);
        let mut lines = Vec::with_capacity(last as usize + 2);
        for line in 0..=last + 1 {
            while origin < origins.len() && origins[origin].0.line < line {
                origin += 1;
            }
            while node < nodes.len() && nodes[node].0.start.line < line {
                node += 1;
            }
            lines.push((origin as u32, node as u32));
        }
        Self { origins, nodes, asserts, lines }
    }

    /// Where in the original text something is that the compiler found at *range* of the changed one.
    pub fn original(&self, range: Range) -> Range {
        // The beginning of a code object is said to be at the beginning of its line. Lines stay where they are.
        if range.start == range.end {
            return range;
        }
        let nodes = match self.lines.get(range.start.line as usize..) {
            Some([before, behind, ..]) => &self.nodes[before.1 as usize..behind.1 as usize],
            _ => &[],
        };
        if let Ok(found) = nodes.binary_search_by_key(&range, |node| node.0) {
            return nodes[found].1;
        }
        let start = match self.origin(range.start) {
            None => range.start,
            Some((from, Origin::Copy(original))) => shift(range.start, from, original),
            Some((_, Origin::Assert(number))) => return self.asserts[number as usize],
        };
        Range { start, end: self.original_end(range.end) }
    }

    fn original_end(&self, end: Position) -> Position {
        // An end is behind what it belongs to.
        let last = Position { column: end.column.saturating_sub(1), ..end };
        match self.origin(last) {
            None => end,
            Some((from, Origin::Copy(original))) => shift(end, from, original),
            Some((_, Origin::Assert(number))) => self.asserts[number as usize].end,
        }
    }

    fn origin(&self, position: Position) -> Option<(Position, Origin)> {
        let Some([before, behind, ..]) = self.lines.get(position.line as usize..) else { return None };
        let origins = &self.origins[before.0 as usize..behind.0 as usize];
        let behind = origins.partition_point(|&(start, _)| start <= position);
        Some(origins[behind.checked_sub(1)?])
    }

    /// Whether nothing at all has moved.
    pub fn is_identity(&self) -> bool {
        self.origins.is_empty()
    }
}

fn shift(position: Position, from: Position, original: Position) -> Position {
    Position { line: original.line, column: original.column + (position.column - from.column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    fn range(line: u32, start: u32, end: u32) -> Range {
        Range { start: at(line, start), end: at(line, end) }
    }

    fn locations() -> Locations {
        let origins = vec![
            (at(2, 4), Origin::Assert(0)),
            (at(2, 9), Origin::Copy(at(2, 11))),
            (at(2, 12), Origin::Assert(0)),
            (at(2, 20), Origin::Copy(at(2, 15))),
        ];
        Locations::new(origins, vec![(range(2, 5, 9), range(2, 7, 13))], vec![range(2, 4, 15)])
    }

    #[test]
    fn other_lines_are_where_they_were() {
        assert_eq!(locations().original(range(2, 4, 4)), range(2, 4, 4));
        for line in [1, 3] {
            assert_eq!(locations().original(range(line, 4, 90)), range(line, 4, 90));
        }
        assert_eq!(locations().original(range(2, 0, 3)), range(2, 0, 3));
    }

    #[test]
    fn copied_text_is_shifted_and_ours_is_the_assert_statement() {
        assert_eq!(locations().original(range(2, 10, 12)), range(2, 12, 14));
        assert_eq!(locations().original(range(2, 21, 23)), range(2, 16, 18));
        assert_eq!(locations().original(range(2, 13, 14)), range(2, 4, 15));
    }

    #[test]
    fn nodes_are_known_by_both_ends() {
        assert_eq!(locations().original(range(2, 5, 9)), range(2, 7, 13));
        assert_eq!(locations().original(range(2, 5, 8)), range(2, 4, 15));
    }

    #[test]
    fn what_encloses_an_assert_ends_where_it_ended() {
        assert_eq!(locations().original(range(2, 0, 19)), range(2, 0, 15));
    }
}
