//! What an officer can order at a stage, as forms of a page, and what comes back from them as the order of the API. One list, so that the
//! page offers what the counter takes and nothing else; whether it may be done now is decided by the counter alone.

use crate::fields::{Choice, FieldView, Input};
use crate::posted::Posted;
use casework::{CaseView, Fees, Officer, ReadyStage};
use domain::access::Permission;
use domain::catalogue::{Item, StageKind};
use domain::delivery::Channel;
use domain::dossier::Dossier;
use domain::network::Tier;
use domain::{OrgId, StageId};
use serde_json::{Map, Value, json};

/// How the text of a field becomes a value of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    /// Left out where it is empty.
    Maybe,
    Bool,
    Number,
    /// Yuan on the page, fen in the order.
    Fen,
    /// One a line.
    Lines,
    /// `2026-12-01 09:30`, one a line.
    Slots,
    /// Chosen boxes.
    Chosen,
    /// Chosen boxes that are numbers.
    Numbers,
}

struct Ask {
    name: &'static str,
    label: &'static str,
    shape: Shape,
    required: bool,
    options: Vec<(String, String)>,
    /// The options are names out of the catalogue, which no phrase book knows.
    names: bool,
    value: String,
    hint: &'static str,
}

/// One order that can be given, with what it asks.
pub(crate) struct Order {
    pub stage: StageId,
    pub verb: &'static str,
    pub label: &'static str,
    asks: Vec<Ask>,
    /// 一次性补正告知: every field and paper of the case, to be marked all at once.
    faults: Vec<(String, String)>,
    /// Shown at once; the others behind a heading.
    pub first: bool,
    pub danger: bool,
}

/// The desk an order is given at.
pub(crate) struct At<'a> {
    pub tier: Tier,
    pub officer: &'a Officer,
    pub item: &'a Item,
    pub view: &'a CaseView,
    pub fees: &'a Fees,
    pub body_name: &'a dyn Fn(&OrgId) -> String,
    pub may: &'a dyn Fn(Permission) -> bool,
}

fn ask(name: &'static str, label: &'static str, shape: Shape) -> Ask {
    let required = !matches!(shape, Shape::Maybe);
    Ask { name, label, shape, required, options: Vec::new(), names: false, value: String::new(), hint: "" }
}

impl Ask {
    fn of(self, options: Vec<(String, String)>) -> Ask {
        Ask { options, ..self }
    }
    fn of_names(self, options: Vec<(String, String)>) -> Ask {
        Ask { options, names: true, ..self }
    }
    fn with(self, value: impl Into<String>) -> Ask {
        Ask { value: value.into(), ..self }
    }
    fn hint(self, hint: &'static str) -> Ask {
        Ask { hint, ..self }
    }
    fn optional(self) -> Ask {
        Ask { required: false, ..self }
    }
}

fn words(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect()
}

const AGREES: &[(&str, &str)] = &[("true", "同意"), ("false", "不同意")];

