//! The location table of a code object (`co_linetable`, CPython 3.11 to 3.14: `Objects/locations.md` or
//! `InternalDocs/code_objects.md` there): one entry per run of instructions from the same place.

use crate::locations::{Locations, Position, Range};

const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;
const NO_LOCATION: u8 = 15;

/// Where the instructions of one entry come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Line(i64),
    Whole(Range),
}

impl Locations {
    /// A code object's location table, as if it had been compiled from the original text.
    ///
    /// *first_line* is the code object's. `None` if the table can stay as it is, or is not one that we understand.
    pub fn relocate(&self, table: &[u8], first_line: u32) -> Option<Vec<u8>> {
        let mut reader = Reader { table, at: 0, line: i64::from(first_line) };
        let mut writer =
            Writer { table: Vec::with_capacity(table.len() + table.len() / 4), line: i64::from(first_line) };
        let mut changed = false;
        while reader.at < table.len() {
            let (place, units) = reader.entry()?;
            let moved = match place {
                Place::Whole(range) => Place::Whole(self.original(range)),
                other => other,
            };
            changed |= moved != place;
            writer.entry(moved, units);
        }
        changed.then_some(writer.table)
    }
}

struct Reader<'t> {
    table: &'t [u8],
    at: usize,
    line: i64,
}

impl Reader<'_> {
    /// The next entry: its place and its length in code units, less one.
    fn entry(&mut self) -> Option<(Place, u8)> {
        let first = self.byte()?;
        if first & 0x80 == 0 {
            return None;
        }
        let (code, units) = ((first >> 3) & 15, first & 7);
        let place = match code {
            NO_LOCATION => Place::Nowhere,
            NO_COLUMNS => {
                self.line += self.signed()?;
                Place::Line(self.line)
            }
            LONG => {
                self.line += self.signed()?;
                let end_line = self.line + i64::from(self.unsigned()?);
                let (column, end_column) = (self.unsigned()?, self.unsigned()?);
                // Both or neither, as far as compilers go; with neither there is nothing to move.
                whole(self.line, column.checked_sub(1)?, end_line, end_column.checked_sub(1)?)?
            }
            10..=12 => {
                self.line += i64::from(code - 10);
                let (column, end_column) = (self.byte()?, self.byte()?);
                whole(self.line, column.into(), self.line, end_column.into())?
            }
            _ => {
                let second = self.byte()?;
                let column = u32::from(code) * 8 + u32::from((second >> 4) & 7);
                whole(self.line, column, self.line, column + u32::from(second & 15))?
            }
        };
        Some((place, units))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.table.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in (0..30).step_by(6) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x3f) << shift;
            if byte & 0x40 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = i64::from(self.unsigned()?);
        Some(if value & 1 == 1 { -(value >> 1) } else { value >> 1 })
    }
}

fn whole(line: i64, column: u32, end_line: i64, end_column: u32) -> Option<Place> {
    let start = Position { line: u32::try_from(line).ok()?, column };
    let end = Position { line: u32::try_from(end_line).ok()?, column: end_column };
    Some(Place::Whole(Range { start, end }))
}

struct Writer {
    table: Vec<u8>,
    line: i64,
}

impl Writer {
    fn entry(&mut self, place: Place, units: u8) {
        match place {
            Place::Nowhere => self.head(NO_LOCATION, units),
            Place::Line(line) => {
                self.head(NO_COLUMNS, units);
                self.line_delta(line);
            }
            Place::Whole(range) => self.whole(range, units),
        }
    }

    fn whole(&mut self, Range { start, end }: Range, units: u8) {
        let delta = i64::from(start.line) - self.line;
        if end.line == start.line && start.column < 128 && end.column < 128 {
            let (column, end_column) = (start.column as u8, end.column as u8);
            let width = end_column.wrapping_sub(column);
            if delta == 0 && column < 80 && width < 16 {
                self.head(column / 8, units);
                self.table.push((column % 8) << 4 | width);
                return;
            }
            if (0..3).contains(&delta) {
                self.head(10 + delta as u8, units);
                self.table.extend([column, end_column]);
                self.line = i64::from(start.line);
                return;
            }
        }
        self.head(LONG, units);
        self.line_delta(start.line.into());
        self.unsigned(end.line.saturating_sub(start.line));
        self.unsigned(start.column + 1);
        self.unsigned(end.column + 1);
    }

    fn head(&mut self, code: u8, units: u8) {
        self.table.push(0x80 | code << 3 | units);
    }

    fn line_delta(&mut self, line: i64) {
        let delta = line - self.line;
        self.line = line;
        let size = delta.unsigned_abs() as u32;
        self.unsigned(size << 1 | u32::from(delta < 0));
    }

    fn unsigned(&mut self, mut value: u32) {
        while value >= 0x40 {
            self.table.push(0x40 | (value & 0x3f) as u8);
            value >>= 6;
        }
        self.table.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locations::Origin;
    use proptest::prelude::*;

    fn read(table: &[u8], first_line: u32) -> Option<Vec<(Place, u8)>> {
        let mut reader = Reader { table, at: 0, line: first_line.into() };
        let mut entries = Vec::new();
        while reader.at < table.len() {
            entries.push(reader.entry()?);
        }
        Some(entries)
    }

    fn written(entries: &[(Place, u8)], first_line: u32) -> Vec<u8> {
        let mut writer = Writer { table: Vec::new(), line: first_line.into() };
        entries.iter().for_each(|&(place, units)| writer.entry(place, units));
        writer.table
    }

    fn places() -> impl Strategy<Value = Place> {
        let whole = (1u32..300, 0u32..300, 0u32..4, 0u32..300).prop_map(|(line, column, lines, end_column)| {
            let end = Position { line: line + lines, column: end_column };
            Place::Whole(Range { start: Position { line, column }, end })
        });
        prop_oneof![Just(Place::Nowhere), (1i64..300).prop_map(Place::Line), whole]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in prop::collection::vec((places(), 0u8..8), 0..40), first in 1u32..50) {
            prop_assert_eq!(read(&written(&entries, first), first), Some(entries));
        }

        #[test]
        fn any_bytes_do_no_harm(table in prop::collection::vec(any::<u8>(), 0..60), first in 0u32..50) {
            let position = Position { line: 1, column: 3 };
            let locations = Locations::new(vec![(position, Origin::Copy(Position { line: 9, column: 9 }))], Vec::new(), Vec::new());
            locations.relocate(&table, first);
        }

        #[test]
        fn nothing_moved_is_nothing_to_write(entries in prop::collection::vec((places(), 0u8..8), 0..40)) {
            prop_assert_eq!(Locations::default().relocate(&written(&entries, 1), 1), None);
        }
    }

    #[test]
    fn a_moved_entry_is_written_anew() {
        let place = |line, column, end| {
            Place::Whole(Range { start: Position { line, column }, end: Position { line, column: end } })
        };
        let table = written(&[(place(5, 8, 12), 0), (Place::Nowhere, 1), (place(6, 0, 200), 2)], 5);
        let origin = (Position { line: 5, column: 8 }, Origin::Copy(Position { line: 3, column: 100 }));
        let locations = Locations::new(vec![origin], Vec::new(), Vec::new());
        let moved = locations.relocate(&table, 5).unwrap();
        assert_eq!(read(&moved, 5), Some(vec![(place(3, 100, 104), 0), (Place::Nowhere, 1), (place(6, 0, 200), 2)]));
    }
}
