//! The 2,000 invented citizens of `deploy/kaili`. No real person appears.

use domain::Day;

#[derive(Debug, Clone)]
pub struct Applicant {
    pub name: String,
    pub gender: String,
    pub birth: Day,
    pub id_no: String,
    pub ethnic: String,
    pub mobile: String,
    /// Nine- or twelve-digit division code of the village.
    pub village: String,
}

/// All of them, in file order.
pub fn applicants() -> Vec<Applicant> {
    let text = include_str!("../../../deploy/kaili/applicants_synthetic.csv");
    let person = |line: &str| {
        let row: Vec<&str> = line.split(',').collect();
        let [_, name, gender, birth, id_no, ethnic, mobile, village] = row[..] else {
            panic!("applicant row: {line}")
        };
        Applicant {
            name: name.into(),
            gender: gender.into(),
            birth: birth.parse().expect("a day"),
            id_no: id_no.into(),
            ethnic: ethnic.into(),
            mobile: mobile.into(),
            village: village.into(),
        }
    };
    text.lines().skip(1).filter(|line| !line.is_empty()).map(person).collect()
}

/// A citizen number with a right check digit for somebody born on `birth`.
pub fn citizen_no(birth: Day, sequence: u32) -> String {
    let body =
        format!("522601{:04}{:02}{:02}{:03}", birth.year(), birth.month(), birth.day(), 900 + sequence % 100);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(weights).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
    format!("{body}{}", b"10X98765432"[(sum % 11) as usize] as char)
}
