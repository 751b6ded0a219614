//! The expressions of the catalogue (`when`, `computed`, `rule`), and no more than they need.
//!
//! Comparisons, `in [..]`, `and`, `+ - * /`, `count`/`sum` over a table, `age(id)`, `days(a,b)`. A bare word that names
//! no field is a text literal, because the catalogue writes `kind=挖掘`. No loops, no user functions: evaluation is
//! linear in the text, and depth is bounded, so a hostile catalogue cannot hang or overflow a node.

use crate::Day;
use crate::numbers::CitizenNo;
use serde_json::{Map, Value};

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Word(String),
    List(Vec<Node>),
    Call(String, Vec<Node>),
    Binary(Op, Box<Node>, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    And,
    In,
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Plus,
    Minus,
    Times,
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExprFault {
    #[error("unexpected {found:?} at character {at}")]
    Syntax { at: usize, found: String },
    #[error("longer than 400 characters or nested deeper than 16")]
    TooLarge,
    #[error("unknown function {0}")]
    UnknownFunction(String),
}

/// What an expression may see: the form, the day, and the column context of a table rule.
pub struct Scope<'a> {
    pub form: &'a Map<String, Value>,
    pub today: Day,
    /// The rows of the table a `rule` stands on; `sum(ratio)` then means that column.
    pub rows: Option<&'a [Value]>,
    /// The value of the field a `rule` stands on, for `days_before_today`.
    pub own: Option<&'a Value>,
}

/// The result of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Number(f64),
    Text(String),
    Bool(bool),
    /// A field it needs is empty.
    Unknown,
}

impl Expr {
    /// # Errors
    /// [`ExprFault`] with the position, for the person who edits the catalogue.
    pub fn parse(text: &str) -> Result<Expr, ExprFault> {
        if text.chars().count() > 400 {
            return Err(ExprFault::TooLarge);
        }
        let mut parser = Parser { chars: text.chars().collect(), at: 0, depth: 0 };
        let node = parser.conjunction()?;
        parser.skip_space();
        if parser.at < parser.chars.len() { Err(parser.unexpected()) } else { Ok(Expr(node)) }
    }
    pub fn eval(&self, scope: &Scope<'_>) -> Outcome {
        self.0.eval(scope)
    }
    /// True only when the condition is known to hold.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        self.eval(scope) == Outcome::Bool(true)
    }
    /// Every bare word used, so that the catalogue lint can tell fields from literals.
    pub fn words(&self) -> Vec<&str> {
        let mut words = Vec::new();
        self.0.collect_words(&mut words);
        words
    }
    /// The fields it reads: what stands right of `=`, or in a list, is a literal.
    pub fn asked_fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        self.0.collect_fields(&mut fields);
        fields
    }
}

impl Node {
    fn collect_words<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Node::Number(_) => {}
            Node::Word(word) => into.push(word),
            Node::List(items) | Node::Call(_, items) => {
                items.iter().for_each(|item| item.collect_words(into))
            }
            Node::Binary(_, left, right) => {
                left.collect_words(into);
                right.collect_words(into);
            }
        }
    }

    fn collect_fields<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Node::Number(_) | Node::List(_) => {}
            Node::Word(word) => into.push(word),
            Node::Call(_, items) => items.iter().for_each(|item| item.collect_fields(into)),
            Node::Binary(Op::Equal | Op::NotEqual | Op::In, left, _) => left.collect_fields(into),
            Node::Binary(_, left, right) => {
                left.collect_fields(into);
                right.collect_fields(into);
            }
        }
    }

    fn eval(&self, scope: &Scope<'_>) -> Outcome {
        match self {
            Node::Number(number) => Outcome::Number(*number),
            Node::Word(word) => eval_word(word, scope),
            Node::List(_) => Outcome::Unknown,
            Node::Call(name, args) => eval_call(name, args, scope),
            Node::Binary(op, left, right) => eval_binary(*op, left, right, scope),
        }
    }

    fn word(&self) -> Option<&str> {
        if let Node::Word(word) = self { Some(word) } else { None }
    }
}