impl At<'_> {
    fn dossier(&self) -> &Dossier {
        &self.view.dossier
    }

    fn order(&self, stage: &ReadyStage, verb: &'static str, label: &'static str, asks: Vec<Ask>) -> Order {
        let stage = stage.stage.clone();
        Order { stage, verb, label, asks, faults: Vec::new(), first: true, danger: false }
    }

    /// Everything that can be ordered at the stages that wait at this desk.
    pub fn orders(&self, stages: &[&ReadyStage]) -> Vec<Order> {
        stages.iter().flat_map(|stage| self.at_stage(stage)).collect()
    }

    fn at_stage(&self, stage: &ReadyStage) -> Vec<Order> {
        let claimed = self.dossier().stages.get(&stage.stage).and_then(|state| state.claimed_by.as_deref());
        let Some(kind) = self.item.stage(&stage.stage).map(|stage| stage.kind) else { return Vec::new() };
        let mut orders = Vec::new();
        // At the city several share a queue: claim before edit.
        if self.tier == Tier::City && claimed != Some(self.officer.name.as_str()) {
            if claimed.is_none() {
                orders.push(self.order(stage, "claim", "认领", Vec::new()));
            }
            orders.extend(self.visit(stage, kind));
            orders.extend(self.approvals(stage, claimed.is_some()));
            return orders;
        }
        orders.extend(self.work(stage, kind));
        // Whichever stage takes an application up may also send it back, or refuse to take it up.
        if self.dossier().accepted.is_none() && kind != StageKind::Deliver {
            orders.extend(self.answers(stage));
        }
        orders.extend(self.visit(stage, kind));
        orders.extend(self.make_ups(stage));
        if self.tier == Tier::City {
            orders.push(Order { first: false, ..self.order(stage, "release", "退还认领", Vec::new()) });
        }
        orders
    }

    fn opinion(&self, label: &'static str, agree: bool) -> Vec<Ask> {
        let mut asks = Vec::new();
        if agree {
            asks.push(ask("agrees", "意见", Shape::Bool).of(words(AGREES)).with("true"));
        }
        asks.push(ask("opinion", label, Shape::Text).optional());
        asks
    }

    fn work(&self, stage: &ReadyStage, kind: StageKind) -> Vec<Order> {
        let later = |order: Order| Order { first: false, ..order };
        match kind {
            StageKind::CompletenessCheck | StageKind::Accept | StageKind::Intake | StageKind::Appointment => {
                let mut asks = self.opinion("说明", false);
                asks.push(ask("agrees", "", Shape::Bool).with("true"));
                vec![self.order(stage, "complete", "受理(材料齐全)", asks)]
            }
            StageKind::HomeVisit | StageKind::Inspection | StageKind::PostInspection => {
                let mut asks = self.opinion("核查情况", true);
                asks.push(ask("officers", "核查人员(两名以上)", Shape::Lines).hint("一行写一个"));
                vec![self.order(stage, "complete", "办结本环节", asks)]
            }
            StageKind::Publicity => {
                let mut orders = Vec::new();
                match self.dossier().posted.get(&stage.stage) {
                    None => orders.push(self.order(
                        stage,
                        "post",
                        "登记公示",
                        vec![ask("place", "公示地点", Shape::Text)],
                    )),
                    Some(_) => orders.push(self.order(
                        stage,
                        "complete",
                        "公示期满,办结",
                        self.opinion("公示结果", true),
                    )),
                }
                orders
            }
            StageKind::Hearing => match &self.dossier().hearing {
                None => vec![self.order(
                    stage,
                    "notice-hearing",
                    "发听证通知",
                    vec![
                        ask("on", "听证日期(至少提前七日)", Shape::Text).hint("如 2026-12-10"),
                        ask("place", "地点", Shape::Text),
                    ],
                )],
                Some(hearing) if hearing.record.is_none() => {
                    vec![self.order(
                        stage,
                        "hold-hearing",
                        "登记听证笔录",
                        vec![ask("record", "笔录", Shape::Text)],
                    )]
                }
                Some(_) => vec![self.order(stage, "complete", "办结本环节", self.opinion("意见说明", true))],
            },
            StageKind::Payment => self.payment(stage),
            StageKind::Decision => {
                vec![
                    self.order(
                        stage,
                        "decide",
                        "作出决定",
                        vec![
                            ask("outcome", "决定", Shape::Text)
                                .of(words(&[("granted", "准予"), ("refused", "不予")])),
                            ask("text", "理由", Shape::Text).optional().hint("不予的必须写明理由"),
                            ask("article", "所依据的条款", Shape::Maybe)
                                .hint("不予的必须写明,如《行政许可法》第三十八条"),
                        ],
                    ),
                ]
            }
            StageKind::Issue => vec![self.order(stage, "issue", "制发证照", self.opinion("说明", false))],
            StageKind::Deliver => self.delivery(stage),
            StageKind::JointInspection => {
                let held =
                    self.dossier().inspections.get(&stage.stage).is_some_and(|visit| visit.held.is_some());
                match held {
                    true => {
                        vec![later(self.order(stage, "complete", "汇总查验结论", self.opinion("结论", true)))]
                    }
                    false => Vec::new(),
                }
            }
            StageKind::Review
            | StageKind::ParallelReview
            | StageKind::Appraisal
            | StageKind::ExpertReview
            | StageKind::Special => {
                vec![self.order(stage, "complete", "办结本环节", self.opinion("意见说明", true))]
            }
        }
    }

    /// What answers an application before it is taken up: notice, refusal to take up, originals.
    fn answers(&self, stage: &ReadyStage) -> Vec<Order> {
        let dossier = self.dossier();
        let later = |order: Order| Order { first: false, ..order };
        let mut orders = Vec::new();
        if !(self.may)(Permission::Handle) || self.tier == Tier::Village {
            return orders;
        }
        let mut back = later(self.order(stage, "return", "退回补正(一次告知)", Vec::new()));
        if dossier.notices > 0 {
            back.asks.push(
                ask("again", "第二次补正的理由", Shape::Text).hint("法律只允许告知一次;再次告知会被监察记录"),
            );
        }
        back.faults = self.item.fields.iter().map(|field| (field.key.clone(), field.label.clone())).collect();
        back.faults.extend(self.item.materials.iter().map(|one| (one.id.to_string(), one.name.clone())));
        orders.push(back);
        orders.push(Order {
            danger: true,
            ..later(
                self.order(
                    stage,
                    "not-accept",
                    "不予受理(书面)",
                    vec![
                        ask("ground", "理由种类", Shape::Text).of(words(&[
                            ("not_needed", "依法不需要办理"),
                            ("not_ours", "不属于本机关职权"),
                            ("unmet", "不符合条件"),
                        ])),
                        ask("word", "主管机关或所依据的条款", Shape::Maybe)
                            .hint("不属于本机关的写主管机关,不符合条件的写条款"),
                        ask("text", "说明", Shape::Text),
                    ],
                ),
            )
        });
        let scans: Vec<(String, String)> = dossier
            .attachments
            .iter()
            .filter(|one| !dossier.checked.contains(&one.material))
            .map(|one| (one.material.to_string(), self.paper_name(one.material.as_str())))
            .collect();
        if !scans.is_empty() {
            let asks = vec![ask("materials", "已与原件核对的材料", Shape::Chosen).of_names(scans)];
            orders.push(later(self.order(stage, "check-originals", "核对原件", asks)));
        }
        if dossier.green.is_some() {
            let asks = vec![ask("reason", "理由", Shape::Text)];
            orders.push(later(self.order(stage, "decline-green", "不适用绿色通道", asks)));
        }
        orders
    }

    fn paper_name(&self, id: &str) -> String {
        let known = self.item.materials.iter().find(|one| one.id.as_str() == id);
        known.map_or_else(|| id.to_owned(), |one| one.name.clone())
    }

    fn payment(&self, stage: &ReadyStage) -> Vec<Order> {
        let charged = |fee: &str| self.fees.charged.iter().any(|charge| charge.fee == fee);
        let open: Vec<_> = self.fees.due.iter().filter(|line| !charged(&line.fee)).collect();
        if open.is_empty() {
            return vec![self.order(stage, "complete", "费用已清,办结", self.opinion("说明", false))];
        }
        let options = open.iter().map(|line| {
            let yuan = line.amount_fen as f64 / 100.0;
            (line.fee.clone(), format!("{} {yuan:.2} 元", line.fee))
        });
        let amount = open.first().map_or(0, |line| line.amount_fen) as f64 / 100.0;
        let mut waive: Vec<(String, String)> = vec![(String::new(), "不减免".to_owned())];
        waive.extend(open.iter().flat_map(|line| &line.waive).map(|one| (one.clone(), one.clone())));
        vec![self.order(
            stage,
            "charge",
            "登记收费",
            vec![
                ask("fee", "收费项目", Shape::Text).of_names(options.collect()).with(open[0].fee.clone()),
                ask("amount_fen", "金额(元)", Shape::Fen).with(format!("{amount:.2}")),
                ask("receipt", "票据号", Shape::Text).optional(),
                ask("waived", "减免", Shape::Maybe).of_names(waive),
            ],
        )]
    }

    fn delivery(&self, stage: &ReadyStage) -> Vec<Order> {
        let wish = self.dossier().wish.as_ref().map_or(Channel::Proxy, |wish| wish.channel);
        let channels: Vec<(String, String)> =
            Channel::ALL.iter().map(|one| (one.as_str().to_owned(), one.chinese().to_owned())).collect();
        let dispatched = self.dossier().dispatched.as_ref();
        let mut orders = vec![
            self.order(
                stage,
                "deliver",
                "登记送达",
                vec![
                    ask("receiver", "领取人", Shape::Text).with(self.dossier().applicant.clone()),
                    ask("channel", "送达方式", Shape::Text).of(channels.clone()).with(wish.as_str()),
                    ask("proof_kind", "凭证种类", Shape::Text)
                        .of(words(&[
                            ("signature", "领取人签名"),
                            ("photo", "交付照片"),
                            ("code", "六位验证码"),
                            ("waybill", "运单签收"),
                        ]))
                        .with(if dispatched.is_some() { "waybill" } else { "signature" }),
                    ask("proof", "凭证", Shape::Text)
                        .with(dispatched.map_or(String::new(), |sent| sent.waybill.clone()))
                        .hint("签名写领取人姓名;验证码六位数字;邮寄写运单号"),
                ],
            ),
        ];
        let dispatch = vec![ask("carrier", "承运人", Shape::Text), ask("waybill", "运单号", Shape::Text)];
        orders.push(Order { first: false, ..self.order(stage, "dispatch", "登记寄出", dispatch) });
        let failed = vec![
            ask("channel", "送达方式", Shape::Text).of(channels).with(wish.as_str()),
            ask("reason", "原因", Shape::Text),
        ];
        orders
            .push(Order { first: false, ..self.order(stage, "fail-delivery", "登记送达未成", failed) });
        orders
    }

    /// 联合查验: each department speaks for itself, whoever has claimed the visit.
    fn visit(&self, stage: &ReadyStage, kind: StageKind) -> Vec<Order> {
        if kind != StageKind::JointInspection {
            return Vec::new();
        }
        let claimed = self.dossier().stages.get(&stage.stage).and_then(|state| state.claimed_by.as_deref());
        let leads = self.tier != Tier::City || claimed == Some(self.officer.name.as_str());
        let bodies: Vec<(String, String)> =
            stage.bodies.iter().map(|body| (body.to_string(), (self.body_name)(body))).collect();
        let body = || match self.tier {
            Tier::City => Vec::new(),
            Tier::Town | Tier::Village => vec![ask("body", "部门", Shape::Maybe).of_names(bodies.clone())],
        };
        let Some(visit) = self.dossier().inspections.get(&stage.stage) else {
            return match leads {
                true => vec![self.order(
                    stage,
                    "propose-inspection",
                    "提出查验时间",
                    vec![ask("slots", "可选时间", Shape::Slots).hint("一行一个,如 2026-12-01 09:30")],
                )],
                false => Vec::new(),
            };
        };
        let slots: Vec<(String, String)> =
            visit.slots.iter().enumerate().map(|(no, slot)| (no.to_string(), slot.to_string())).collect();
        let mut orders = Vec::new();
        match (&visit.fixed, &visit.held) {
            (None, _) => {
                let mut asks = body();
                asks.push(ask("slots", "本部门能到的时间", Shape::Numbers).of_names(slots.clone()));
                orders.push(self.order(stage, "confirm-inspection", "确认能到的时间", asks));
                if leads {
                    let asks = vec![ask("slot", "定下的时间", Shape::Number).of_names(slots)];
                    orders.push(self.order(stage, "fix-inspection", "定下查验时间", asks));
                }
            }
            (Some(_), None) if leads => orders.push(self.order(
                stage,
                "hold-inspection",
                "查验签到",
                vec![
                    ask("officers", "到场人员(两名以上)", Shape::Lines).hint("一行写一个"),
                    ask("absent", "未到的部门(视为放弃)", Shape::Chosen).of_names(bodies).optional(),
                ],
            )),
            (Some(_), None) => {}
            (Some(_), Some(_)) => {
                let mut asks = body();
                asks.push(
                    ask("passed", "查验结果", Shape::Bool)
                        .of(words(&[("true", "通过"), ("false", "不通过")])),
                );
                asks.push(ask("text", "查验意见", Shape::Text).optional());
                orders.push(self.order(stage, "find-inspection", "填写查验意见", asks));
            }
        }
        orders
    }

    /// What a second person approves: whoever has claimed the stage does not.
    fn approvals(&self, stage: &ReadyStage, claimed: bool) -> Vec<Order> {
        if !(self.may)(Permission::Approve) || !claimed {
            return Vec::new();
        }
        let later = |order: Order| Order { first: false, ..order };
        let mut orders = vec![later(self.order(
            stage,
            "reassign",
            "改派",
            vec![ask("to", "改派给(用户名)", Shape::Text), ask("reason", "理由", Shape::Text)],
        ))];
        if self.dossier().accepted.is_none() {
            return orders;
        }
        match self.dossier().suspended() {
            Some(_) => orders.push(later(self.order(
                stage,
                "resume",
                "恢复计算期限",
                vec![ask("finding", "程序结果", Shape::Text)],
            ))),
            None => orders.push(later(self.order(
                stage,
                "suspend",
                "停止计算期限(第四十五条)",
                vec![
                    ask("procedure", "所需程序", Shape::Text).of(words(&[
                        ("hearing", "听证"),
                        ("tender", "招标"),
                        ("auction", "拍卖"),
                        ("inspection", "检验、检测、检疫"),
                        ("appraisal", "鉴定"),
                        ("expert_review", "专家评审"),
                    ])),
                    ask("basis", "依据", Shape::Text),
                    ask("days", "所需工作日", Shape::Number),
                ],
            ))),
        }
        if self.dossier().extension.is_none() {
            orders.push(later(self.order(
                stage,
                "extend",
                "延长期限(第四十二条,一次)",
                vec![ask("days", "延长的工作日", Shape::Number), ask("reason", "理由", Shape::Text)],
            )));
        }
        orders
    }

    /// 容缺补交 that lies on the desk.
    fn make_ups(&self, stage: &ReadyStage) -> Vec<Order> {
        let Some(slip) = domain::tolerance::pending_make_up(self.dossier()) else { return Vec::new() };
        let hidden = || ask("slip", "", Shape::Text).with(slip.to_string());
        vec![
            self.order(stage, "take-make-up", "收下补交的材料", vec![hidden()]),
            self.order(
                stage,
                "refuse-make-up",
                "退回补交的材料",
                vec![hidden(), ask("reason", "理由", Shape::Text)],
            ),
        ]
    }
}

