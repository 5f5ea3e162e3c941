//! The PDF of a quote, on the host of files: one font, as many pages as it takes. Letters that Windows-1252 lacks are
//! shown as question marks.

use serde_json::Value;

use super::lines_of;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::calendar::{day, money};
use crate::fake_stripe::world::World;

const ROWS_ON_A_PAGE: usize = 48;

/// The document; there is none before the quote is finalised.
///
/// # Errors
/// There is no such quote, or it is a draft.
pub(in crate::fake_stripe) fn pdf(
    world: &World,
    account: Option<&str>,
    id: &str,
) -> Result<Vec<u8>, Failure> {
    let quote = world.find_of(account, "quote", id, "id")?;
    if quote["number"].is_null() {
        let message = "You can only download the PDF of a quote that has been finalized.";
        return Err(Failure::invalid(message));
    }
    let customer = world.body(quote["customer"].as_str().unwrap_or_default());
    let currency = text(&quote["currency"]);
    let mut rows = vec![
        format!("Quote {}", text(&quote["number"])),
        String::new(),
        "From: Local platform".to_owned(),
        format!(
            "To: {}",
            [&customer["name"], &customer["email"], &customer["id"]]
                .into_iter()
                .find_map(Value::as_str)
                .unwrap_or("")
        ),
        format!("Expires: {}", day(quote["expires_at"].as_i64().unwrap_or_default())),
        String::new(),
    ];
    rows.extend(["header", "description"].iter().filter_map(|name| quote[*name].as_str()).map(str::to_owned));
    for line in lines_of(world, id) {
        let each = match line["price"]["recurring"]["interval"].as_str() {
            Some(interval) => format!(" / {} {interval}", line["price"]["recurring"]["interval_count"]),
            None => String::new(),
        };
        let amount = money(line["amount_total"].as_i64().unwrap_or_default(), currency);
        rows.push(format!("{} × {}   {amount}{each}", line["quantity"], text(&line["description"])));
    }
    rows.push(String::new());
    rows.push(format!("Total {}", money(quote["amount_total"].as_i64().unwrap_or_default(), currency)));
    rows.extend(quote["footer"].as_str().map(str::to_owned));
    Ok(document(&rows))
}

/// A PDF 1.4 of rows of text.
pub(in crate::fake_stripe) fn document(rows: &[String]) -> Vec<u8> {
    let pages: Vec<&[String]> = rows.chunks(ROWS_ON_A_PAGE).collect();
    let first_page = 4;
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", first_page + 2 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Count {} /Kids [{}] >>", pages.len(), kids.join(" ")).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (number, rows) in pages.iter().enumerate() {
        let content = content(rows);
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents \
                 {} 0 R >>",
                first_page + 2 * number + 1
            )
            .into_bytes(),
        );
        let mut stream = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
        stream.extend(content);
        stream.extend(b"\nendstream");
        objects.push(stream);
    }
    let mut document = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(document.len());
        document.extend(format!("{} 0 obj\n", number + 1).into_bytes());
        document.extend(object);
        document.extend(b"\nendobj\n");
    }
    let table = document.len();
    document.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for place in places {
        document.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    let trailer =
        format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    document.extend(trailer.into_bytes());
    document
}

/// What is drawn on a page.
fn content(rows: &[String]) -> Vec<u8> {
    let mut content = b"BT\n/F1 11 Tf\n15 TL\n56 780 Td\n".to_vec();
    for row in rows {
        content.push(b'(');
        for letter in row.chars() {
            match letter {
                '(' | ')' | '\\' => content.extend([b'\\', letter as u8]),
                ' '..='~' => content.push(letter as u8),
                '€' => content.extend(b"\\200"),
                '\u{a0}'..='\u{ff}' => content.extend(format!("\\{:03o}", letter as u32).into_bytes()),
                _ => content.push(b'?'),
            }
        }
        content.extend(b") Tj\nT*\n");
    }
    content.extend(b"ET");
    content
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_table_of_a_document_leads_to_its_objects() {
        let rows: Vec<String> = (0..100).map(|row| format!("Row ({row}) of 5 × 茶")).collect();
        let document = document(&rows);
        let text = String::from_utf8_lossy(&document);

        assert!(text.starts_with("%PDF-1.4\n") && text.ends_with("%%EOF\n"));
        assert!(text.contains("(Row \\(7\\) of 5 \\327 ?) Tj"));
        let find = |what: &[u8], from: usize| {
            from + document[from..].windows(what.len()).position(|bytes| bytes == what).unwrap()
        };
        let table = find(b"xref\n0 ", 0);
        let start: usize =
            text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert_eq!(start, table);
        let entries = String::from_utf8(document[table..].to_vec()).unwrap();
        let count: usize = entries.lines().nth(1).unwrap()[2..].parse().unwrap();
        for number in 1..count {
            let place: usize = entries.lines().nth(number + 2).unwrap()[..10].parse().unwrap();
            assert!(document[place..].starts_with(format!("{number} 0 obj\n").as_bytes()), "{number}");
        }
    }
}