fn eval_word(word: &str, scope: &Scope<'_>) -> Outcome {
    match word {
        "true" => return Outcome::Bool(true),
        "false" => return Outcome::Bool(false),
        "today" => return Outcome::Text(scope.today.to_string()),
        "days_before_today" => {
            let since = scope.own.and_then(Value::as_str).and_then(|text| text.parse::<Day>().ok());
            return since
                .map_or(Outcome::Unknown, |day| Outcome::Number(f64::from(scope.today.days_since(day))));
        }
        _ => {}
    }
    match scope.form.get(word) {
        Some(value) => from_json(value),
        // A name in Latin letters is a field left empty; anything else (挖掘, 低保家庭) is the literal it looks like.
        None if word.is_ascii() => Outcome::Unknown,
        None => Outcome::Text(word.to_owned()),
    }
}

fn from_json(value: &Value) -> Outcome {
    match value {
        Value::Bool(value) => Outcome::Bool(*value),
        Value::Number(number) => number.as_f64().map_or(Outcome::Unknown, Outcome::Number),
        Value::String(text) if text.is_empty() => Outcome::Unknown,
        Value::String(text) => Outcome::Text(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => Outcome::Unknown,
    }
}

fn eval_call(name: &str, args: &[Node], scope: &Scope<'_>) -> Outcome {
    let number = |value: Option<f64>| value.map_or(Outcome::Unknown, Outcome::Number);
    match (name, args) {
        ("age", [id]) => {
            // The catalogue says `id_card` where the form's field is `id_no`: both name the applicant's number.
            let field = id.word().map(|word| if word == "id_card" { "id_no" } else { word });
            let text = field.and_then(|field| scope.form.get(field)).and_then(Value::as_str);
            let citizen = text.and_then(|text| CitizenNo::parse(text, scope.today).ok());
            number(citizen.map(|citizen| f64::from(scope.today.years_since(citizen.birth()))))
        }
        ("days", [from, to]) => {
            let day = |node: &Node| match node.eval(scope) {
                Outcome::Text(text) => text.get(..10).and_then(|text| text.parse::<Day>().ok()),
                _ => None,
            };
            number(day(from).zip(day(to)).map(|(from, to)| f64::from(to.days_since(from))))
        }
        ("count" | "sum", [Node::Word(path)]) => aggregate(name, path, scope),
        ("count", [Node::Binary(Op::Times, _, _)]) => Outcome::Unknown,
        _ => Outcome::Unknown,
    }
}

/// `count(family)`, `count(*)`, `count(is_farmer)` (rows where it is true), `sum(ratio)`, `sum(members.contribution)`.
fn aggregate(name: &str, path: &str, scope: &Scope<'_>) -> Outcome {
    let table = |field: &str| scope.form.get(field).and_then(Value::as_array).map(Vec::as_slice);
    let (rows, column) = match path.split_once('.') {
        Some((field, column)) => (table(field), Some(column)),
        None if path == "*" => (scope.rows, None),
        None if scope.rows.is_some() => (scope.rows, Some(path)),
        None => (table(path), None),
    };
    let Some(rows) = rows else { return Outcome::Unknown };
    let cell = |row: &Value, column: &str| row.get(column).cloned().unwrap_or(Value::Null);
    let total = match (name, column) {
        ("count", None) => rows.len() as f64,
        ("count", Some(column)) => {
            rows.iter().filter(|row| cell(row, column) == Value::Bool(true)).count() as f64
        }
        (_, Some(column)) => rows.iter().filter_map(|row| cell(row, column).as_f64()).sum(),
        (_, None) => return Outcome::Unknown,
    };
    Outcome::Number(total)
}

fn eval_binary(op: Op, left: &Node, right: &Node, scope: &Scope<'_>) -> Outcome {
    use Outcome::{Bool, Number, Text, Unknown};
    let a = left.eval(scope);
    if op == Op::And {
        return match (a, right.eval(scope)) {
            (Bool(false), _) | (_, Bool(false)) => Bool(false),
            (Bool(true), Bool(true)) => Bool(true),
            _ => Unknown,
        };
    }
    if op == Op::In {
        let Node::List(options) = right else { return Unknown };
        return if a == Unknown {
            Unknown
        } else {
            Bool(options.iter().any(|option| literal(option, scope) == a))
        };
    }
    let b = if matches!(op, Op::Equal | Op::NotEqual) { literal(right, scope) } else { right.eval(scope) };
    match (op, a, b) {
        (_, Unknown, _) | (_, _, Unknown) => Unknown,
        (Op::Plus, Number(a), Number(b)) => Number(a + b),
        (Op::Minus, Number(a), Number(b)) => Number(a - b),
        (Op::Times, Number(a), Number(b)) => Number(a * b),
        (Op::Over, Number(a), Number(b)) if b != 0.0 => Number(a / b),
        (Op::Equal, Number(a), Number(b)) => Bool((a - b).abs() < 0.005),
        (Op::NotEqual, Number(a), Number(b)) => Bool((a - b).abs() >= 0.005),
        (Op::Equal, a, b) => Bool(a == b),
        (Op::NotEqual, a, b) => Bool(a != b),
        (Op::Less, Number(a), Number(b)) => Bool(a < b),
        (Op::AtMost, Number(a), Number(b)) => Bool(a <= b + 1e-9),
        (Op::Greater, Number(a), Number(b)) => Bool(a > b),
        (Op::AtLeast, Number(a), Number(b)) => Bool(a >= b - 1e-9),
        // Days and months are written largest unit first, so their text order is their time order.
        (Op::Less, Text(a), Text(b)) => Bool(a < b),
        (Op::AtMost, Text(a), Text(b)) => Bool(a <= b),
        (Op::Greater, Text(a), Text(b)) => Bool(a > b),
        (Op::AtLeast, Text(a), Text(b)) => Bool(a >= b),
        _ => Unknown,
    }
}

/// The right side of `=`: a word is always the literal, even when a field has that name (`land_type=林地`, `channel=village_proxy`).
fn literal(node: &Node, scope: &Scope<'_>) -> Outcome {
    match node {
        Node::Word(word) if !matches!(word.as_str(), "true" | "false" | "today") => {
            Outcome::Text(word.clone())
        }
        other => other.eval(scope),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn conjunction(&mut self) -> Result<Node, ExprFault> {
        let mut left = self.comparison()?;
        while self.eat_word("and") {
            left = Node::Binary(Op::And, Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node, ExprFault> {
        let left = self.sum()?;
        if self.eat_word("in") {
            return Ok(Node::Binary(Op::In, Box::new(left), Box::new(self.list()?)));
        }
        const SIGNS: [(&str, Op); 6] = [
            ("!=", Op::NotEqual),
            ("<=", Op::AtMost),
            (">=", Op::AtLeast),
            ("=", Op::Equal),
            ("<", Op::Less),
            (">", Op::Greater),
        ];
        for (sign, op) in SIGNS {
            if self.eat(sign) {
                return Ok(Node::Binary(op, Box::new(left), Box::new(self.sum()?)));
            }
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Node, ExprFault> {
        let mut left = self.product()?;
        loop {
            let op = if self.eat("+") {
                Op::Plus
            } else if self.eat("-") {
                Op::Minus
            } else {
                return Ok(left);
            };
            left = Node::Binary(op, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Node, ExprFault> {
        let mut left = self.atom()?;
        loop {
            let op = if self.eat("*") {
                Op::Times
            } else if self.eat("/") {
                Op::Over
            } else {
                return Ok(left);
            };
            left = Node::Binary(op, Box::new(left), Box::new(self.atom()?));
        }
    }

    fn atom(&mut self) -> Result<Node, ExprFault> {
        self.depth += 1;
        if self.depth > 256 {
            return Err(ExprFault::TooLarge);
        }
        self.skip_space();
        if self.eat("*") {
            return Ok(Node::Word("*".to_owned()));
        }
        let word: String = self.chars[self.at..].iter().take_while(|c| is_word(**c)).collect();
        if word.is_empty() {
            return Err(self.unexpected());
        }
        self.at += word.chars().count();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map(Node::Number).map_err(|_| self.unexpected());
        }
        if !self.eat("(") {
            return Ok(Node::Word(word));
        }
        if !matches!(word.as_str(), "age" | "days" | "count" | "sum") {
            return Err(ExprFault::UnknownFunction(word));
        }
        let mut args = vec![self.atom()?];
        while self.eat(",") {
            args.push(self.atom()?);
        }
        if self.eat(")") { Ok(Node::Call(word, args)) } else { Err(self.unexpected()) }
    }

    fn list(&mut self) -> Result<Node, ExprFault> {
        if !self.eat("[") {
            return Err(self.unexpected());
        }
        let mut items = vec![self.atom()?];
        while self.eat(",") {
            items.push(self.atom()?);
        }
        if self.eat("]") { Ok(Node::List(items)) } else { Err(self.unexpected()) }
    }

    fn skip_space(&mut self) {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }
    fn eat(&mut self, sign: &str) -> bool {
        self.skip_space();
        let hit = sign.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c));
        if hit {
            self.at += sign.chars().count();
        }
        hit
    }
    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let end = self.at + word.len();
        let alone = self.chars.get(end).is_none_or(|c| !is_word(*c));
        alone && self.eat(word)
    }
    fn unexpected(&self) -> ExprFault {
        ExprFault::Syntax {
            at: self.at,
            found: self.chars[self.at.min(self.chars.len())..].iter().take(12).collect(),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '·')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(text: &str, form: Value) -> bool {
        let form = form.as_object().unwrap().clone();
        let scope = Scope { form: &form, today: "2026-11-23".parse().unwrap(), rows: None, own: None };
        Expr::parse(text).unwrap().holds(&scope)
    }

    #[test]
    fn conditions_of_the_catalogue_hold_when_they_should() {
        assert!(holds("land_type in [耕地,林地,园地]", json!({"land_type": "林地"})));
        assert!(!holds("land_type in [耕地,林地,园地]", json!({"land_type": "建设用地"})));
        assert!(!holds("land_type in [耕地]", json!({})));
        assert!(holds("promise=true", json!({"promise": true})));
        assert!(holds("channel=village_proxy", json!({"channel": "village_proxy"})));
        assert!(holds("special!=无", json!({"special": "新生儿"})));
        assert!(holds("volume>15", json!({"volume": 15.5})));
        assert!(holds("age(id_card)>=80", json!({"id_no": "522601194611239127"})));
        assert!(!holds("age(id_card)<16", json!({"id_no": "52260120101123910X"})));
        assert!(holds("a=1 and b=x", json!({"a": 1, "b": "x"})));
    }

    #[test]
    fn values_are_computed_over_tables() {
        let form = json!({"annual_income": 24000, "family": [{}, {}], "members": [{"contribution": 10.5}, {"contribution": 2}]});
        let scope = Scope {
            form: form.as_object().unwrap(),
            today: "2026-11-23".parse().unwrap(),
            rows: None,
            own: None,
        };
        let eval = |text: &str| Expr::parse(text).unwrap().eval(&scope);
        assert_eq!(eval("annual_income/12/count(family)"), Outcome::Number(1000.0));
        assert_eq!(eval("sum(members.contribution)"), Outcome::Number(12.5));
        let rows = [json!({"is_farmer": true, "ratio": 60}), json!({"is_farmer": false, "ratio": 40})];
        let scope = Scope { rows: Some(&rows), ..scope };
        assert_eq!(Expr::parse("count(is_farmer)/count(*)>=0.8").unwrap().eval(&scope), Outcome::Bool(false));
        assert_eq!(Expr::parse("sum(ratio)=100").unwrap().eval(&scope), Outcome::Bool(true));
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        assert!(matches!(Expr::parse("a in [b"), Err(ExprFault::Syntax { .. })));
        assert_eq!(Expr::parse("exec(a)"), Err(ExprFault::UnknownFunction("exec".into())));
        assert_eq!(Expr::parse(&"1+".repeat(300)), Err(ExprFault::TooLarge));
        assert!(Expr::parse("").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_hangs(text in ".{0,80}") {
            let _ = Expr::parse(&text);
        }
    }
}