/// An order as the page shows it.
pub(crate) struct OrderView {
    pub action: String,
    pub id: String,
    pub label: &'static str,
    pub fields: Vec<FieldView>,
    pub hidden: Vec<(&'static str, String)>,
    pub faults: Vec<FaultRow>,
    pub first: bool,
    pub danger: bool,
    /// What was refused, where this is the order that was tried.
    pub refused: String,
}

pub(crate) struct FaultRow {
    pub name: String,
    pub label: String,
    pub value: String,
}

impl Order {
    /// `tried`: what was sent, and why it was refused.
    pub fn view(&self, case: &str, t: &dyn Fn(&str) -> String, tried: Option<(&Posted, &str)>) -> OrderView {
        let id = format!("{}-{}", self.stage, self.verb);
        let value = |ask: &Ask| match tried {
            Some((posted, _)) if posted.has(ask.name) => posted.get(ask.name).to_owned(),
            _ => ask.value.clone(),
        };
        let is_hidden = |ask: &&Ask| ask.label.is_empty();
        let field = |ask: &Ask| FieldView {
            name: ask.name.to_owned(),
            label: t(ask.label),
            input: ask.input(&value(ask), t, tried.map(|(posted, _)| posted)),
            required: ask.required,
            readonly: false,
            asked: true,
            hint: ask.hint,
            error: None,
        };
        let fault = |(key, label): &(String, String)| {
            let name = format!("fault.{key}");
            let value = tried.map(|(posted, _)| posted.get(&name).to_owned()).unwrap_or_default();
            FaultRow { name, label: label.clone(), value }
        };
        OrderView {
            action: format!("/cases/{case}/stages/{}/{}", self.stage, self.verb),
            fields: self.asks.iter().filter(|ask| !is_hidden(ask)).map(field).collect(),
            hidden: self.asks.iter().filter(is_hidden).map(|ask| (ask.name, value(ask))).collect(),
            faults: self.faults.iter().map(fault).collect(),
            label: self.label,
            first: self.first || tried.is_some(),
            danger: self.danger,
            refused: tried.map(|(_, reason)| reason.to_owned()).unwrap_or_default(),
            id,
        }
    }

