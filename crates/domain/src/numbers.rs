//! Numbers with check characters: citizen number, credit code, e-licence identifier.
//!
//! Every refusal names what is wrong, because the officer has the person (and the card) in front of them.

use crate::Day;

/// Why a number was refused. `Display` tells the officer how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    #[error("应为 {want} 位,现在是 {got} 位")]
    Length { want: usize, got: usize },
    #[error("这是 15 位旧号码,请按居民身份证上的 18 位号码填写")]
    FifteenDigits,
    #[error("含有不允许的字符,请用半角数字和大写字母")]
    Charset,
    #[error("前六位地区代码不存在")]
    Region,
    #[error("出生日期不存在或晚于今天")]
    Birth,
    #[error("校验位不符,请对照证件重新输入")]
    Check,
}

impl NumberFault {
    /// The code used in the test vectors and in the API.
    pub fn code(self) -> &'static str {
        match self {
            NumberFault::Length { .. } => "E_LENGTH",
            NumberFault::FifteenDigits => "E_15DIGIT",
            NumberFault::Charset => "E_CHARSET",
            NumberFault::Region => "E_REGION",
            NumberFault::Birth => "E_BIRTH",
            NumberFault::Check => "E_CHECK",
        }
    }
}

/// A valid citizen number (公民身份号码), stored with an upper-case `X`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CitizenNo(String);

/// Province codes of GB/T 2260, with 81–83 for the residence permits of Hong Kong, Macao and Taiwan.
const PROVINCES: [u8; 37] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54,
    61, 62, 63, 64, 65, 71, 81, 82, 83, 91, 90,
];

impl CitizenNo {
    /// # Errors
    /// The first [`NumberFault`] found, in the order length, characters, region, date, check digit.
    ///
    /// # Source
    /// GB 11643-1999 (check digit by ISO 7064 MOD 11-2).
    pub fn parse(text: &str, today: Day) -> Result<CitizenNo, NumberFault> {
        let length = text.chars().count();
        if length == 15 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberFault::FifteenDigits);
        }
        if length != 18 {
            return Err(NumberFault::Length { want: 18, got: length });
        }
        let upper = text.to_ascii_uppercase();
        let bytes = upper.as_bytes();
        let digits_ok = bytes.len() == 18 && bytes[..17].iter().all(u8::is_ascii_digit);
        if !digits_ok || !(bytes[17].is_ascii_digit() || bytes[17] == b'X') {
            return Err(NumberFault::Charset);
        }
        let number = CitizenNo(upper);
        if !PROVINCES.contains(&(number.digits(0, 2) as u8)) || number.digits(0, 2) == 90 {
            return Err(NumberFault::Region);
        }
        number
            .birth_day()
            .filter(|birth| *birth <= today && birth.year() >= 1850)
            .ok_or(NumberFault::Birth)?;
        const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: u32 = number.0.bytes().zip(WEIGHTS).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
        if number.0.as_bytes()[17] != b"10X98765432"[(sum % 11) as usize] {
            return Err(NumberFault::Check);
        }
        Ok(number)
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn birth(&self) -> Day {
        self.birth_day().expect("parse checked the date")
    }
    pub fn gender(&self) -> &'static str {
        if self.digits(14, 17) % 2 == 1 { "男" } else { "女" }
    }
    /// `522601********9487`: enough to recognise, not enough to use.
    pub fn masked(&self) -> String {
        mask_number(&self.0)
    }
    fn digits(&self, from: usize, to: usize) -> u32 {
        self.0[from..to].bytes().fold(0, |n, b| n * 10 + u32::from(b - b'0'))
    }
    fn birth_day(&self) -> Option<Day> {
        Day::new(self.digits(6, 10) as i16, self.digits(10, 12) as i8, self.digits(12, 14) as i8)
    }
}

/// Keeps six characters in front and four behind; short values are hidden entirely.
pub fn mask_number(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < 12 {
        return "*".repeat(chars.len());
    }
    let hidden = chars.len() - 10;
    chars[..6].iter().chain(&vec!['*'; hidden]).chain(&chars[6 + hidden..]).collect()
}

