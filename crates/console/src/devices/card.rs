//! An identity card on a reader (身份证阅读器): what its software hands over, as fields of a form.
//!
//! Two shapes are understood: JSON with `name`, `gender`, `ethnic`, `birth`, `address`, `id_no`, and the text file (`wz.txt`, UTF-16 or UTF-8)
//! that the common readers write, one of these a line.

use bytes::Bytes;
use domain::Timestamp;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use runtime::config::Devices;
use serde::Deserialize;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

const CARD_BYTES_MAX: usize = 64 * 1024;
/// A card that was read so long ago may be the one of whoever came before.
const FRESH_MS: i64 = 120_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Card {
    pub name: String,
    pub id_no: String,
    #[serde(default)]
    pub gender: String,
    #[serde(default)]
    pub ethnic: String,
    #[serde(default)]
    pub birth: String,
    #[serde(default)]
    pub address: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NoCard {
    #[error("读卡器上没有读到身份证;请把证放好,听到提示音后再按")]
    None,
    #[error("读卡器里是两分钟以前读的证;请重新放上申请人的身份证")]
    Old,
    #[error("读卡器的数据认不出来;请改用手工录入,并告知管理员")]
    Unknown,
    #[error("连不上读卡器的程序;请检查它是否已启动,或改用手工录入")]
    Unreachable,
}

/// What the card on the reader says. `by_the_clock`: false in a drill, whose days say nothing of a file's age.
pub(crate) async fn read(devices: &Devices, now: Timestamp, by_the_clock: bool) -> Result<Card, NoCard> {
    if let Some(file) = devices.card_file.clone() {
        let take = move || take(&file, by_the_clock.then_some(now));
        return tokio::task::spawn_blocking(take).await.map_err(|_| NoCard::Unknown)?;
    }
    match &devices.card_url {
        Some(url) => ask(url).await,
        None => Err(NoCard::None),
    }
}

/// The file is gone then: a card that was read once says nothing of the next applicant, and the file is not encrypted.
fn take(file: &Path, now: Option<Timestamp>) -> Result<Card, NoCard> {
    let about = match std::fs::metadata(file) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoCard::None),
        Err(_) => return Err(NoCard::Unreachable),
    };
    if about.len() as usize > CARD_BYTES_MAX {
        return Err(NoCard::Unknown);
    }
    let bytes = std::fs::read(file).map_err(|_| NoCard::Unreachable)?;
    std::fs::remove_file(file).map_err(|_| NoCard::Unreachable)?;
    let at = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let age = now.zip(at).map(|(now, at)| now.as_ms() - at.as_millis() as i64);
    if age.is_some_and(|age| age > FRESH_MS) {
        return Err(NoCard::Old);
    }
    parse(&bytes)
}

async fn ask(url: &str) -> Result<Card, NoCard> {
    let url: axum::http::Uri = url.parse().map_err(|_| NoCard::Unreachable)?;
    // What stands on a card goes to no other machine, and comes from none.
    if !url.host().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host)) {
        return Err(NoCard::Unreachable);
    }
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = async {
        let answer = client.get(url).await.map_err(|_| NoCard::Unreachable)?;
        match answer.status().as_u16() {
            200 => {}
            204 | 404 => return Err(NoCard::None),
            _ => return Err(NoCard::Unreachable),
        }
        let body = Limited::new(answer.into_body(), CARD_BYTES_MAX).collect().await;
        parse(&body.map_err(|_| NoCard::Unknown)?.to_bytes())
    };
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(|_| NoCard::Unreachable)?
}

fn parse(bytes: &[u8]) -> Result<Card, NoCard> {
    let text = text_of(bytes).ok_or(NoCard::Unknown)?;
    let text = text.trim();
    let mut card = match text.starts_with('{') {
        true => serde_json::from_str::<Card>(text).map_err(|_| NoCard::Unknown)?,
        false => lines_of(text).ok_or(NoCard::Unknown)?,
    };
    card.name = card.name.trim().to_owned();
    card.id_no = card.id_no.trim().to_uppercase();
    // 汉 on the card is 汉族 in a form.
    if !card.ethnic.is_empty() && !card.ethnic.ends_with('族') {
        card.ethnic = format!("{}族", card.ethnic.trim());
    }
    let known = !card.name.is_empty() && card.id_no.len() == 18;
    known.then_some(card).ok_or(NoCard::Unknown)
}

/// UTF-8, or UTF-16 as the readers' own files have it.
fn text_of(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8]| {
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok().or_else(|| wide(bytes)),
    }
}

/// Name, gender, ethnic group, birth, address, number: one a line.
fn lines_of(text: &str) -> Option<Card> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let [name, gender, ethnic, birth, address, id_no, ..] = lines[..] else { return None };
    let digits: String = birth.chars().filter(char::is_ascii_digit).collect();
    let birth = match digits.len() {
        8 => format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]),
        _ => String::new(),
    };
    let [name, gender, ethnic, address, id_no] = [name, gender, ethnic, address, id_no].map(str::to_owned);
    Some(Card { name, id_no, gender, ethnic, birth, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hers() -> Card {
        let [name, id_no, gender] = ["吴阿蕾", "522601196705199487", "女"].map(str::to_owned);
        let [ethnic, birth, address] = ["苗族", "1967-05-19", "贵州省凯里市碧波镇"].map(str::to_owned);
        Card { name, id_no, gender, ethnic, birth, address }
    }

    #[test]
    fn both_shapes_say_the_same() {
        let json = r#"{"name":"吴阿蕾","gender":"女","ethnic":"苗","birth":"1967-05-19","address":"贵州省凯里市碧波镇","id_no":"522601196705199487"}"#;
        assert_eq!(parse(json.as_bytes()), Ok(hers()));
        let text = "吴阿蕾\r\n女\r\n苗\r\n1967年05月19日\r\n贵州省凯里市碧波镇\r\n522601196705199487\r\n凯里市公安局\r\n";
        assert_eq!(parse(text.as_bytes()), Ok(hers()));
        let mut wide = vec![0xFF, 0xFE];
        text.encode_utf16().for_each(|unit| wide.extend(unit.to_le_bytes()));
        assert_eq!(parse(&wide), Ok(hers()));
        for broken in ["", "{}", "吴阿蕾\n女", r#"{"name":"","id_no":"522601196705199487"}"#, "\u{0}\u{1}"]
        {
            assert_eq!(parse(broken.as_bytes()), Err(NoCard::Unknown), "{broken:?}");
        }
    }

    #[test]
    fn a_card_is_read_once_and_not_after_its_bearer_has_left() {
        let file = std::env::temp_dir().join(format!("tongban-card-{}", std::process::id()));
        let json = serde_json::json!({ "name": "吴阿蕾", "id_no": "522601196705199487" }).to_string();
        let now = |after_ms: i64| {
            let at =
                std::fs::metadata(&file).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
            Some(Timestamp::from_ms(at.as_millis() as i64 + after_ms))
        };
        std::fs::write(&file, &json).unwrap();
        assert_eq!(take(&file, now(1_000)).unwrap().name, "吴阿蕾");
        assert_eq!(take(&file, None), Err(NoCard::None), "the file is gone");
        std::fs::write(&file, &json).unwrap();
        assert_eq!(take(&file, now(FRESH_MS + 1)), Err(NoCard::Old));
        assert_eq!(take(&file, None), Err(NoCard::None), "an old one is gone as well");
    }
}