    /// The body of the API's order.
    pub fn body(&self, posted: &Posted) -> Value {
        let mut body = Map::new();
        for ask in &self.asks {
            let text = posted.get(ask.name);
            if let Some(value) = ask.value_of(text, posted) {
                body.insert(ask.name.to_owned(), value);
            }
        }
        if self.verb == "return" {
            let faults = self.faults.iter().filter_map(|(key, label)| {
                let reason = posted.get(&format!("fault.{key}"));
                (!reason.is_empty()).then(|| json!({ "field": key, "label": label, "reason": reason }))
            });
            body.insert("faults".to_owned(), faults.collect());
        }
        if self.verb == "not-accept" {
            let word = body.remove("word").unwrap_or_default();
            let word = word.as_str().unwrap_or("").to_owned();
            let ground = match posted.get("ground") {
                "not_ours" => json!({ "not_ours": { "competent": word } }),
                "unmet" => json!({ "unmet": { "article": word } }),
                _ => json!("not_needed"),
            };
            body.insert("ground".to_owned(), ground);
        }
        Value::Object(body)
    }
}

impl Ask {
    fn input(&self, value: &str, t: &dyn Fn(&str) -> String, tried: Option<&Posted>) -> Input {
        let chosen = |option: &str| match (self.shape, tried) {
            (Shape::Chosen | Shape::Numbers, Some(posted)) => posted.all(self.name).any(|one| one == option),
            _ => option == value,
        };
        let options = || -> Vec<Choice> {
            let one = |(value, label): &(String, String)| {
                let label = if self.names { label.clone() } else { t(label) };
                Choice { value: value.clone(), label, chosen: chosen(value) }
            };
            self.options.iter().map(one).collect()
        };
        match self.shape {
            Shape::Chosen | Shape::Numbers => Input::Checks { options: options() },
            Shape::Bool => Input::Radios { options: options() },
            _ if self.options.len() > 3 => Input::Choice { options: options() },
            _ if !self.options.is_empty() => Input::Radios { options: options() },
            Shape::Lines | Shape::Slots => Input::Area { value: value.to_owned(), rows: 3 },
            Shape::Number => Input::Line { kind: "text", value: value.to_owned(), mode: "numeric", max: 6 },
            Shape::Fen => Input::Line { kind: "text", value: value.to_owned(), mode: "decimal", max: 16 },
            Shape::Text | Shape::Maybe if is_long(self.name) => {
                Input::Area { value: value.to_owned(), rows: 3 }
            }
            Shape::Text | Shape::Maybe => {
                Input::Line { kind: "text", value: value.to_owned(), mode: "", max: 400 }
            }
        }
    }

