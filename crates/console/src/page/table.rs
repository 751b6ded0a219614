//! A table to be carried away, for a spreadsheet.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// CSV with the mark by which spreadsheets know UTF-8; cells that would be formulas are none (`csv_cell`).
pub(super) struct Table(String);

impl Table {
    pub fn new(head: impl IntoIterator<Item = impl AsRef<str>>) -> Table {
        let mut table = Table("\u{feff}".to_owned());
        table.row(head);
        table
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| casework::csv_cell(cell.as_ref())).collect();
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }

    pub fn file(self, name: &str) -> Response {
        let name = format!("attachment; filename=\"{name}.csv\"");
        let kind = "text/csv; charset=utf-8".to_owned();
        ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], self.0).into_response()
    }
}