/// Checks a unified social credit code (统一社会信用代码) of a legal person.
///
/// # Errors
/// As [`CitizenNo::parse`]. A [`NumberFault::Check`] may be overridden by an officer with a reason: some real codes fail it.
///
/// # Source
/// GB 32100-2015: 31 symbols, weights 3^(i-1) mod 31.
pub fn check_credit_code(text: &str) -> Result<(), NumberFault> {
    const SYMBOLS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let length = text.chars().count();
    if length != 18 {
        return Err(NumberFault::Length { want: 18, got: length });
    }
    let value = |b: u8| SYMBOLS.iter().position(|s| *s == b);
    let values: Vec<usize> = text.bytes().map_while(value).collect();
    if values.len() != 18 {
        return Err(NumberFault::Charset);
    }
    if !text.as_bytes()[2..8].iter().all(u8::is_ascii_digit) {
        return Err(NumberFault::Region);
    }
    let mut weight = 1;
    let mut sum = 0;
    for value in &values[..17] {
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    if (31 - sum % 31) % 31 == values[17] { Ok(()) } else { Err(NumberFault::Check) }
}

/// The check character of ISO 7064 MOD 37,36 over the digits and upper-case letters of `text`; dots and hyphens are skipped.
/// `None` when `text` holds any other character.
pub fn check37_36(text: &str) -> Option<char> {
    let mut product = 36u32;
    for symbol in text.chars().filter(|c| !matches!(c, '.' | '-')) {
        let value = symbol.to_digit(36).filter(|_| !symbol.is_ascii_lowercase())?;
        let mut sum = (product + value) % 36;
        if sum == 0 {
            sum = 36;
        }
        product = sum * 2 % 37;
    }
    char::from_digit((37 - product) % 36, 36).map(|c| c.to_ascii_uppercase())
}

/// The root of every e-licence identifier.
const LICENCE_ROOT: &str = "1.2.156.3005.2";

/// Makes an e-licence identifier (电子证照标识) from its four parts.
///
/// # Source
/// GB/T 36904-2018: type code, issuer's credit code, serial, version, check character by ISO 7064 MOD 37,36.
pub fn make_licence_no(
    type_code: &str,
    issuer: &str,
    serial: &str,
    version: u32,
) -> Option<crate::LicenceNo> {
    let parts = format!("{type_code}.{issuer}.{serial}.{version:03}");
    let check = check37_36(&parts)?;
    format!("{LICENCE_ROOT}.{parts}.{check}").parse().ok()
}

/// # Errors
/// [`NumberFault::Charset`] when it is not an e-licence identifier at all, [`NumberFault::Check`] when a character is wrong.
pub fn check_licence_no(text: &str) -> Result<(), NumberFault> {
    let parts = text
        .strip_prefix(LICENCE_ROOT)
        .and_then(|rest| rest.strip_prefix('.'))
        .ok_or(NumberFault::Charset)?;
    let (body, check) = parts.rsplit_once('.').ok_or(NumberFault::Charset)?;
    let want = check37_36(body).ok_or(NumberFault::Charset)?;
    if check.chars().eq([want]) { Ok(()) } else { Err(NumberFault::Check) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(text: &str) -> (serde_json::Value, Vec<serde_json::Value>) {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let list = value["vectors"].as_array().unwrap().clone();
        (value, list)
    }
    fn outcome(result: Result<(), NumberFault>) -> &'static str {
        result.map_or_else(NumberFault::code, |()| "OK")
    }

    #[test]
    fn every_citizen_number_vector_passes() {
        let (file, list) = vectors(include_str!("../../../deploy/kaili/vectors_id.json"));
        let today: Day = file["reference_date"].as_str().unwrap().parse().unwrap();
        assert!(list.len() > 20);
        for vector in &list {
            let input = vector["input"].as_str().unwrap();
            let parsed = CitizenNo::parse(input, today);
            assert_eq!(outcome(parsed.clone().map(drop)), vector["expect"], "{input}");
            let Ok(number) = parsed else { continue };
            if let Some(birth) = vector["birth"].as_str() {
                assert_eq!(number.birth().to_string(), birth, "{input}");
            }
            if let Some(gender) = vector["gender"].as_str() {
                assert_eq!(number.gender(), gender, "{input}");
            }
            if let Some(stored) = vector["normalised"].as_str() {
                assert_eq!(number.as_str(), stored);
            }
        }
        for example in file["published_examples"].as_array().unwrap() {
            assert!(CitizenNo::parse(example["input"].as_str().unwrap(), today).is_ok());
        }
    }

    #[test]
    fn every_credit_code_vector_passes() {
        let (file, list) = vectors(include_str!("../../../deploy/kaili/vectors_uscc.json"));
        for vector in &list {
            let input = vector["input"].as_str().unwrap();
            assert_eq!(outcome(check_credit_code(input)), vector["expect"], "{input}");
        }
        for example in file["published_examples"].as_array().unwrap() {
            assert_eq!(check_credit_code(example.as_str().unwrap()), Ok(()));
        }
    }

    #[test]
    fn every_licence_vector_passes() {
        let (_, list) = vectors(include_str!("../../../deploy/kaili/vectors_licence_id.json"));
        for vector in &list {
            let input = vector["input"].as_str().unwrap();
            assert_eq!(outcome(check_licence_no(input)), vector["expect"], "{input}");
        }
        let made = make_licence_no("12522601MBTT00261N007", "11522601MBTT00018Y", "202600000001", 1).unwrap();
        assert_eq!(
            made.as_str(),
            "1.2.156.3005.2.12522601MBTT00261N007.11522601MBTT00018Y.202600000001.001.I"
        );
    }

    #[test]
    fn every_item_code_vector_splits_into_its_parts() {
        let (_, list) = vectors(include_str!("../../../deploy/kaili/vectors_item_code.json"));
        for vector in &list {
            let code = crate::catalogue::ImplementCode::parse(vector["input"].as_str().unwrap()).unwrap();
            assert_eq!(code.credit_code, vector["parts"]["uscc"].as_str().unwrap());
            assert_eq!(code.level.to_string(), vector["parts"]["level"].as_str().unwrap());
            assert_eq!(code.catalogue_code, vector["parts"]["catalog"].as_str().unwrap());
        }
    }

    #[test]
    fn a_masked_number_shows_its_ends_only() {
        assert_eq!(mask_number("522601196705199487"), "522601********9487");
        assert_eq!(mask_number("123"), "***");
    }
}