    fn value_of(&self, text: &str, posted: &Posted) -> Option<Value> {
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        Some(match self.shape {
            Shape::Text => text.into(),
            Shape::Maybe if text.is_empty() => return None,
            Shape::Maybe => text.into(),
            Shape::Bool => match text {
                "true" => true.into(),
                "false" => false.into(),
                // Left out: the counter says which field is missing.
                _ => return None,
            },
            Shape::Number => text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from),
            Shape::Fen => {
                let yuan = text.replace([',', ','], "").parse::<f64>().ok();
                yuan.map_or_else(|| Value::from(text), |yuan| json!((yuan * 100.0).round() as i64))
            }
            Shape::Lines => lines().map(Value::from).collect(),
            Shape::Slots => lines()
                .map(|line| {
                    let (day, time) = line.split_once([' ', 'T']).unwrap_or((line, ""));
                    json!({ "day": day, "time": time.trim() })
                })
                .collect(),
            Shape::Chosen => posted.all(self.name).filter(|one| !one.is_empty()).map(Value::from).collect(),
            Shape::Numbers => {
                posted.all(self.name).filter_map(|one| one.parse::<u32>().ok()).map(Value::from).collect()
            }
        })
    }
}

fn is_long(name: &str) -> bool {
    matches!(name, "opinion" | "text" | "reason" | "record" | "finding" | "again")
}
